"""The steps of one batch, called as in a shell: without a cluster."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pipeline.errors import DataError, StorageError
from pipeline.io.batching import form_batches
from pipeline.io.dataset import open_dataset
from pipeline.io.reader import ReadBatch, ReadSpec, read_batch
from pipeline.preparation.batch_pipeline import (
    BatchRecipe,
    map_batches,
    mask_fold,
    pack_batch,
    pack_batches,
    pack_row_group,
    prepare_batch,
    prepare_rows,
    quarantine_batch,
)
from pipeline.preparation.columns import Columns
from pipeline.preparation.feature_inference import FeatureSelection
from pipeline.preparation.packing import PackedBatch
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.row_counts import RowCounts
from pipeline.preparation.slice_columns import SliceColumn
from pipeline.preparation.split import TEST, TRAIN, UNUSED, VALIDATION, SplitSpec, assign_roles
from pipeline.preparation.transforms import PreparationSteps
from tests.builders import make_table, write_parquet

FEATURES = FeatureSelection("classification", Columns(("x", "n"), ("c",), ("t",)))
READ_COLUMNS = ("x", "n", "c", "t", "y")
SPLIT = SplitSpec(READ_COLUMNS, 0.2, 0, validation_fraction=0.25, folds=3, bootstrap=True)
STEPS = PreparationSteps(
    derive=(("double", "2 * n"),), filter=(("small", "n < 45"),), function="tests.user_code:keep_small"
)


@pytest.fixture
def data(tmp_path):
    """Five batches of 200 rows, cut from two files with a row group of 500 rows each."""
    dataset = open_dataset(str(write_parquet(make_table(1_000), tmp_path / "data", 2)))
    return dataset, form_batches(dataset, 200)


def recipe_for(dataset, **changes) -> BatchRecipe:
    scale = PackingScale.of(make_table(100), FEATURES.columns)
    spec = ReadSpec.of(dataset, dataset.schema)
    recipe = BatchRecipe(spec, PreparationSteps(), READ_COLUMNS, "y", FEATURES, scale, SPLIT)
    return replace(recipe, **changes)


def as_read(frame: pd.DataFrame) -> ReadBatch:
    return ReadBatch(frame, len(frame))


def assert_same(first: PackedBatch, second: PackedBatch) -> None:
    for name in ("label", "role", "fold", "group"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_array_equal(first.features.numbers, second.features.numbers)
    np.testing.assert_array_equal(first.features.codes, second.features.codes)
    assert (first.number, first.counts, first.error) == (second.number, second.counts, second.error)


def test_every_row_read_is_prepared_or_dropped_for_a_reason(tmp_path):
    frame = make_table(500)
    dataset = open_dataset(str(write_parquet(frame, tmp_path / "data", 1)), [("n", ">=", 5)])
    read = read_batch(form_batches(dataset)[0], ReadSpec.of(dataset, dataset.schema))
    prepared, counts = prepare_rows(read, STEPS)
    kept = frame[(frame["n"] >= 5) & (frame["n"] < 40)]
    assert prepared["double"].tolist() == (2 * kept["n"]).tolist()
    assert counts == RowCounts(
        500,
        {
            "outside data.filters": int((frame["n"] < 5).sum()),
            "small": int((frame["n"] >= 45).sum()),
            "dropped by prepare.function": int(frame["n"].between(40, 44).sum()),
        },
    )


def test_a_prepared_batch_has_its_columns_and_the_roles_of_its_rows(data):
    dataset, batches = data
    recipe = recipe_for(dataset, columns=("y", "x"), split=replace(SPLIT, hash_columns=("y", "x")))
    read = read_batch(batches[1], recipe.read_spec)
    before = read.frame.copy()
    prepared = prepare_batch(read, batches[1], recipe)
    assert (prepared.number, list(prepared.frame), prepared.counts) == (1, ["y", "x"], RowCounts(200))
    expected = assign_roles(make_table(1_000).iloc[200:400], recipe.split, "y")
    for name in ("role", "fold", "group"):
        np.testing.assert_array_equal(getattr(prepared.roles, name), getattr(expected, name))
    pd.testing.assert_frame_equal(read.frame, before)
    assert read.frame.attrs == prepared.frame.attrs == {}


def test_a_packed_batch_has_features_labels_roles_and_slices(data):
    dataset, batches = data
    recipe = recipe_for(dataset, slices=(SliceColumn("n", (10.0, 20.0)), SliceColumn("c")))
    prepared = prepare_batch(read_batch(batches[0], recipe.read_spec), batches[0], recipe)
    before = prepared.frame.copy()
    packed = pack_batch(prepared, recipe)
    frame = make_table(1_000).iloc[:200]
    assert packed.labels[packed.label].tolist() == frame["y"].tolist()
    np.testing.assert_array_equal(packed.role, prepared.roles.role)
    codes, values = packed.coded("n")
    assert values[codes].tolist() == values[np.digitize(frame["n"], [10, 20])].tolist()
    assert "c" not in packed.slices  # a feature is sliced by its own codes
    pd.testing.assert_frame_equal(prepared.frame, before)


def test_the_label_of_a_regression_is_a_number(data):
    dataset, batches = data
    features = replace(FEATURES, task="regression")
    recipe = recipe_for(dataset, label="amount", columns=(*READ_COLUMNS, "amount"), features=features)
    packed = pack_row_group(batches[:1], recipe)
    assert packed.labels is None
    np.testing.assert_array_equal(packed.label, make_table(1_000)["amount"][:200])


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_batch_and_one_row_are_packed_like_any_other(data, rows):
    dataset, batches = data
    recipe = recipe_for(dataset)
    frame = read_batch(batches[0], recipe.read_spec).frame
    full = pack_batch(prepare_batch(as_read(frame), batches[0], recipe), recipe)
    packed = pack_batch(prepare_batch(as_read(frame.iloc[:rows]), batches[0], recipe), recipe)
    for part, expected in ((packed.features.numbers, full.features.numbers), (packed.role, full.role)):
        np.testing.assert_array_equal(part, expected[:rows])
        assert part.dtype == expected.dtype
    assert len(packed.features) == len(packed.label) == len(packed.fold) == len(packed.group) == rows


def test_recipes_and_batches_are_pickled_and_a_recipe_is_small(data):
    dataset, batches = data
    recipe = recipe_for(dataset, steps=STEPS)
    content = pickle.dumps(recipe)
    assert len(content) < 5_000
    copy = pickle.loads(content)
    prepared = prepare_batch(read_batch(batches[0], copy.read_spec), batches[0], copy)
    packed = pack_batch(pickle.loads(pickle.dumps(prepared)), copy)
    assert_same(pickle.loads(pickle.dumps(packed)), pack_row_group(batches[:1], recipe))


def test_batches_of_a_row_group_are_packed_as_each_by_itself(data):
    dataset, batches = data
    recipe = recipe_for(dataset)
    alone = [pack_row_group([batch], recipe) for batch in batches]
    assert all(isinstance(batch, PackedBatch) for batch in alone)
    together = pack_batches(batches, recipe)
    assert [batch.number for batch in together] == [batch.number for batch in batches]
    for first, second in zip(alone, together, strict=True):
        assert_same(first, second)


def test_a_batch_that_fails_is_named_or_quarantined(data):
    dataset, batches = data
    recipe = recipe_for(dataset, steps=PreparationSteps(function="tests.user_code:duplicate_rows"))
    with pytest.raises(
        DataError,
        match=r"^batch 1 \(.*part-000\.parquet .* after row 200\)\): prepare\.function returned 200 rows more",
    ):
        pack_row_group(batches[1:2], recipe)
    packed = pack_row_group(batches[1:2], replace(recipe, quarantine=True))
    assert len(packed.features) == 0
    assert packed.counts == RowCounts(200, {"batch quarantined": 200})
    assert packed.error.startswith("prepare.function")


def test_a_column_that_is_left_out_is_named(data):
    dataset, batches = data
    with pytest.raises(DataError, match=r"prepare\.function left out column 'made'"):
        pack_row_group(batches[:1], recipe_for(dataset, columns=(*READ_COLUMNS, "made")))


def test_a_quarantined_batch_counts_all_its_rows_once(data):
    dataset, batches = data
    packed = quarantine_batch(batches[2], recipe_for(dataset), "broken")
    assert (packed.number, packed.error) == (2, "broken")
    assert packed.counts == RowCounts(batches[2].rows, {"batch quarantined": batches[2].rows})
    assert packed.features.names == ("c", "t.hour", "t.weekday", "t.month")


def test_read_error_fails_the_rest_of_its_row_group_others_one_batch(data):
    _, batches = data
    read = as_read(make_table(3))

    def reads():
        yield read
        yield read
        raise DataError("cannot be decoded")

    def function(_, batch):
        if batch.number == 1:
            raise ValueError("odd")
        return f"done {batch.number}"

    results = map_batches(batches, reads(), function, lambda batch, reason: f"{batch.number}: {reason}")
    assert results == ["done 0", "1: ValueError: odd", *(f"{n}: cannot be decoded" for n in range(2, len(batches)))]
    with pytest.raises(DataError, match=r"^batch 1 .*: ValueError: odd"):
        map_batches(batches, reads(), function, None)


@pytest.mark.parametrize("error", [MemoryError(), StorageError("no space left")])
def test_errors_without_a_bad_batch_are_not_quarantined(data, error):
    _, batches = data

    def fail(*_):
        raise error

    with pytest.raises(type(error)):
        map_batches(batches[:1], iter([as_read(make_table(3))]), fail, lambda *_: None)


def test_a_fold_tests_on_its_training_rows_and_uses_no_test_rows(data):
    dataset, batches = data
    packed = pack_row_group(batches[:1], recipe_for(dataset))
    masked = mask_fold(packed, 1)
    held_out = (packed.fold == 1) & np.isin(packed.role, (TRAIN, VALIDATION))
    np.testing.assert_array_equal(masked.role == TEST, held_out)
    np.testing.assert_array_equal(masked.role == UNUSED, packed.role == TEST)
    np.testing.assert_array_equal(masked.role[packed.fold != 1] == TRAIN, packed.role[packed.fold != 1] == TRAIN)
    assert masked.role.dtype == np.int8


def test_a_fold_by_time_uses_earlier_rows_alone(data):
    dataset, batches = data
    packed = pack_row_group(batches[:1], recipe_for(dataset))
    period = (np.arange(len(packed.role)) % 4).astype(np.int8)
    masked = mask_fold(replace(packed, period=period), 1)
    trains = np.isin(packed.role, (TRAIN, VALIDATION))
    np.testing.assert_array_equal(masked.role == TEST, trains & (period == 2))
    np.testing.assert_array_equal(masked.role == UNUSED, (packed.role == TEST) | (trains & (period == 3)))
    np.testing.assert_array_equal(masked.role == TRAIN, (packed.role == TRAIN) & (period < 2))
