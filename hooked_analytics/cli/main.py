"""The command line: the same functions, for people who are not in a notebook."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pandas as pd

from hooked_analytics import __version__
from hooked_analytics._internal.formatting import count, duration
from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.analysis import credit_usage, failures
from hooked_analytics.analysis.batch_completion import look_ahead, span
from hooked_analytics.analysis.render_times import render_times
from hooked_analytics.client import HookedClient
from hooked_analytics.download import download_videos
from hooked_analytics.errors import FetchInterrupted, HookedError, WaitTimeoutError
from hooked_analytics.fetch import fetch_videos, last_frame, list_videos, poll_videos, summary
from hooked_analytics.plots import plot_credits, plot_render_times
from hooked_analytics.report import build_report
from hooked_analytics.sandbox import Sandbox, serve
from hooked_analytics.schema import empty_videos
from hooked_analytics.secrets_scan import check_files, key_of_environment
from hooked_analytics.storage import VideoArchive, atomic_write, export_videos, read_videos

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DEMO_DIRECTORY = Path("data/exports/demo")
DEMO_VIDEOS = 500

# (column, heading, format) of the tables people see; what is missing shows as a dash
_CREDIT_COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("videos", "videos", "{:,.0f}".format),
    ("credits", "credits", "{:,.1f}".format),
    ("share", "share", "{:.0%}".format),
    ("credits_per_video", "per video", "{:.1f}".format),
    ("credits_per_minute", "per minute", "{:.1f}".format),
    ("failed_credits", "on failures", "{:,.1f}".format),
    ("credits_unknown", "not known", "{:,.0f}".format),
)
_TIME_COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("completed", "completed", "{:,.0f}".format),
    ("failed", "failed", "{:,.0f}".format),
    ("rendering", "rendering", "{:,.0f}".format),
    ("median_seconds", "median", duration),
    ("p90_seconds", "p90", duration),
)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one command.

    Returns
    -------
    exit status: 0 when all went well, 1 when something failed, 2 for a wrong call,
    130 after Ctrl-C

    Examples
    --------
    >>> main(["list", "--limit", "none"])
    Traceback (most recent call last):
    SystemExit: 2
    """
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.command
    try:
        return command(arguments)
    except FetchInterrupted as stopped:
        _say(str(stopped.args[0]))
        if arguments.output:
            _say(f"What arrived: {export_videos(stopped.videos, arguments.output)}")
        return 130
    except KeyboardInterrupt:
        return 130
    except FileNotFoundError as error:
        _say(f"hooked-analytics: there is no file {error.filename}")
        return 1
    except (HookedError, OSError, ValueError, ImportError) as error:
        _say(f"hooked-analytics: {error}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hooked-analytics",
        description="Hooked video ids in; a table, render times, credit usage and files out.",
        epilog="The key comes from HOOKED_API_KEY, the address from HOOKED_API_URL. "
        "Without a key, 'hooked-analytics demo' shows everything on a local sandbox.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="the main job on a local sandbox, no key needed")
    demo.add_argument("-o", "--output", type=Path, default=DEMO_DIRECTORY, help="folder to fill")
    demo.add_argument("--videos", type=int, default=DEMO_VIDEOS)
    demo.set_defaults(command=_demo)

    fetch = commands.add_parser("fetch", help="ids of a file to a table, one request per video")
    fetch.add_argument("ids", help="text file with one id a line; - reads standard input")
    _add_output(fetch, required=True)
    _add_budget(fetch)
    fetch.set_defaults(command=_fetch)

    _add_watch(commands)
    _add_report(commands)
    _add_download(commands)

    listing = commands.add_parser("list", help="the team's videos, 100 a request")
    listing.add_argument("--type", help="only videos of this type")
    listing.add_argument("--status", help="draft, processing, completed or failed")
    listing.add_argument("--limit", type=int, help="stop after so many videos")
    _add_output(listing, required=False)
    _add_budget(listing)
    listing.set_defaults(command=_list)

    check = commands.add_parser("check", help="files for keys and live links, before sharing them")
    check.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="file or folder")
    check.set_defaults(command=_check)

    sandbox = commands.add_parser("sandbox", help="the Hooked API on localhost, until Ctrl-C")
    sandbox.add_argument("--port", type=int, default=8787)
    sandbox.add_argument("--api-key", default="sandbox-key")
    sandbox.add_argument("--videos", type=int, default=200)
    sandbox.add_argument("--seed", type=int, default=0)
    sandbox.add_argument("--time-scale", type=float, default=1.0)
    sandbox.set_defaults(command=_sandbox, output=None)
    return parser


def _add_watch(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    watch = commands.add_parser("watch", help="the videos of a file until all have ended")
    watch.add_argument("ids", help="text file with one id a line; - reads standard input")
    watch.add_argument("--interval", type=float, default=5, metavar="SECONDS", help="of rounds (5)")
    watch.add_argument(
        "--timeout", type=float, default=1800, metavar="SECONDS", help="for the whole watch (1800)"
    )
    watch.add_argument(
        "--archive", metavar="DIR", help="keep what is seen there, and tell the time left from it"
    )
    _add_output(watch, required=False)
    _add_budget(watch)
    watch.set_defaults(command=_watch)


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    report = commands.add_parser("report", help="one page about the videos of a file")
    report.add_argument("videos", type=Path, help="file of fetch or list: .parquet, .csv, .jsonl")
    report.add_argument("-o", "--output", type=Path, default=Path("report.html"), metavar="FILE")
    report.add_argument("--title")
    report.add_argument("--before", type=Path, metavar="FILE", help="videos to compare with")
    report.add_argument("--price-per-credit", type=float, metavar="PRICE", help="adds money")
    report.add_argument("--balance", type=float, metavar="CREDITS", help="adds when it runs out")
    report.add_argument("--timezone", default="UTC", help="whose midnight begins a day (UTC)")
    report.add_argument("--tables", type=Path, metavar="DIR", help="every table too, as files")
    report.set_defaults(command=_report)


def _add_download(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    download = commands.add_parser("download", help="finished videos to a folder, going on later")
    download.add_argument(
        "videos", help="table (.parquet, .csv, .jsonl), or text file with one id a line; - is stdin"
    )
    download.add_argument(
        "-o", "--output", dest="directory", type=Path, required=True, help="folder to fill"
    )
    download.add_argument(
        "--thumbnails", action="store_true", help="the stills instead of the videos"
    )
    download.add_argument("--workers", type=int, default=4, metavar="N", help="at a time (4)")
    download.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="follow links to this host only (repeatable), as cdn.example.com or *.example.com",
    )
    _add_budget(download)
    download.set_defaults(command=_download, output=None)


def _add_output(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=required,
        help="file to write: .parquet, .csv, .xlsx or .jsonl",
    )
    parser.add_argument(
        "--include-urls",
        action="store_true",
        help="keep the signed part of links, which is a secret for 24 h",
    )


def _add_budget(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--requests-per-minute", type=int, default=60, metavar="N", help="limit to keep to (60)"
    )


def _read_ids(ids: str) -> list[str]:
    text = sys.stdin.read() if ids == "-" else Path(ids).read_text(encoding="utf-8-sig")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _fetch(arguments: argparse.Namespace) -> int:
    video_ids = _read_ids(arguments.ids)
    with HookedClient(requests_per_minute=arguments.requests_per_minute) as client:
        videos = fetch_videos(video_ids, client=client, progress=True)
    path = export_videos(videos, arguments.output, include_urls=arguments.include_urls)
    _say(f"{len(videos):,} rows in {path}")
    for video_id, message in videos.loc[
        videos["fetch_error"].notna(), ["video_id", "fetch_error_message"]
    ][:10].itertuples(index=False):
        _say(f"  {video_id}: {message}")
    return 1 if videos["fetch_error"].notna().any() else 0


def _download(arguments: argparse.Namespace) -> int:
    is_table = Path(arguments.videos).suffix.lower() in {".parquet", ".csv", ".jsonl"}
    with HookedClient(requests_per_minute=arguments.requests_per_minute) as client:
        if is_table:
            videos = read_videos(arguments.videos)
        else:
            videos = fetch_videos(_read_ids(arguments.videos), client=client, progress=True)
        try:
            files = download_videos(
                videos,
                arguments.directory,
                client=client,
                max_workers=arguments.workers,
                asset="thumbnail" if arguments.thumbnails else "video",
                progress=True,
                allowed_hosts=arguments.allow_host,
            )
        except FetchInterrupted as stopped:
            _say(f"{stopped.args[0].partition('.')[0]}. The same command goes on from there.")
            return 130
    failed = files[files["error"].notna() & (files["error"] != "not_ready")]
    there, not_ready = int(files["error"].isna().sum()), int((files["error"] == "not_ready").sum())
    _say(
        f"{there:,} files in {arguments.directory}"
        f"{f', {not_ready:,} videos are not COMPLETED' if not_ready else ''}"
    )
    for kind, message in failed[["error", "error_message"]][:10].itertuples(index=False):
        _say(f"  {kind}: {_plain(message)}")
    return 1 if len(failed) else 0


def _watch(arguments: argparse.Namespace) -> int:
    late = False
    archive = VideoArchive(arguments.archive) if arguments.archive else None
    with HookedClient(requests_per_minute=arguments.requests_per_minute) as client:
        rounds = poll_videos(
            _read_ids(arguments.ids),
            client=client,
            archive=archive,
            interval_seconds=arguments.interval,
            timeout_seconds=arguments.timeout,
        )
        try:
            videos = last_frame(rounds, _Changes(archive.videos() if archive else empty_videos()))
        except WaitTimeoutError as timeout:
            late, videos = True, timeout.videos
            _say(f"hooked-analytics: {timeout}")
    _print_failures(videos)
    if arguments.output:
        path = export_videos(videos, arguments.output, include_urls=arguments.include_urls)
        _say(f"{len(videos):,} rows in {path}")
    return 1 if late or videos["fetch_error"].notna().any() else 0


class _Changes:
    """Print a line for a round in which something changed, with the range of the time left."""

    def __init__(self, past: pd.DataFrame) -> None:
        self._past, self._last = past, ""

    def __call__(self, videos: pd.DataFrame) -> None:
        line = summary(videos)
        errors = videos["fetch_error_message"].dropna()
        if len(errors):
            line += f" · {len(errors):,} without an answer, the first: {_plain(errors.iloc[0])}"
        if line != self._last:
            print(f"{datetime.now().astimezone():%H:%M:%S}  {line}{self._left(videos)}", flush=True)
        self._last = line

    def _left(self, videos: pd.DataFrame) -> str:
        ahead = look_ahead(videos, pd.concat([self._past, videos]) if len(self._past) else videos)
        left = span(ahead.all_low, ahead.all_high) if ahead else ""
        return f" · {left} left" if left else ""


def _list(arguments: argparse.Namespace) -> int:
    with HookedClient(requests_per_minute=arguments.requests_per_minute) as client:
        videos = list_videos(
            client=client, type=arguments.type, status=arguments.status, limit=arguments.limit
        )
    if arguments.output:
        path = export_videos(videos, arguments.output, include_urls=arguments.include_urls)
        _say(f"{len(videos):,} rows in {path}")
        return 0
    shown = videos[["video_id", "status", "progress", "created_at", "name"]]
    for video_id, status, progress, created_at, name in shown.itertuples(index=False):
        made = "" if pd.isna(created_at) else f"{created_at:%Y-%m-%d %H:%M}"
        done = "" if pd.isna(progress) else f"{progress:.0f}%"
        print(f"{video_id}\t{_plain(status)}\t{done}\t{made}\t{_plain(name)}")
    return 0


def _report(arguments: argparse.Namespace) -> int:
    report = build_report(
        read_videos(arguments.videos),
        title=arguments.title,
        before=read_videos(arguments.before) if arguments.before else None,
        price_per_credit=arguments.price_per_credit,
        balance=arguments.balance,
        timezone=arguments.timezone,
    )
    print(report)
    _say(f"The page is {report.to_html(arguments.output)}")
    if arguments.tables:
        files = report.export(arguments.tables)
        _say(f"{len(files)} files in {arguments.tables}, {files[-1].name} says what they hold")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    try:
        key = key_of_environment()
    except ValueError as error:
        _say(f"hooked-analytics: {error}")
        return 2
    checked = check_files(arguments.paths, key)
    for line in checked.leaks:
        print(line)
    for line in checked.unread:
        _say(f"hooked-analytics: not searched: {line}")
    searched = count(checked.files, "file")
    if checked.dead_links:
        searched += f", {count(checked.dead_links, 'expired link')}"
    if checked.leaks:
        holds = "place holds" if len(checked.leaks) == 1 else "places hold"
        _say(
            f"{len(checked.leaks):,} {holds} a secret ({searched}). Take it out before you share "
            "them, and replace a key that was shared in Hooked's settings."
        )
        return 1
    print(f"No key and no live link in {searched}.")
    return 2 if checked.unread else 0


def _sandbox(arguments: argparse.Namespace) -> int:
    serve(
        port=arguments.port,
        api_key=arguments.api_key,
        videos=arguments.videos,
        seed=arguments.seed,
        time_scale=arguments.time_scale,
        say=print,
    )
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    directory: Path = arguments.output
    with Sandbox(videos=arguments.videos) as sandbox:
        print(f"A sandbox of {arguments.videos:,} videos speaks the Hooked API at {sandbox.url}")
        with sandbox.client() as client:
            videos = fetch_videos(sandbox.video_ids, client=client, progress=True)
    print("\nWhere the credits went, by type")
    _print_table(credit_usage(videos), _CREDIT_COLUMNS)
    print("\nHow long renders take to the end, those under way counted in, by type")
    _print_table(render_times(videos), _TIME_COLUMNS)
    files = [export_videos(videos, directory / f"videos.{kind}") for kind in ("parquet", "csv")]
    for name, plot in (("credits", plot_credits), ("render_times", plot_render_times)):
        files.append(_save(plot(videos), directory / f"{name}.png"))
    print("\nWritten:")
    for file in files:
        print(f"  {file}")
    print(
        "\nNext, with your own videos:\n"
        "  export HOOKED_API_KEY=...\n"
        "  hooked-analytics fetch ids.txt -o videos.parquet"
    )
    return 0


def _save(ax: Axes, path: Path) -> Path:
    figure = cast("Figure", ax.figure)
    with atomic_write(path) as beside:
        figure.savefig(beside, format="png", dpi=120, facecolor="white")
    return path


def _print_table(
    table: pd.DataFrame, columns: Sequence[tuple[str, str, Callable[[float], str]]]
) -> None:
    shown = {"type": ["(unknown)" if pd.isna(t) else _plain(t) for t in table["type"]]}
    for column, heading, write in columns:
        shown[heading] = ["–" if pd.isna(value) else write(value) for value in table[column]]
    widths = {heading: max(map(len, [heading, *cells])) for heading, cells in shown.items()}
    for row in [list(shown), *zip(*shown.values(), strict=True)]:
        first, *rest = zip(row, widths.values(), strict=True)
        print("  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]))


def _print_failures(videos: pd.DataFrame) -> None:
    """Print what failed, what it cost, and why: the render's reason or that of the fetch."""
    reasons = videos["fetch_error_message"].fillna(videos["message"])
    failed = failures(videos.assign(message=reasons))
    if failed.empty:
        return
    print("\nWhat failed, what it cost, why")
    width = max(len(_plain(video_id)) for video_id in failed["video_id"])
    shown = failed[["video_id", "used_credits", "message"]]
    for video_id, used, reason in shown.itertuples(index=False):
        cost = "–" if pd.isna(used) else f"{used:,.1f}"
        print(f"  {_plain(video_id).ljust(width)}  {cost:>8}  {_plain(reason)}")


def _plain(text: str) -> str:
    """Text from the API on one line, without characters that steer a terminal."""
    return "" if pd.isna(text) else one_line(text)


def _say(line: str) -> None:
    print(line, file=sys.stderr)
