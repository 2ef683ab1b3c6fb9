"""Small files that hold much, searched by `check`: little memory, and what is left out is said."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hooked_analytics.cli import main
from tests.faults.harness import forget_peak, memory_mb, module
from tests.planting import KEY_LINE

MIB = 2**20


def in_zip(path: Path, member: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        with packed.open(member, "w", force_zip64=True) as plain:
            for _ in range(600):
                plain.write(b"\n" * MIB)


def in_gzip(path: Path) -> None:
    with gzip.open(path, "wb") as plain:
        for _ in range(600):
            plain.write(b" " * MIB)


def parquet(path: Path, values: pa.Array) -> None:
    """Write one row group and one page, however many values there are."""
    options = {"row_group_size": len(values), "max_rows_per_page": len(values)}
    plain = {"store_schema": False, "write_statistics": False, "compression": "zstd"}
    dictionary = len(values) > 1
    table = pa.table({"a": values})
    pq.write_table(table, path, use_dictionary=dictionary, **options, **plain)


def repeated() -> pa.Array:
    """A text in millions of rows: two gigabytes in 253 bytes."""
    return pa.DictionaryArray.from_arrays(np.zeros(2**24, np.int8), ["x" * 100])


def one_batch(path: Path) -> None:
    table = pa.table({"a": ["x" * MIB] * 400})
    with pa.ipc.new_file(
        path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
    ) as f:
        f.write_table(table)


def notebook(path: Path) -> None:
    output = {"output_type": "stream", "text": [KEY_LINE, "a" * 64 * MIB]}
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "outputs": [output]}]}))


# name: how it is written, and the status of `check`: 2 where not all of it was searched
BOMBS = {
    "a.zip": (lambda path: in_zip(path, "a.txt"), 2),
    "a.xlsx": (lambda path: in_zip(path, "xl/worksheets/sheet1.xml"), 2),
    "a.log.gz": (in_gzip, 2),
    "a.ipynb": (notebook, 1),
    "a.ipynb.gz": (in_gzip, 2),
    "deep.json": (lambda path: path.write_text("[" * 5_000_000), 0),
    "rows.parquet": (lambda path: parquet(path, pa.nulls(2**27)), 2),
    "repeated.parquet": (lambda path: parquet(path, repeated()), 0),
    "page.parquet": (lambda path: parquet(path, pa.array(["x" * 2**28])), 2),
    "a.arrow": (one_batch, 2),
}


def run(count: int, seed: int = 0) -> dict[str, object]:
    """Check each bomb, *count* times, in a process of its own; nothing is drawn."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (write, status) in BOMBS.items():
            path = Path(folder, name)
            write(path)
            for _ in range(count):
                with module("packed_bombs", path) as child:
                    told = json.load(child.stdout)
                found.append(
                    {"size": path.stat().st_size, "wrong": told["status"] != status, **told}
                )
            path.unlink()
    return {
        "files": len(found),
        "smallest [bytes]": min(each["size"] for each in found),
        "over +200 MB": sum(each["up"] > 200 for each in found),
        "most memory up [MB]": max(each["up"] for each in found),
        "tracebacks": sum("Traceback" in each["said"] for each in found),
        "not said": sum(each["wrong"] for each in found),
    }


def check(path: Path) -> dict[str, object]:
    warm = path.with_suffix(".warm")
    warm.write_text(KEY_LINE)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        main(["check", str(warm)])  # what is loaded late is loaded
        warm.unlink()
        before = forget_peak()
        status = main(["check", str(path)])
    return {"status": status, "up": memory_mb("VmHWM") - before, "said": said.getvalue()}


if __name__ == "__main__":
    print(json.dumps(check(Path(sys.argv[1]))))
