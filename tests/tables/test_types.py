"""Columns of every type that Parquet files have: used, or left out with the reason, never an exception."""

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.commands.predict import predict
from pipeline.commands.run import run
from pipeline.errors import ConfigError, DataError
from pipeline.io.batching import form_batches
from pipeline.io.dataset import open_dataset
from pipeline.io.reader import ReadSpec, read_batch
from pipeline.planning.planner import make_plan
from tests.builders import FAST, execute, make_config, merge_sections, write_config

ROWS = 600
RNG = np.random.default_rng(0)
X = RNG.normal(size=ROWS)
Y = (RNG.random(ROWS) < 1 / (1 + np.exp(-3 * X))).astype(int)
N = RNG.integers(0, 5, ROWS)
MISSING = np.arange(ROWS) % 7 == 0


def masked(values, dtype=None) -> pa.Array:
    """The values with some missing."""
    return pa.array([None if missing else value for value, missing in zip(values, MISSING, strict=True)], dtype)


def extension(storage: pa.Array, dtype: pa.DataType) -> pa.Array:
    return pa.ExtensionArray.from_storage(dtype, storage)


MONTHS = pd.period_range("2020-01", periods=5, freq="M")
USED = {
    "json": (extension(masked([f'{{"a": {n}}}' for n in N]), pa.json_()), "categorical"),
    "bool8": (extension(masked(N % 2, pa.int8()), pa.bool8()), "numeric"),
    "period": (pa.array(pd.Series(MONTHS[N]).where(~MISSING)), "datetime"),
    "week": (pa.array(pd.Series(pd.period_range("2020-01", periods=5, freq="W")[N])), "datetime"),
    "string_view": (masked([f"v{n}" for n in N], pa.string_view()), "categorical"),
    "large_string": (masked([f"v{n}" for n in N], pa.large_string()), "categorical"),
    "dictionary": (masked([f"v{n}" for n in N]).dictionary_encode(), "categorical"),
    "decimal": (masked([Decimal(int(n)) / 4 for n in N], pa.decimal128(9, 2)), "numeric"),
    "whole": (masked([Decimal(int(n)) for n in N], pa.decimal128(38, 0)), "numeric"),
    "wide": (masked([Decimal(int(n)) for n in N], pa.decimal256(60, 0)), "numeric"),
    "narrow": (masked([Decimal(int(n)) for n in N], pa.decimal32(5, 0)), "numeric"),
    "huge": (masked([Decimal(10) ** 25 * int(n) for n in N], pa.decimal128(38, 0)), "numeric"),
    "half": (pa.array(N.astype("float16")), "numeric"),
    "uint64": (masked([2**63 + int(n) for n in N], pa.uint64()), "numeric"),
    "duration": (masked(N.tolist(), pa.duration("ms")), "numeric"),
    "time32": (masked(N.tolist(), pa.time32("ms")), "numeric"),
    "time64": (masked(N.tolist(), pa.time64("ns")), "numeric"),
    "date32": (masked([dt.date(2020, 1, 1 + int(n)) for n in N]), "datetime"),
    "date64": (masked([dt.date(2020, 1, 1 + int(n)) for n in N], pa.date64()), "datetime"),
    "zoned": (masked([dt.datetime(2020, 1, 1 + int(n)) for n in N], pa.timestamp("ns", "Asia/Tokyo")), "datetime"),
    "boolean": (masked((N > 2).tolist()), "numeric"),
}
LEFT_OUT = {
    "uuid": (extension(pa.array([bytes([int(n)]) * 16 for n in N], pa.binary(16)), pa.uuid()), "UUID"),
    "tensor": (pa.FixedShapeTensorArray.from_numpy_ndarray(RNG.normal(size=(ROWS, 3))), "arrow.fixed_shape_tensor"),
    "opaque": (extension(masked([b"x"] * ROWS, pa.binary()), pa.opaque(pa.binary(), "t", "v")), "arrow.opaque"),
    "interval": (pa.array(pd.Series(pd.arrays.IntervalArray.from_breaks(range(ROWS + 1)))), "pandas.interval"),
    "binary": (masked([b"x"] * ROWS), "binary"),
    "binary_view": (masked([b"x"] * ROWS, pa.binary_view()), "binary_view"),
    "fixed": (masked([b"xy"] * ROWS, pa.binary(2)), "fixed_size_binary"),
    "list": (masked([[1]] * ROWS), "list"),
    "large_list": (masked([[1]] * ROWS, pa.large_list(pa.int8())), "large_list"),
    "list_view": (masked([[1]] * ROWS, pa.list_view(pa.int8())), "list_view"),
    "map": (masked([{"a": 1}] * ROWS, pa.map_(pa.string(), pa.int8())), "map"),
    "struct": (masked([{"a": 1}] * ROWS), "struct"),
    "null": (pa.nulls(ROWS), "no file has a value in it"),
}


def write(folder: Path, **columns: pa.Array) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"x": X, "y": Y, **columns}), folder / "a.parquet", row_group_size=250)
    return folder


def config(folder: Path, label: str = "y", **sections: object):
    return make_config(folder, label, **merge_sections(FAST, sections))


def read_all(folder: Path, **options: object) -> pd.DataFrame:
    dataset = open_dataset(str(folder))
    spec = ReadSpec.of(dataset, dataset.schema, **options)
    return pd.concat([read_batch(b, spec).frame for b in form_batches(dataset, "file")], ignore_index=True)


def test_columns_of_all_types_are_used_or_left_out_with_the_reason(tmp_path):
    arrays = {name: array for name, (array, _) in {**USED, **LEFT_OUT}.items()}
    report = run(write_config(config(write(tmp_path / "d", **arrays)), tmp_path / "c.toml"), out=tmp_path / "run")
    assert report["metrics"]["roc_auc"] > 0.8
    features = make_plan(config(tmp_path / "d")).features
    kinds = {name: kind for kind in ("numeric", "categorical", "datetime") for name in getattr(features.columns, kind)}
    assert kinds == {"x": "numeric", **{name: kind for name, (_, kind) in USED.items()}}
    for name, (_, reason) in LEFT_OUT.items():
        assert features.reasons[name].startswith("left out: ")
        assert reason in features.reasons[name]
    manifest = predict(tmp_path / "run", str(tmp_path / "d"), str(tmp_path / "out"), ("cluster.workers=0",), keep=["*"])
    assert manifest["rows"]["written"] == ROWS
    kept = pa.concat_tables([pq.read_table(path) for path in sorted((tmp_path / "out").glob("*.parquet"))])
    for name in ("json", "uuid", "tensor", "period", "whole", "list"):
        assert kept.column(name).combine_chunks().equals(arrays[name]), name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("whole", N),
        ("wide", N),
        ("decimal", N / 4),
        ("duration", N / 1_000),
        ("time64", N / 1e9),
        ("bool8", N % 2 == 1),
        ("json", [f'{{"a": {n}}}' for n in N]),
        ("period", MONTHS[N].to_timestamp()),
        ("string_view", [f"v{n}" for n in N]),
    ],
)
def test_values_are_what_they_were(tmp_path, name, expected):
    values = read_all(write(tmp_path, v=USED[name][0]))["v"]
    assert values.isna().tolist() == MISSING.tolist()
    assert values.astype(object)[~MISSING].tolist() == pd.Series(expected).astype(object)[~MISSING].tolist()


@pytest.mark.parametrize("dtype", [pa.decimal128(38, 0), pa.decimal128(5, 0), pa.int64()])
def test_decimals_without_a_fraction_are_classes_as_integers_are(tmp_path, threads, dtype):
    labels = np.digitize(X, [-0.5, 0.5]) + 1
    values = [Decimal(int(label)) for label in labels] if pa.types.is_decimal(dtype) else labels
    outcome = execute(threads, config(write(tmp_path, label=pa.array(values, dtype)), "label", model={"params": {}}))
    assert outcome.task == "classification" if hasattr(outcome, "task") else True
    assert outcome.model.named_steps["model"].classes_.tolist() == [1, 2, 3]
    assert outcome.metrics["accuracy"] > 0.7


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([Decimal(10**18 + i) for i in range(ROWS)], pa.decimal128(38, 0)),
        pa.array([2**63 + i for i in range(ROWS)], pa.uint64()),
        pa.array([uuid.UUID(int=i).bytes for i in range(ROWS)], pa.uuid()),
    ],
)
def test_ids_that_floats_cannot_hold_are_as_many_groups(tmp_path, ids):
    folder = write(tmp_path, id=ids)
    column = read_all(folder)["id"]
    assert column.nunique() == ROWS
    plan = make_plan(config(folder, split={"by": "group", "column": "id"}))
    assert "id" not in plan.features.columns.names


def test_a_uuid_is_its_text_and_a_feature_if_it_is_named(tmp_path):
    values = [uuid.UUID(int=i * 2**100 + 7) for i in range(ROWS)]
    array = extension(masked([value.bytes for value in values], pa.binary(16)), pa.uuid())
    folder = write(tmp_path, id=array)
    read = read_all(folder)["id"].astype(object)
    assert read[~MISSING].tolist() == [str(v) for v, missing in zip(values, MISSING, strict=True) if not missing]
    assert read[MISSING].isna().all()
    plan = make_plan(config(folder, features={"numeric": ["x"], "categorical": ["id"]}))
    assert plan.features.columns.categorical == ("id",)


def test_integers_beyond_64_bits_are_refused_where_they_must_be_told_apart(tmp_path):
    folder = write(tmp_path, big=USED["huge"][0])
    for key, sections in (
        ("split.column", {"split": {"by": "group", "column": "big"}}),
        ("features.categorical", {"features": {"categorical": ["big"]}}),
    ):
        with pytest.raises(
            ConfigError, match=rf"{key}: column 'big' is decimal128\(38, 0\) and has values beyond 64-bit"
        ):
            make_plan(config(folder, **sections))
    with pytest.raises(ConfigError, match=r"data\.label: column 'big' is decimal128"):
        make_plan(config(folder, "big"))


def test_decimals_beyond_64_bits_without_statistics_are_named_when_they_are_read(tmp_path):
    table = pa.table({"x": X, "y": Y, "big": pa.array([Decimal(10) ** 25] * ROWS, pa.decimal128(38, 0))})
    pq.write_table(table, tmp_path / "a.parquet", write_statistics=False)
    with pytest.raises(DataError, match=r"a\.parquet: column 'big' is decimal128\(38, 0\) and is read as int64"):
        read_all(tmp_path)


@pytest.mark.parametrize("name", ["tensor", "interval", "binary", "struct", "null"])
def test_labels_and_named_features_of_unusable_types_are_refused(tmp_path, name):
    folder = write(tmp_path, v=LEFT_OUT[name][0])
    for label, sections in (("v", {}), ("y", {"features": {"numeric": ["v"]}}), ("y", {"split": GROUP})):
        with pytest.raises(ConfigError, match="'v'"):
            make_plan(config(folder, label, **sections))
    assert make_plan(config(folder, features={"exclude": ["v"]})).features.reasons["v"] == "left out: features.exclude"


GROUP = {"by": "group", "column": "v"}


@pytest.mark.parametrize("name", ["json", "bool8", "string_view", "uuid", "whole"])
def test_labels_of_types_that_can_be_used_are_learned(tmp_path, threads, name):
    values = {
        "json": extension(pa.array([f"[{label}]" for label in Y]), pa.json_()),
        "bool8": extension(pa.array(Y, pa.int8()), pa.bool8()),
        "string_view": pa.array([str(label) for label in Y], pa.string_view()),
        "uuid": extension(pa.array([bytes([int(label)]) * 16 for label in Y], pa.binary(16)), pa.uuid()),
        "whole": pa.array([Decimal(int(label)) for label in Y], pa.decimal128(38, 0)),
    }
    pq.write_table(pa.table({"x": X, "label": values[name]}), tmp_path / "a.parquet")
    outcome = execute(threads, config(tmp_path, "label"))
    assert len(outcome.model.named_steps["model"].classes_) == 2
    assert outcome.metrics["roc_auc"] > 0.8


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("period", ["v", ">=", dt.date(2020, 4, 1)]),
        ("whole", ["v", ">=", 3]),
        ("date32", ["v", ">=", dt.date(2020, 1, 4)]),
        ("time32", ["v", ">=", 0.003]),
        ("duration", ["v", ">=", 0.003]),
        ("json", ["v", "in", ['{"a": 3}', '{"a": 4}']]),
    ],
)
def test_filters_compare_what_is_read(tmp_path, name, condition):
    order = np.argsort(N, kind="stable")  # so that ranges of row groups differ
    array = USED[name][0].take(pa.array(order))
    pq.write_table(pa.table({"x": X[order], "y": Y[order], "v": array}), tmp_path / "a.parquet", row_group_size=50)
    dataset = open_dataset(str(tmp_path), [tuple(condition)])
    spec = ReadSpec.of(dataset, dataset.schema)
    rows = sum(len(read_batch(batch, spec).frame) for batch in form_batches(dataset, "file"))
    assert rows == ((N >= 3) & ~MISSING).sum()


def latin1(texts: list[str]) -> pa.Array:
    """Texts that are not UTF-8 in a column that says that they are."""
    encoded = pa.array([text.encode("latin-1") for text in texts])
    return pa.StringArray.from_buffers(len(texts), *encoded.buffers()[1:])


@pytest.mark.parametrize("use_dictionary", [True, False])
def test_texts_that_are_not_utf8_are_named_or_replaced_and_told(tmp_path, threads, use_dictionary):
    texts = ["café" if label else "the" for label in Y]
    (tmp_path / "d").mkdir()
    table = pa.table({"x": X, "y": Y, "drink": latin1(texts)})
    pq.write_table(table, tmp_path / "d" / "a.parquet", use_dictionary=use_dictionary)
    with pytest.raises(DataError, match=r"a\.parquet: column 'drink' has a text that is not UTF-8, b'caf\\xe9'; .*enc"):
        execute(threads, config(tmp_path / "d"))
    outcome = execute(threads, config(tmp_path / "d", data={"encoding_errors": "replace"}))
    assert outcome.model.named_steps["preprocess"].categories_["drink"].tolist() == ["caf\ufffd", "the"]
    (notice,) = [notice for notice in outcome.notices if "drink" in notice.subject and "UTF-8" in notice.message]
    assert notice.message.startswith(f"{Y.sum():,} of its texts are not UTF-8")


def test_what_pandas_wrote_about_its_columns_does_not_matter_for_reading(tmp_path):
    table = pa.Table.from_pandas(pd.DataFrame({"x": X, "y": Y}), preserve_index=False)
    table = table.replace_schema_metadata({b"pandas": b"{not json"})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read_all(tmp_path)["x"].tolist() == X.tolist()
