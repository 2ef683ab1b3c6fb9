"""Parquet: the fixed schema, zstd, checked pages; any engine reads it plainly."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from hooked_analytics import __version__
from hooked_analytics.schema import SCHEMA_VERSION, current_names
from hooked_analytics.storage.tables import require_ours

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pyarrow as pa


def write(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    formula_safe: bool,  # noqa: ARG001 - text in Parquet is never altered
) -> None:
    """Write the batches of one export."""
    write_batches(path, schema, batches)


def write_batches(
    path: Path,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    *,
    notes: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write the batches, one row group each; version and *notes* go beside the schema."""
    from pyarrow.parquet import ParquetWriter

    schema = schema.with_metadata(
        {"hooked_analytics": __version__, "hooked_schema": str(SCHEMA_VERSION), **notes}
    )
    with ParquetWriter(str(path), schema, compression="zstd", write_page_checksum=True) as writer:
        for batch in batches:
            writer.write_batch(batch.cast(schema))


def read(path: Path) -> pa.Table:
    """Read one file, whatever its folder is called."""
    from pyarrow.parquet import ParquetFile

    # read_table would take a folder named type=ugc for a column
    with ParquetFile(str(path), page_checksum_verification=True) as file:
        names = current_names(file.schema_arrow.names)
        require_ours(names)
        return file.read().rename_columns(names)
