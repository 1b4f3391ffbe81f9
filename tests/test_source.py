from datetime import date
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import DataError
from pipeline.source import empty_frame, open_dataset, read_batch
from tests.conftest import table, write


def read_all(path, **options):
    dataset = open_dataset(str(path), **options)
    return pd.concat([read_batch(b, dataset.schema).astype({"c": "str"}) for b in dataset.batches], ignore_index=True)


def test_batches_hold_every_row_in_order_however_they_are_formed(tmp_path):
    frame = table(1_000)
    folder = write(frame, tmp_path / "d", 7)
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "d" / "zlast.parquet", row_group_size=130)
    expected = pd.concat([frame, frame], ignore_index=True)
    for rule in ("auto", "file", 1, 200, 10_000):
        pd.testing.assert_frame_equal(read_all(folder, batch_rows=rule), expected, check_dtype=False)
    assert [len(open_dataset(str(folder), r).batches) for r in ("auto", "file", 10_000)] == [1, 8, 1]
    assert max(b.rows for b in open_dataset(str(folder), 200).batches) <= 200


def test_file_folder_and_glob_name_the_same_rows(folder):
    assert open_dataset(str(folder)).rows == open_dataset(f"{folder}/*.parquet").rows == 2_000
    assert open_dataset(str(folder / "part-000.parquet")).rows == 500


def test_an_empty_frame_has_the_dtypes_of_a_batch(folder):
    dataset = open_dataset(str(folder))
    batch = read_batch(dataset.batches[0], dataset.schema)
    assert isinstance(batch["c"].dtype, pd.CategoricalDtype)
    assert [d.kind for d in empty_frame(dataset.schema).dtypes] == [d.kind for d in batch.dtypes]


def test_missing_path(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        open_dataset(str(tmp_path / "nowhere"))


def test_folder_without_parquet(tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match="no Parquet file"):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PAR1 and then nothing"])
def test_file_that_is_not_parquet_is_named(folder, content):
    (folder / "bad.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.parquet: not a readable Parquet file"):
        open_dataset(str(folder))


def test_truncated_file_is_named(folder):
    path = folder / "part-002.parquet"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"part-002\.parquet.*truncated"):
        open_dataset(str(folder))


def test_damaged_page_is_named(folder):
    path = folder / "part-002.parquet"
    content = bytearray(path.read_bytes())
    content[4:400] = bytes(396)
    path.write_bytes(content)
    dataset = open_dataset(str(folder), "file")
    with pytest.raises(DataError, match=r"part-002\.parquet: cannot be decoded"):
        read_batch(dataset.batches[2], dataset.schema)


def test_disagreeing_types_name_file_column_and_both_types(folder, frame):
    frame.assign(n=frame["n"].astype(float)).to_parquet(folder / "part-009.parquet")
    with pytest.raises(DataError, match=r"part-009\.parquet: column 'n' is double, but int64 in .*part-000"):
        open_dataset(str(folder))


def test_column_missing_from_one_file(folder, frame):
    frame.drop(columns="x").to_parquet(folder / "part-009.parquet")
    with pytest.raises(DataError, match=r"part-009\.parquet: column 'x' is missing"):
        open_dataset(str(folder))


def test_encodings_of_strings_and_all_missing_files_agree(folder, frame):
    frame.assign(c=frame["c"].astype("category")).to_parquet(folder / "part-008.parquet", index=False)
    nothing = pa.Table.from_pandas(frame, preserve_index=False)
    nothing = nothing.set_column(nothing.schema.get_field_index("c"), "c", pa.nulls(len(frame)))
    pq.write_table(nothing, folder / "part-009.parquet")
    assert read_all(folder)["c"].isna().sum() == 2 * frame["c"].isna().sum() + len(frame)


def test_a_batch_replaced_after_its_footer_was_read(folder, frame):
    dataset = open_dataset(str(folder), "file")
    frame.head(3).to_parquet(folder / "part-001.parquet", index=False)
    with pytest.raises(DataError, match="3 rows, but its footer said 500"):
        read_batch(dataset.batches[1], dataset.schema)


def test_types_are_one_whatever_a_batch_holds(tmp_path):
    columns = {
        "b": pa.array([True, None, False]),
        "money": pa.array([Decimal("1.5"), None, Decimal("-2.25")]),
        "day": pa.array([date(2026, 1, 2), None, date(2026, 3, 4)]),
        "s": pa.array(["p", None, "q"], pa.large_string()),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=1)
    dataset = open_dataset(str(tmp_path), 1)
    expected = empty_frame(dataset.schema).dtypes.astype(str).tolist()
    assert expected[:2] == ["boolean", "float64"]
    for batch in dataset.batches:
        assert read_batch(batch, dataset.schema).dtypes.astype(str).tolist() == expected
    whole = read_batch(open_dataset(str(tmp_path)).batches[0], dataset.schema)
    assert whole["money"].dropna().tolist() == [1.5, -2.25]
    assert whole["day"].dt.month.dropna().tolist() == [1, 3]
    assert whole["s"].dropna().tolist() == ["p", "q"]


def test_the_index_that_pandas_wrote_is_a_column_like_any_other(tmp_path):
    pd.DataFrame({"a": [1, 2]}, index=pd.Index([5, 6], name="id")).to_parquet(tmp_path / "a.parquet")
    dataset = open_dataset(str(tmp_path))
    assert read_batch(dataset.batches[0], dataset.schema)["id"].tolist() == [5, 6]


def test_a_column_that_stands_twice_is_named(tmp_path):
    pq.write_table(pa.table([[1], [2]], names=["x", "x"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: column 'x' stands there twice"):
        open_dataset(str(tmp_path))
