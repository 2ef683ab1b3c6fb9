"""What the commands share: the ids they read, the client, the file they leave, the metrics."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import hooked_analytics as ha
from hooked_analytics._internal.atomic import atomic_write
from hooked_analytics._internal.formatting import count
from hooked_analytics._internal.safe_text import one_line
from hooked_analytics.cli.arguments import Status
from hooked_analytics.cli.show import say, say_failures
from hooked_analytics.fetch import checked_id, join_details
from hooked_analytics.schema import ids_as_column
from hooked_analytics.storage import FORMATS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator

MAX_LABEL = 40


class Run:
    """One command under way: its arguments, and what must be left behind however it ends."""

    def __init__(self, arguments: Namespace) -> None:
        self.arguments = arguments
        self.status: int = Status.SUCCESS
        self.saving = False  # an interrupt waits meanwhile
        self.receiving = False  # so it does while rows come from a call that does not keep them
        self.videos: pd.DataFrame | None = None
        self.table: pd.DataFrame | None = None  # the caller's own, joined to what is saved
        self._client: ha.HookedClient | None = None
        self._saved = False
        self._began = time.monotonic()

    @contextmanager
    def client(self) -> Iterator[ha.HookedClient]:
        """Open a client with the key and the limit of the arguments."""
        names = ("profile", "requests_per_minute")
        settings = {n: v for n in names if (v := getattr(self.arguments, n)) is not None}
        with ha.HookedClient(**settings) as client:
            self._client = client
            yield client

    def archive(self) -> ha.VideoArchive | None:
        """Open the archive of the arguments, if they name one."""
        directory = self.arguments.archive
        return ha.VideoArchive(directory) if directory else None

    def read_ids(self, client: ha.HookedClient) -> list[str]:
        """Read ids from standard input, a file with one a line, or a table with ``video_id``."""
        if ids := self._ids(self.arguments.ids, client):
            return ids
        # what came before in a pipe may have failed: an old file is not replaced by an empty one
        raise ValueError("no ids were given, so nothing was requested and nothing is written")

    def _ids(self, name: str, client: ha.HookedClient) -> list[str]:
        path = Path(name).expanduser()
        if name == "-":
            if sys.stdin is None:
                raise ValueError("standard input is closed: name a file of ids")
            name, given = "standard input", getattr(sys.stdin, "buffer", sys.stdin).read()
        elif path.is_fifo():
            given = path.read_bytes()
        else:
            try:
                return self._read_file(path, str(path), client)
            except FileNotFoundError:
                hint = "ids are read from a file, one a line, or from standard input with -"
                raise ValueError(f"there is no file {path}: {hint}") from None
        with tempfile.TemporaryDirectory() as folder:  # a pipe gives its text only once
            copy = Path(folder, "ids")
            copy.write_bytes(given if isinstance(given, bytes) else given.encode())
            return self._read_file(copy, name, client)

    def _read_file(self, path: Path, name: str, client: ha.HookedClient) -> list[str]:
        self.table = _read_table(path, name)
        if self.table is None:
            return _ids_of_lines(path.read_bytes(), name)
        ids = pd.Series([checked_id(each, client).shown for each in self.table["video_id"]])
        self.table["video_id"] = ids.set_axis(self.table.index)
        if many := int(ids.dropna().duplicated().sum()):
            repeated = count(many, "repeated id")
            say(f"{name} has {repeated}: every row is kept, an id is requested once")
        return ids.dropna().unique().tolist()

    def receive(
        self, call: Callable[..., pd.DataFrame], *ids: Any, **settings: Any
    ) -> pd.DataFrame:
        """Make a call that gives rows, and remember them."""
        self.receiving = True
        try:
            self.videos = call(*ids, **settings)
        finally:
            self.receiving = False
        return self.videos

    def save(self, videos: pd.DataFrame) -> None:
        """Leave the rows in the output file, or beside it where it cannot be written."""
        self.videos, output = videos, self.arguments.output
        if output is None or self._saved:
            return
        before, self.saving, self._saved = self.saving, True, True
        urls = self.arguments.include_urls
        try:
            table = videos if self.table is None else join_details(self.table, videos)
            path = ha.export_videos(table, output, include_urls=urls)
        except Exception as error:  # noqa: BLE001 - whatever it is, the rows are not lost
            path = Path(tempfile.mkdtemp(prefix="hooked-analytics-"), "videos.parquet")
            ha.export_videos(videos, path, include_urls=urls)
            say(f"hooked-analytics: {output} could not be written: {one_line(str(error))}")
            self.status = Status.ERROR
        finally:
            self.saving = before
        say(f"{count(len(videos), 'video')} in {path}")

    def save_rest(self, error: BaseException) -> None:
        """Save what an error that ended the command carries, or what was known before it."""
        carried: pd.DataFrame | None = None
        cause: BaseException | None = error
        while cause is not None and carried is None:  # an interrupt may have come upon another
            carried, cause = getattr(cause, "videos", None), cause.__context__
        videos = self.videos if carried is None else carried
        if videos is not None and hasattr(self.arguments, "include_urls"):
            self.save(videos)

    def tell(self, **figures: object) -> None:
        """Print figures for a script that wants --json, in ASCII whatever the terminal can show."""
        if self.arguments.json:
            print(json.dumps(figures), flush=True)

    def name_failures(self, videos: pd.DataFrame) -> int:
        """Say why rows have no details; gives how many."""
        failed = videos.loc[videos["fetch_error"].notna(), ["video_id", "fetch_error_message"]]
        say_failures(failed)
        return len(failed)

    def write_metrics(self) -> None:
        """Write counts and seconds for Prometheus, last, so that they tell the exit status."""
        if (path := getattr(self.arguments, "metrics", None)) is None:
            return
        try:
            with atomic_write(path) as beside:
                beside.write_text("".join(self._metrics()), encoding="utf-8")
        except OSError as error:
            say(f"hooked-analytics: the metrics could not be written: {error}")
            self.status = self.status or Status.ERROR

    def _metrics(self) -> Iterator[str]:
        """Lines of a textfile; labels hold the command, a status or an error, never an id."""
        seconds = time.monotonic() - self._began
        requests = self._client.requests_sent if self._client else 0
        # name, help, value for each further label
        metrics: list[tuple[str, str, dict[str, float]]] = [
            ("exit_status", "Exit status of the last run.", {"": int(self.status)}),
            ("last_run_timestamp_seconds", "When the last run ended.", {"": time.time()}),
            ("run_seconds", "Duration of the last run.", {"": seconds}),
            ("requests", "Requests sent by the last run.", {"": requests}),
        ]
        if self.videos is not None:
            credits, errors = self.videos["used_credits"], self.videos["fetch_error"]
            metrics += [
                ("videos", "Videos by status.", _counts(self.videos["status"], "status")),
                ("fetch_errors", "Videos without details.", _counts(errors, "error")),
                ("used_credits", "Known credits.", {"": float(credits.sum())}),
                ("credits_unknown", "Videos without credits.", {"": int(credits.isna().sum())}),
            ]
        for name, about, values in metrics:
            yield f"# HELP hooked_{name} {about}\n# TYPE hooked_{name} gauge\n"
            for label, value in values.items():
                yield f'hooked_{name}{{command="{self.arguments.name}"{label}}} {value!r}\n'


def _counts(values: pd.Series[str], label: str) -> dict[str, float]:
    quoted = str.maketrans({"\\": r"\\", '"': r"\""})
    return {
        f',{label}="{one_line(str(value), MAX_LABEL).translate(quoted)}"': int(many)
        for value, many in values.dropna().value_counts().items()
    }


def _read_table(path: Path, name: str) -> pd.DataFrame | None:
    """Read a table that has a column video_id; None for lines of ids."""
    read = FORMATS.get(path.suffix.lower(), FORMATS[".csv"]).read_any
    if path.suffix.lower() == ".gz":
        raise ValueError(f"{name} is packed: unpack it first")
    if read is None:
        good = " or ".join(form.suffix for form in FORMATS.values() if form.read_any)
        raise ValueError(f"{name} cannot be read: save it as {good}, or as text with one id a line")
    try:
        table = read(path)
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not text in UTF-8: save it so, or as .parquet") from None
    except ValueError as error:
        raise ValueError(f"{name} cannot be read as a table: {one_line(str(error))}") from None
    if table is None or "video_id" in (table := ids_as_column(table)):
        return table
    has = one_line(", ".join(map(str, table)))
    raise ValueError(
        f"{name} has no column video_id; it has {has}: name the column of the ids so, or give a "
        "file with one id a line"
    )


def _ids_of_lines(text: bytes | str, source: str) -> list[str]:
    if isinstance(text, bytes):
        wide = text.startswith((b"\xff\xfe", b"\xfe\xff"))  # as a spreadsheet writes "Unicode text"
        text = text.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    if "\0" in text:
        raise ValueError(f"{source} is no text: give a file with one id a line, or a table")
    lines = [line.strip().rstrip(",;").strip("\"' \t") for line in text.splitlines()]
    return [line for line in lines if line not in {"", "video_id", "sep="}]
