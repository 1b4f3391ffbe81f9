"""Table columns: the files of a table held to the columns that its version has."""

from dataclasses import replace

import pyarrow as pa

from pipeline.errors import DataError
from pipeline.io.listed_files import FileListing
from pipeline.io.parquet_footers import Footer

FIELD_ID = b"PARQUET:field_id"


def with_table_columns(footer: Footer, listing: FileListing) -> Footer:
    """The footer without columns that are none of the table's version, or whose values are in its log.

    Files keep the columns that they were written with. A column that was dropped since is none any more; what was
    renamed, or dropped and added again, has the name of another.

    Raises
    ------
    DataError
        A column of the table has another name in the file, or one of its names belongs to another column there.
    """
    if listing.table is None:
        return footer
    columns, partitions = listing.table.columns, listing.partitions.columns.names if listing.partitions else []
    names = {field_id: name for name, field_id in columns.items() if field_id is not None}
    own = []
    for field in footer.schema:
        field_id = _field_id(field)
        now = field.name if field_id is None or columns.get(field.name, field_id) is None else names.get(field_id)
        if now is not None and now != field.name:
            raise DataError(
                f"{footer.path}: column {field.name!r} is called {now!r} in the table by now ({listing.version}); "
                "rewrite the table's files, or choose a data.version from before."
            )
        if now is None and field.name in columns:
            raise DataError(
                f"{footer.path}: column {field.name!r} is another one than the table's ({listing.version}), which was "
                "added after that was dropped; rewrite the table's files, or choose a data.version from before."
            )
        if now in columns and now not in partitions:
            own.append(field)
    return footer if len(own) == len(footer.schema) else replace(footer, schema=pa.schema(own))


def _field_id(field: pa.Field) -> int | None:
    text = (field.metadata or {}).get(FIELD_ID)
    return None if text is None else int(text)
