"""Files of one data set whose schemas differ: read as one without loss, or refused by file, column and both types."""

import datetime as dt
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from pipeline.commands.predict import predict
from pipeline.commands.run import run
from pipeline.errors import ConfigError, DataError
from pipeline.io.batching import form_batches
from pipeline.io.column_types import common_type, type_as_read
from pipeline.io.dataset import open_dataset
from pipeline.io.reader import ReadSpec, read_batch
from pipeline.planning.description import describe_plan
from pipeline.planning.planner import make_plan
from tests.builders import FAST, execute, make_config, merge_sections, write_config


def write(folder: Path, *tables: pa.Table | pd.DataFrame) -> Path:
    """Write each table to a file of its own: a.parquet, b.parquet, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for letter, table in zip("abcdefgh", tables, strict=False):
        if isinstance(table, pd.DataFrame):
            table = pa.Table.from_pandas(table, preserve_index=False)
        pq.write_table(table, folder / f"{letter}.parquet")
    return folder


def write_columns(folder: Path, *arrays: pa.Array) -> Path:
    """A file for each array, as its column v."""
    return write(folder, *(pa.table({"v": array, "y": [0, 1] * (len(array) // 2)}) for array in arrays))


def config(folder: Path, **sections: object):
    return make_config(folder, **merge_sections(FAST, sections))


def read_all(folder: Path, batch_rows: object = "auto", **options: object) -> pd.DataFrame:
    dataset = open_dataset(str(folder), **options)
    spec = ReadSpec.of(dataset, dataset.schema)
    return pd.concat([read_batch(b, spec).frame for b in form_batches(dataset, batch_rows)], ignore_index=True)


def base(rows: int = 2_000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return pd.DataFrame({"x": x, "y": (rng.random(rows) < 1 / (1 + np.exp(-x))).astype(int)})


def test_a_column_that_comes_later_is_used_and_told(tmp_path, threads):
    frame = base().assign(late=lambda t: 3.0 * t["y"] + np.random.default_rng(1).normal(size=len(t)))
    old, new = frame.iloc[:500].drop(columns="late"), frame.iloc[500:]
    settings = config(write(tmp_path / "d", old, new))
    outcome = execute(threads, settings)
    filled = frame[["x", "late"]].assign(late=frame["late"].where(frame.index >= 500, new["late"].mean()))
    expected = LogisticRegression().fit(filled, frame["y"]).predict_proba(filled)[:, 1]
    assert outcome.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(frame["y"], expected), abs=0.03)
    (notice,) = [notice for notice in outcome.notices if "late" in notice.subject]
    assert "not in 1 of 2 files" in notice.message
    assert "a.parquet), and read as missing in their 500 of 2,000 rows" in notice.message
    assert any("column 'late'" in line for line in describe_plan(make_plan(settings)))


def test_a_column_that_ends_and_one_of_texts_are_missing_where_they_are_not(tmp_path):
    folder = write(
        tmp_path,
        pd.DataFrame({"t": pd.to_datetime(["2026-01-01", "2026-01-02"]), "c": ["p", "q"], "y": [0, 1]}),
        pd.DataFrame({"b": [True, False], "y": [1, 0]}),
        pd.DataFrame({"c": ["q", "r"], "n": [1, 2], "y": [1, 0]}),
    )
    for batch_rows in ("file", "auto", 1):
        frame = read_all(folder, batch_rows)
        assert list(frame) == ["t", "c", "y", "b", "n"]
        assert frame["c"].astype(object).where(frame["c"].notna(), None).tolist() == ["p", "q", None, None, "q", "r"]
        assert frame["b"].isna().tolist() == [True, True, False, False, True, True]
        assert frame["t"].notna().sum() == frame["n"].notna().sum() == 2


def test_named_features_of_later_files_are_found_and_unknown_ones_are_refused(tmp_path):
    folder = write(tmp_path, base(100), base(100, 1).assign(late=1.5))
    features = {"numeric": ["x", "late"], "categorical": [], "datetime": []}
    assert make_plan(config(folder, features=features)).features.columns.numeric == ("x", "late")
    with pytest.raises(ConfigError, match=r"features\.numeric: no file has a column 'lat'; did you mean late"):
        make_plan(config(folder, features={"numeric": ["lat"]}))


WIDER = [
    ([pa.int8(), pa.int32(), pa.int16()], pa.int32()),
    ([pa.int32(), pa.int64()], pa.int64()),
    ([pa.uint8(), pa.int8()], pa.int16()),
    ([pa.uint32(), pa.int32()], pa.int64()),
    ([pa.uint8(), pa.uint32()], pa.uint32()),
    ([pa.uint64(), pa.int64()], pa.int64()),
    ([pa.int64(), pa.float64()], pa.float64()),
    ([pa.int8(), pa.float32()], pa.float64()),
    ([pa.float32(), pa.float64(), pa.float16()], pa.float64()),
    ([pa.decimal128(5, 0), pa.int32()], pa.int64()),
    ([pa.decimal128(5, 0), pa.decimal128(9, 2)], pa.float64()),
    ([pa.null(), pa.int16()], pa.int16()),
]


@pytest.mark.parametrize(("types", "expected"), WIDER)
def test_numbers_have_the_narrowest_type_that_holds_them_all(tmp_path, types, expected):
    values = {t: [Decimal(n) for n in (1, 2, 3)] if pa.types.is_decimal(t) else [1, 2, 3] for t in types}
    arrays = [pa.nulls(4) if pa.types.is_null(t) else pa.array([*values[t], None], t) for t in types]
    folder = write_columns(tmp_path, *arrays)
    assert open_dataset(str(folder)).schema.field("v").type == expected
    read = read_all(folder)["v"]
    assert read.dropna().tolist() == [1, 2, 3] * sum(not pa.types.is_null(t) for t in types)


NUMBERS = [dtype for types, _ in WIDER for dtype in types]


@settings(max_examples=60)
@given(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4), st.randoms())
def test_the_common_type_does_not_depend_on_the_order_of_the_files(types, random):
    shuffled = random.sample(types, len(types))
    common = common_type(types)
    assert common == common_type(shuffled)
    assert common == common_type([*types, common])
    if len(set(types)) == 1:
        assert common == type_as_read(types[0])


def test_integers_that_a_float_cannot_hold_are_named(tmp_path):
    big = pa.array([2**53 + 1, 1, 2, 3])
    folder = write_columns(tmp_path, pa.array([0.5, 1, 2, 3]), big)
    with pytest.raises(DataError, match=r"b\.parquet: column 'v' is int64 and is read as double, which would change"):
        read_all(folder)
    folder = write_columns(tmp_path / "m", pa.array([0.5, 1]), pa.array([2**63 - 1, 0]))
    with pytest.raises(DataError, match=r"b\.parquet: column 'v' is int64 and is read as double"):
        read_all(folder)
    folder = write_columns(tmp_path / "u", pa.array([1, 2]), pa.array([2**64 - 1, 1], pa.uint64()))
    with pytest.raises(DataError, match=r"b\.parquet: column 'v' is uint64 and is read as int64"):
        read_all(folder)


def test_large_integers_that_are_floats_are_read_beside_floats(tmp_path):
    folder = write_columns(tmp_path, pa.array([0.5, 1, 2, 3]), pa.array([2**60, -(2**55), None, 3]))
    assert read_all(folder)["v"].dropna().tolist() == [0.5, 1, 2, 3, 2.0**60, -(2.0**55), 3]


MOMENT = dt.datetime(2026, 5, 6, 7, 8, 9)
FOREVER = dt.datetime(9999, 12, 31)


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([pa.timestamp("ns"), pa.timestamp("us"), pa.timestamp("ms")], pa.timestamp("ns")),
        ([pa.timestamp("ms"), pa.timestamp("us")], pa.timestamp("us")),
        ([pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC")], pa.timestamp("ns", "UTC")),
        ([pa.timestamp("us", "UTC"), pa.timestamp("us", "Europe/Berlin")], pa.timestamp("us", "UTC")),
        ([pa.timestamp("us", "Asia/Tokyo"), pa.timestamp("us", "Europe/Berlin")], pa.timestamp("us", "UTC")),
    ],
)
def test_times_of_different_units_and_zones_are_the_same_moments(tmp_path, types, expected):
    folder = write_columns(tmp_path, *(pa.array([MOMENT, None], dtype) for dtype in types))
    assert open_dataset(str(folder)).schema.field("v").type == expected
    values = read_all(folder)["v"].dropna()
    assert (values.dt.tz_localize(None) == pd.Timestamp(MOMENT)).all()
    assert len(values) == len(types)


def test_dates_and_times_are_one_column(tmp_path):
    folder = write_columns(tmp_path, pa.array([MOMENT.date()] * 2), pa.array([MOMENT, None], pa.timestamp("us")))
    assert read_all(folder)["v"].dropna().tolist() == [pd.Timestamp(MOMENT.date())] * 2 + [pd.Timestamp(MOMENT)]


def test_a_sentinel_beyond_nanoseconds_is_kept_with_times_in_nanoseconds(tmp_path):
    times = [pa.array([MOMENT, MOMENT], pa.timestamp("ns")), pa.array([FOREVER, MOMENT], pa.timestamp("us"))]
    values = read_all(write_columns(tmp_path, *times))["v"]
    assert values.tolist() == [pd.Timestamp(t) for t in (MOMENT, MOMENT, FOREVER, MOMENT)]


def test_nanoseconds_that_would_be_lost_beside_a_sentinel_are_named(tmp_path):
    times = [pa.array([1_001, 0], pa.timestamp("ns")), pa.array([FOREVER, MOMENT], pa.timestamp("us"))]
    with pytest.raises(DataError, match=r"a\.parquet: column 'v' is timestamp\[ns\] and is read as timestamp\[us\]"):
        read_all(write_columns(tmp_path, *times))


DISAGREEING = [
    (pa.array([MOMENT, MOMENT]), pa.array([MOMENT, MOMENT], pa.timestamp("us", "UTC")), "timestamp"),
    (pa.array([True, False]), pa.array([1, 0]), "int64, but bool"),
    (pa.array(["1", "2"]), pa.array([1, 2]), "int64, but string"),
    (pa.array([1, 2], pa.duration("s")), pa.array([1.0, 2.0]), "double, but duration"),
]


@pytest.mark.parametrize(("first", "second", "types"), DISAGREEING)
def test_columns_that_mean_different_things_are_refused_only_where_they_are_used(
    tmp_path, threads, first, second, types
):
    frames = (base(100, seed) for seed in range(2))
    tables = [
        pa.Table.from_pandas(frame, preserve_index=False).append_column("v", pa.concat_arrays([array] * 50))
        for frame, array in zip(frames, (first, second), strict=True)
    ]
    folder = write(tmp_path, *tables)
    with pytest.raises(DataError, match=rf"b\.parquet: column 'v' is {types}.*a\.parquet;.*features\.exclude"):
        make_plan(config(folder))
    excluded = execute(threads, config(folder, features={"exclude": ["v"]}))
    assert excluded.ledger.read == 200
    plan = make_plan(config(folder, features={"exclude": ["v"]}))
    assert plan.features.reasons["v"] == "left out: features.exclude"
    assert make_plan(config(folder, features={"numeric": ["x"]})).columns.names == ["x", "y"]
    with pytest.raises(DataError, match="column 'v'"):
        make_plan(config(folder, prepare={"derive": {"z": "v + 1"}}, features={"exclude": ["v"]}))


def test_quarantine_keeps_what_can_be_read_as_one(tmp_path, threads):
    tables = [base(200, i).assign(n=1) for i in range(3)]
    tables[1] = tables[1].astype({"n": "int8"})
    odd = [base(200, 3).assign(n=0.5), base(70, 4).assign(n="many"), pd.DataFrame({"stray": [1] * 5})]
    outcome = execute(threads, config(write(tmp_path, *tables, *odd), data={"on_bad_batch": "quarantine"}))
    assert (outcome.ledger.read, outcome.ledger.reasons["batch quarantined"]) == (875, 75)
    assert [Path(file.path).name for file in outcome.ledger.files] == ["e.parquet", "f.parquet"]


@pytest.mark.parametrize("letter", ["0", "z"])
@pytest.mark.parametrize(
    "table", [pa.table({"x": pa.array([], pa.string()), "w": pa.array([], pa.int8())}), pa.table({})]
)
def test_a_file_without_rows_or_columns_is_harmless_wherever_it_stands(tmp_path, threads, letter, table):
    folder = write(tmp_path, base(300), base(300, 1))
    before = execute(threads, config(folder))
    pq.write_table(table, folder / f"{letter}.parquet")
    after = execute(threads, config(folder))
    assert after.metrics == before.metrics
    assert after.notices == before.notices


def test_what_is_left_out_is_not_decoded(tmp_path, threads):
    invalid = pa.StringArray.from_buffers(100, *pa.array([b"\xff"] * 100).buffers()[1:])
    table = pa.Table.from_pandas(base(100), preserve_index=False).append_column("v", invalid)
    folder = write(tmp_path, table)
    assert execute(threads, config(folder, features={"exclude": ["v"]})).ledger.read == 100
    assert execute(threads, config(folder, features={"numeric": ["x"]})).ledger.read == 100


def test_long_texts_beside_a_list_make_small_batches_if_they_are_read(tmp_path):
    rows = 4_000
    texts = pa.array([f"{i:06d}" * 170 for i in range(rows)])
    table = pa.Table.from_pandas(base(rows), preserve_index=False).append_column("text", texts)
    table = table.append_column("list", pa.array([[1, 2]] * rows))
    write(tmp_path, table)
    with_texts = make_plan(config(tmp_path, features={"text": ["text"]}))
    without = make_plan(config(tmp_path, features={"exclude": ["text"]}))
    assert max(batch.rows for batch in with_texts.batches) <= 2**20 // 1_024
    assert len(without.batches) == 1


def test_the_statistics_of_a_column_beside_a_list_split_by_time(tmp_path):
    frame = base(1_000).assign(t=pd.date_range("2026-01-01", periods=1_000, freq="h"), many=[[1, 2]] * 1_000)
    frame = frame[["many", "t", "x", "y"]]
    plan = make_plan(config(write(tmp_path, frame), split={"by": "time", "column": "t"}))
    assert abs(plan.test_from[1] - frame["t"].iloc[800]) < pd.Timedelta("12h")


def test_thousands_of_columns_are_planned_in_linear_time(tmp_path):
    def seconds(columns: int) -> float:
        values = np.random.default_rng(0).normal(size=(50, columns))
        frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(columns)]).assign(y=[0, 1] * 25)
        settings = config(write(tmp_path / str(columns), frame))
        begun = time.process_time()
        make_plan(settings)
        return time.process_time() - begun

    seconds(50)
    assert seconds(4_000) < 12 * max(seconds(400), 0.1)


def test_predictions_fill_and_tell_columns_that_some_files_lack(tmp_path):
    frame = base(600).assign(z=1.5)
    settings = config(write(tmp_path / "d", frame), cluster={"workers": 0})
    run(write_config(settings, tmp_path / "c.toml"), out=tmp_path / "run")
    new = write(tmp_path / "new", frame.drop(columns="z"), frame.astype({"z": "float32"}), frame.assign(odd="a"))
    pq.write_table(pa.table({"odd": [1], "x": [0.5], "z": [1.5]}), new / "z.parquet")
    manifest = predict(tmp_path / "run", str(new), str(tmp_path / "out"), ("cluster.workers=0",))
    assert manifest["rows"]["written"] == 1_801
    (notice,) = manifest["notices"]
    assert notice["subject"] == "column 'z'"
    with pytest.raises(DataError, match="column 'odd' is"):
        predict(tmp_path / "run", str(new), str(tmp_path / "kept"), ("cluster.workers=0",), keep=["odd"])


def test_a_joined_table_may_disagree_about_what_is_not_joined(tmp_path, threads):
    tables = [pd.DataFrame({"k": [i], "size": [i], "note": note}) for i, note in enumerate(("a", 1, None))]
    write(tmp_path / "side", *tables)
    frame = base(300).assign(k=lambda t: np.arange(len(t)) % 3)
    join = {"path": str(tmp_path / "side"), "on": ["k"], "columns": ["size"]}
    outcome = execute(threads, config(write(tmp_path / "d", frame), data={"join": [join]}))
    assert "size" in outcome.model.named_steps["preprocess"].columns.numeric
