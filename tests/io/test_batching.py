import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.io.batching import auto_batch_rows, form_batches, group_by_row_group
from pipeline.io.dataset import open_dataset
from pipeline.io.reader import ReadSpec, read_batches
from tests.builders import make_table, write_parquet


def read_frames(dataset, batches):
    spec = ReadSpec.of(dataset, dataset.schema)
    return [read.frame for cut in group_by_row_group(batches) for read in read_batches(cut, spec)]


def test_batches_hold_every_row_in_order(tmp_path):
    frame = make_table(1_000)
    folder = write_parquet(frame, tmp_path / "d", 7)
    pq.write_table(pa.Table.from_pandas(frame), tmp_path / "d" / "zlast.parquet", row_group_size=130)
    expected = pd.concat([frame, frame], ignore_index=True)
    dataset = open_dataset(str(folder))
    for rule in ("auto", "file", 1, 200, 10_000):
        frames = read_frames(dataset, form_batches(dataset, rule))
        read = pd.concat([part.astype({"c": "str"}) for part in frames], ignore_index=True)
        pd.testing.assert_frame_equal(read, expected, check_dtype=False)
    assert [len(form_batches(dataset, r)) for r in ("auto", "file", 10_000)] == [1, 8, 1]
    assert {b.rows for b in form_batches(dataset, 200)} == {200}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 120), min_size=1, max_size=8), st.integers(1, 150), st.integers(1, 90))
def test_any_layout_of_the_same_rows_gives_the_same_batches(tmp_path_factory, sizes, batch_rows, group):
    """However the rows stand in files and row groups."""
    rows = sum(sizes)
    assume(rows)
    whole = make_table(rows).assign(i=np.arange(rows))
    one, many = (tmp_path_factory.mktemp(name) for name in ("one", "many"))
    whole.to_parquet(one / "a.parquet", index=False, row_group_size=group)
    for k, (a, b) in enumerate(itertools.pairwise(itertools.accumulate(sizes, initial=0))):
        whole.iloc[a:b].to_parquet(many / f"{k}.parquet", index=False)
    read = []
    for path in (one, many):
        dataset = open_dataset(str(path))
        batches = form_batches(dataset, batch_rows)
        read.append([frame["i"].tolist() for frame in read_frames(dataset, batches)])
    assert read[0] == read[1] == [list(range(a, min(a + batch_rows, rows))) for a in range(0, rows, batch_rows)]


def test_auto_batches_of_tiny_files_are_those_of_one_large_file(tmp_path):
    frame = make_table(60_000)
    one, many = write_parquet(frame, tmp_path / "one", 1), write_parquet(frame, tmp_path / "many", 300)
    shapes = [[b.rows for b in form_batches(open_dataset(str(p)))] for p in (one, many)]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > 2


def test_large_row_group_is_read_by_one_task_and_medium_ones_are_not_cut(tmp_path):
    frame = make_table(60_000)
    frame.to_parquet(tmp_path / "large.parquet", index=False)
    batches = form_batches(open_dataset(str(tmp_path)))
    assert {b.row_group_id for b in batches} == {0}
    assert group_by_row_group(batches) == [list(batches)]
    folder = write_parquet(frame, tmp_path / "medium", 12)
    batches = form_batches(open_dataset(str(folder)))
    assert all(b.skip_rows == b.remaining_rows == 0 for b in batches)
    assert len({b.row_group_id for b in batches}) == len(batches)


def test_the_automatic_size_is_a_32nd_of_the_data_within_bounds(tmp_path):
    pd.DataFrame({"x": np.zeros(100)}).to_parquet(tmp_path / "a.parquet")
    dataset = open_dataset(str(tmp_path))
    row_bytes = dataset.row_bytes(dataset.schema)
    assert auto_batch_rows(dataset, dataset.schema) == 2**20 // row_bytes
