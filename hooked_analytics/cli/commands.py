"""The commands, each from its arguments to its exit status."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

import hooked_analytics as ha
from hooked_analytics._internal.atomic import atomic_write, require_space
from hooked_analytics._internal.formatting import count
from hooked_analytics.cli.arguments import Status
from hooked_analytics.cli.show import MISSING, say, say_failures, show_rows
from hooked_analytics.cli.watch import watch
from hooked_analytics.storage import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from hooked_analytics.cli.run import Run

_NEXT = """
Next, with your own videos:
  export HOOKED_API_KEY=...
  hooked-analytics fetch ids.txt -o videos.parquet"""
_CREDITS = ["type", "videos", "credits", "share", "credits_per_video", "failed_credits"]
_LISTED = ["video_id", "status", "done", "created", "name"]
_TIMES = ["type", "completed", "failed", "rendering", "median_seconds", "p90_seconds"]


def fetch(run: Run) -> int:
    """Fetch the details of the videos of a file."""
    with run.client() as client:
        ids, archive = run.read_ids(client), run.archive()
        require_space(run.arguments.output, len(ids))
        videos = run.receive(ha.fetch_videos, ids, client=client, archive=archive, progress=True)
    run.save(videos)
    failed = run.name_failures(videos)
    run.tell(videos=len(videos), failed=failed, requests=client.requests_sent)
    return run.status or (Status.VIDEOS_FAILED if failed else Status.SUCCESS)


def list_team(run: Run) -> int:
    """List the team's videos; with an archive their details, as far as they are not there."""
    arguments, archive = run.arguments, run.archive()
    with run.client() as client:
        filters = {name: getattr(arguments, name) for name in ("type", "status", "limit")}
        videos = run.receive(ha.list_videos, client=client, **filters)
        if archive is not None:
            found = videos["video_id"]
            videos = run.receive(
                ha.fetch_videos, found, client=client, archive=archive, progress=True
            )
    run.save(videos)
    failed = run.name_failures(videos)
    if arguments.json:
        for record in _records(videos):
            run.tell(**record)
    elif not arguments.output:
        shown = videos.assign(
            done=videos["progress"].map("{:.0f}%".format, na_action="ignore"),
            created=videos["created_at"].dt.strftime("%Y-%m-%d %H:%M"),
        )[_LISTED]
        show_rows(_LISTED, shown.itertuples(index=False))
    return run.status or (Status.VIDEOS_FAILED if failed else Status.SUCCESS)


def _records(videos: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as the file of JSON lines has them: no signed links, times as text."""
    with tempfile.TemporaryDirectory() as folder:
        path = ha.export_videos(videos, Path(folder, "videos.jsonl"))
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def download(run: Run) -> int:
    """Download the finished videos of a table or of ids."""
    arguments = run.arguments
    with run.client() as client:
        ids = run.read_ids(client)
        path, table = Path(arguments.ids).expanduser(), run.table
        is_file = path.is_file() and path.suffix.lower() in FORMATS
        has_links = is_file and table is not None and {"status", "url"} <= set(table)
        videos = ha.read_videos(arguments.ids) if has_links else _details(ids, client)
        files = ha.download_videos(
            videos,
            arguments.directory,
            client=client,
            max_workers=arguments.workers,
            asset="thumbnail" if arguments.thumbnails else "video",
            progress=True,
            allowed_hosts=arguments.allow_host,
        )
    run.videos = videos
    there, not_ready = files["error"].isna(), files["error"].eq("not_ready").fillna(False)
    failed = files[~there & ~not_ready]
    counts = {"files": int(there.sum()), "not_ready": int(not_ready.sum()), "failed": len(failed)}
    waiting = f", {count(counts['not_ready'], 'video')} not COMPLETED" if any(not_ready) else ""
    say(f"{count(counts['files'], 'file')} in {arguments.directory}{waiting}")
    say_failures(failed[["error", "error_message"]])
    run.tell(**counts)
    return Status.VIDEOS_FAILED if len(failed) else Status.SUCCESS


def _details(ids: list[str], client: ha.HookedClient) -> pd.DataFrame:
    try:
        return ha.fetch_videos(ids, client=client, progress=True)
    except KeyboardInterrupt:
        told = "Stopped before the first download: run the same command again, or fetch to a file"
        raise KeyboardInterrupt(f"{told} and download from that.") from None


def report(run: Run) -> int:
    """Write the page about the videos of a table, its tables and a workbook."""
    arguments, before = run.arguments, run.arguments.before
    run.videos = videos = ha.read_videos(arguments.videos)
    names = ("title", "period", "price_per_credit", "currency", "balance", "budget", "timezone")
    made = ha.build_report(
        videos,
        by=arguments.by or "type",
        before=ha.read_videos(before) if before not in (None, "previous") else before,
        **{name: getattr(arguments, name) for name in names},
    )
    written = [f"The page is {made.to_html(arguments.page)}"]
    if arguments.excel:
        written.append(f"The workbook is {made.to_excel(arguments.excel)}")
    if arguments.tables:
        *files, manifest = made.export(arguments.tables)
        tables = count(len({file.stem for file in files}), "table")
        about = f"each as Parquet and CSV; {manifest.name} says what they hold"
        written.append(f"{tables} in {arguments.tables}, {about}")
    if arguments.json:
        totals = made.tables["totals"].head(1)
        run.tell(**json.loads(totals.to_json(orient="records", date_format="iso"))[0])
    else:
        print(made)
    for line in written:
        say(line)
    if arguments.fail_on_budget:
        if "forecast_total" not in made.tables:
            raise ValueError(f"the budget cannot be judged without a forecast: {made.no_forecast}")
        total = made.tables["forecast_total"].iloc[0]
        if total["month_to_date"] > arguments.budget or total["over_budget_chance"] > 0.5:
            say("The month will probably exceed the budget.")
            return Status.OVER_BUDGET
    if arguments.fail_on_unusual and len(unusual := made.tables["spend_anomalies"]):
        say(f"{count(len(unusual), 'day')} of unusual spend, see the page")
        return Status.UNUSUAL
    return Status.SUCCESS


def check(run: Run) -> int:
    """Search files for keys and live links."""
    from hooked_analytics.secrets_scan import check_files, key_of_environment

    try:
        key = key_of_environment()
    except ValueError as error:
        say(f"hooked-analytics: {error}")
        return Status.USAGE
    checked = check_files(run.arguments.paths, key)
    for line in checked.leaks:
        print(line)
    for line in checked.unread:
        say(f"hooked-analytics: not searched: {line}")
    searched = count(checked.files, "file")
    if checked.dead_links:
        searched += f", {count(checked.dead_links, 'expired link')}"
    if many := len(checked.leaks):
        say(
            f"{many:,} {'place holds' if many == 1 else 'places hold'} a secret ({searched}). Take "
            "it out before you share them, and replace a key that was shared in Hooked's settings."
        )
        return Status.ERROR
    print(f"No key and no live link in {searched}.")
    return Status.USAGE if checked.unread else Status.SUCCESS


def sandbox(run: Run) -> int:
    """Run the Hooked API on localhost."""
    from hooked_analytics.sandbox import serve

    names = ("port", "api_key", "videos", "seed", "time_scale")
    serve(**{name: getattr(run.arguments, name) for name in names}, say=partial(print, flush=True))
    return Status.SUCCESS


def demo(run: Run) -> int:
    """Do the main job on a sandbox."""
    directory: Path = run.arguments.directory
    with ha.Sandbox(videos=run.arguments.videos) as server, server.client() as client:
        many = count(len(server.video_ids), "video")
        print(f"A sandbox of {many} speaks the Hooked API at {server.url}")
        videos = ha.fetch_videos(server.video_ids, client=client, progress=True)
    if videos["fetch_error"].notna().all():
        run.name_failures(videos)
        say("hooked-analytics: no video arrived from the sandbox")
        return Status.ERROR
    files = [ha.export_videos(videos, directory / f"videos.{kind}") for kind in ("parquet", "csv")]
    try:
        files += _pictures(videos, directory)
    except ImportError as error:  # the rest is worth showing without matplotlib
        say(f"No pictures: {error}")
    for title, table in (
        ("Where the credits went, by type", ha.credit_usage(videos)[_CREDITS]),
        ("How long renders take to their end, by type [s]", ha.render_times(videos)[_TIMES]),
    ):
        print(f"\n{title}\n{table.round(2).to_string(index=False, na_rep=MISSING)}")
    print("\nWritten:", *files, sep="\n  ")
    print(_NEXT)
    return Status.SUCCESS


def _pictures(videos: pd.DataFrame, directory: Path) -> list[Path]:
    files = []
    for name, plot in (("credits", ha.plot_credits), ("render_times", ha.plot_render_times)):
        files.append(directory / f"{name}.png")
        figure = cast("Figure", plot(videos).figure)
        with atomic_write(files[-1]) as beside:
            figure.savefig(beside, format="png", dpi=120, facecolor="white")
    return files


COMMANDS: dict[str, Callable[[Run], int]] = {
    "list": list_team,
    **{each.__name__: each for each in (demo, fetch, watch, report, download, sandbox, check)},
}
