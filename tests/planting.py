"""Put a text into files of every kind in which people share what they have seen."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import quote

import nbformat
import pyarrow as pa
import pyarrow.parquet as pq

from hooked_analytics.schema import videos_from_records
from hooked_analytics.storage import export_videos

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOISE = "one line\nof a file, with 100 % of <b>nothing</b> & \\n more in it\n"

KEY_LINE = "x-api-key: " + "9f86D081" * 4 + "\n"

# how a text may be written inside another
WRITINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "url": lambda text: quote(text, safe=""),
    "url, every sign": lambda text: "".join(f"%{ord(sign):02x}" for sign in text),
    "json": lambda text: json.dumps(text),
    "json twice": lambda text: json.dumps(json.dumps(text)),
    "json, every sign": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
    "repr": repr,
    "html": html.escape,
    "html, every sign": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, off by one": lambda text: base64.b64encode(f"x{text} y".encode()).decode(),
    "base64, off by two": lambda text: base64.urlsafe_b64encode(f"xy{text}".encode()).decode(),
    "base64 in lines": lambda text: base64.encodebytes(b"a" * 50 + text.encode()).decode(),
}


def _notebook(path: Path, cell: dict, **metadata: object) -> None:
    cells = [nbformat.v4.new_markdown_cell("# A notebook"), cell]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    path.write_text(json.dumps(notebook, indent=1))


def source(path: Path, text: str) -> None:
    cell = nbformat.v4.new_code_cell("x")
    cell["source"] = f"# before\n{text}\n".splitlines(keepends=True)
    _notebook(path, cell)


def output(path: Path, text: str) -> None:
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("stream", text=text)])
    _notebook(path, cell)


def picture(path: Path, text: str) -> None:
    held = base64.b64encode(b"\x89PNG\r\n\x1a\n" + text.encode() + b"\0\1")
    data = {"image/png": held.decode()}
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("display_data", data)])
    _notebook(path, cell)


def widget(path: Path, text: str) -> None:
    model = {"model_name": "TextModel", "state": {"value": text}}
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": {"a1": model}}}
    _notebook(path, nbformat.v4.new_code_cell("x"), widgets=widgets)


def attachment(path: Path, text: str) -> None:
    cell = nbformat.v4.new_markdown_cell("![a](attachment:a.txt)")
    cell["attachments"] = {"a.txt": {"text/plain": [NOISE, text]}}
    _notebook(path, cell)


def log(path: Path, text: str) -> None:
    path.write_text(NOISE * 5 + f"12:00 DEBUG {text} was sent\n" + NOISE)


def windows_log(path: Path, text: str) -> None:
    path.write_text(NOISE + text + NOISE, encoding="utf-16")


def long_line(path: Path, text: str) -> None:
    # across the border of two windows of the search
    path.write_text("." * (2**20 - len(text) // 2) + text + NOISE * 300)


def report(path: Path, text: str) -> None:
    path.write_text(f"<!doctype html><p title='x'>{html.escape(text)}</p>{NOISE}")


def frame(path: Path, text: str) -> None:
    records = [{"id": "vid_1"}, {"id": "vid_2", "name": f"Video {text} end"}]
    export_videos(videos_from_records(records), path)


def user_column(path: Path, text: str) -> None:
    inner = pa.array([None, {"a": [text]}])
    coded = pa.array(["x", text]).dictionary_encode()
    chosen = inner if len(text) % 2 else coded
    pq.write_table(pa.table({"n": [1, 2], "other": chosen}), path)


def metadata(path: Path, text: str) -> None:
    pq.write_table(pa.table({"n": [1]}).replace_schema_metadata({"note": text}), path)


def member(path: Path, text: str) -> None:
    inner = io.BytesIO()
    pq.write_table(pa.table({"name": [NOISE, text]}), inner)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/notes.txt", NOISE)
        archive.writestr("a/videos.parquet", inner.getvalue())


def arrow(path: Path, text: str) -> None:
    table = pa.table({"n": [1, 2], "name": ["x", text]})
    options = pa.ipc.IpcWriteOptions(compression=(None, "lz4", "zstd")[len(text) % 3])
    with pa.ipc.new_file(path, table.schema, options=options) as file:
        file.write_table(table)


def packed(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress((NOISE + text).encode()))


FORMATS: dict[str, Callable[[Path, str], None]] = {
    "source.ipynb": source,
    "output.ipynb": output,
    "picture.ipynb": picture,
    "widget.ipynb": widget,
    "attachment.ipynb": attachment,
    "debug.log": log,
    "windows.log": windows_log,
    "long.log": long_line,
    "report.html": report,
    "videos.csv": frame,
    "videos.jsonl": frame,
    "videos.xlsx": frame,
    "videos.parquet": frame,
    "other.parquet": user_column,
    "metadata.parquet": metadata,
    "videos.arrow": arrow,
    "all.zip": member,
    "debug.log.gz": packed,
}
