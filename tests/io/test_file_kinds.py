"""What a file is by its first bytes: files as their own libraries write them."""

import gzip
import io
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from pipeline.io.file_kinds import ENCRYPTED, PROBE_BYTES, UNKNOWN, kind_of, not_parquet

TABLE = pa.table({"x": [1.5, 2.0], "c": ["a", "b"]})
FRAME = TABLE.to_pandas()


def written(write):
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def ipc(new, buffer):
    with new(buffer, TABLE.schema) as writer:
        writer.write_table(TABLE)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (written(lambda b: pq.write_table(TABLE, b)), "Parquet"),
        (written(lambda b: pyarrow.orc.write_table(TABLE, b)), "ORC"),
        (written(lambda b: pyarrow.feather.write_feather(TABLE, b)), "Arrow IPC (Feather)"),
        (written(lambda b: ipc(pa.ipc.new_file, b)), "Arrow IPC (Feather)"),
        (written(lambda b: ipc(pa.ipc.new_stream, b)), "an Arrow IPC stream"),
        (FRAME.to_csv(index=False).encode(), "CSV"),
        (FRAME.to_csv(index=False, sep="\t").encode(), "CSV"),
        (FRAME.to_csv(index=False).encode("utf-8-sig"), "CSV"),
        (FRAME.to_json(orient="records").encode(), "JSON"),
        (FRAME.to_json(orient="records", lines=True).encode(), "JSON"),
        (gzip.compress(b"a,b\n1,2\n"), "compressed with gzip"),
        (written(lambda b: zipfile.ZipFile(b, "w").writestr("a", "b")), "a ZIP archive or an Excel workbook"),
        (b"Obj\x01\x04\x14avro.codec", "Avro"),
        (b"PARE" + b"\x00" * 20, ENCRYPTED),
        (b"some words", "text"),
        (b"", "empty"),
        (b"crc\x00\x12", UNKNOWN),
        (("ä" * PROBE_BYTES).encode()[1 : PROBE_BYTES + 1], UNKNOWN),
    ],
)
def test_the_first_bytes_tell_what_a_file_is(content, kind):
    assert kind_of(content[:PROBE_BYTES]) == kind


def test_a_character_that_is_cut_off_is_no_reason_to_doubt_a_text():
    text = ("a,b\n" + "ä" * PROBE_BYTES).encode()
    assert kind_of(text[:PROBE_BYTES]) == kind_of((b"x" + text)[:PROBE_BYTES]) == "CSV"


def test_the_refusal_says_what_to_do():
    assert not_parquet("f", "CSV").startswith("f: not a readable Parquet file but CSV; convert it to Parquet")
    assert "write it without encryption" in not_parquet("f", ENCRYPTED)
    assert pd.Series(not_parquet("f", "empty")).str.count(r"\.$").item() == 1
