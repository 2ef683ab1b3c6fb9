"""Build the wheel and try it without extras and with each, each in a fresh environment."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
FRAME = """
import hooked_analytics as ha
videos = ha.videos_from_records([
    {"id": f"v{n}", "type": "class", "status": "COMPLETED", "usedCredits": n,
     "createdAt": "2026-10-01T10:00:00Z", "updatedAt": "2026-10-01T10:05:00Z"} for n in range(30)])
"""
# what each extra is for, and how a missing one is told
SCRIPTS = {
    "": """
assert ha.credit_usage(videos)["credits"].tolist() == [435.0]
assert len(ha.read_videos(ha.export_videos(videos, "videos.parquet"))) == 30
for call in (lambda: ha.plot_credits(videos), lambda: ha.Sandbox().start()):
    try:
        call()
    except ImportError as error:
        assert "pip install" in str(error), error
    else:
        raise AssertionError("a missing extra was not told")
""",
    "plot": "ha.plot_credits(videos).figure.savefig('credits.png')",
    "widget": """
client = ha.HookedClient("k" * 20)
ha.ProgressPanel(["vid_abc123"], client=client, autostart=False).close()
""",
    "report": "ha.build_report(videos).to_html('report.html')",
    "sandbox": """
with ha.Sandbox(videos=5) as sandbox, sandbox.client() as client:
    assert len(ha.fetch_videos(sandbox.video_ids, client=client)) == 5
""",
    "webhooks": "ha.WebhookReceiver().start().close()",
    "cli": """
import subprocess
command = [sys.prefix + "/bin/hooked-analytics", "--help"]
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
""",
    "all": "ha.build_report(videos).to_html('report.html')",
}


def build(directory: Path) -> Path:
    """Build the wheel into *directory*, which is emptied of older ones."""
    for old in directory.glob("*.whl"):
        old.unlink()
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*command, directory, ROOT], check=True)
    (wheel,) = directory.glob("*.whl")
    return wheel


def try_extra(wheel: Path, extra: str) -> float:
    """Install into a fresh environment and run the extra's script; the size of it all [MB]."""
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        python = Path(directory, "bin", "python")
        what = f"{wheel}[{extra}]" if extra else str(wheel)
        options = ["--quiet", "--disable-pip-version-check", "--no-compile"]
        before = size(directory)
        subprocess.run([python, "-m", "pip", "install", *options, what], check=True)
        after = size(directory)
        script = f"import sys\n{FRAME}\n{SCRIPTS[extra]}"
        subprocess.run([python, "-W", "ignore", "-c", script], cwd=directory, check=True)
    return (after - before) / 1e6


def size(directory: str) -> int:
    """Bytes of all files below a directory."""
    return sum(path.lstat().st_size for path in Path(directory).rglob("*") if path.is_file())


if __name__ == "__main__":
    built = build(ROOT / "dist")
    print(f"{built.name}: {built.stat().st_size / 1e3:.0f} kB")
    for name in sys.argv[1:] or SCRIPTS:
        print(f"{name or 'without extras':15} {try_extra(built, name):5.0f} MB", flush=True)
