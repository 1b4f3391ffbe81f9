"""Columns in the names of folders: what the values mean, in training, testing, prediction and further training."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

import pipeline
from pipeline.commands.evaluate import evaluate
from pipeline.commands.predict import predict
from pipeline.commands.run import RunOptions, run
from pipeline.errors import ConfigError, DataError
from pipeline.io.batching import form_batches
from pipeline.io.dataset import open_dataset
from pipeline.io.reader import ReadSpec, read_batch
from pipeline.planning.planner import make_plan
from tests.builders import FAST, execute, make_config, merge_sections, write_config


def table(rates: dict[str, float], rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Rows whose label depends on the value in their folder's name alone."""
    rng = np.random.default_rng(seed)
    parts = [
        pd.DataFrame({"x": rng.normal(size=rows), "y": (rng.random(rows) < rate).astype(int), "value": value})
        for value, rate in rates.items()
    ]
    return pd.concat(parts, ignore_index=True)


def write(frame: pd.DataFrame, folder: Path, name: str = "part", **columns: object) -> Path:
    """Write the rows to a folder for each value."""
    for value, rows in frame.groupby("value"):
        place = folder / f"{name}={value}"
        place.mkdir(parents=True, exist_ok=True)
        rows.drop(columns="value").assign(**columns).to_parquet(place / "a.parquet", index=False)
    return folder


def config(folder: Path, **sections: object):
    return make_config(folder, **merge_sections(FAST, sections))


def read_all(folder: Path, **options: object) -> pd.DataFrame:
    dataset = open_dataset(str(folder), **options)
    spec = ReadSpec.of(dataset, dataset.schema)
    return pd.concat([read_batch(batch, spec).frame for batch in form_batches(dataset, "file")], ignore_index=True)


def test_codes_with_leading_zeros_are_as_many_categories(tmp_path, threads):
    frame = table({"01": 0.1, "1": 0.5, "001": 0.9})
    outcome = execute(threads, config(write(frame, tmp_path / "d")))
    onehot = pd.get_dummies(frame["value"])
    reference = LogisticRegression().fit(onehot, frame["y"]).predict_proba(onehot)[:, 1]
    assert outcome.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(frame["y"], reference), abs=0.05)
    assert outcome.model.named_steps["preprocess"].categories_["part"].tolist() == ["001", "01", "1"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("7", "-3", "0"), [-3, 0, 7]),
        (("0.5", "2"), [0.5, 2]),
        (("2026-01-31", "2024-02-29"), [pd.Timestamp("2024-02-29"), pd.Timestamp("2026-01-31")]),
        (("2026-01-31 06%3A30%3A00", "2026-01-31"), [pd.Timestamp("2026-01-31"), pd.Timestamp("2026-01-31 06:30")]),
        (("7", "__HIVE_DEFAULT_PARTITION__", "9"), [7, 9]),
        (("7", "", "9"), [7, 9]),
        (("2026-01-31", "null"), [pd.Timestamp("2026-01-31")]),
        (("7", "x"), ["7", "x"]),
    ],
)
def test_values_are_read_as_what_all_of_them_are(tmp_path, values, expected):
    frame = read_all(write(table(dict.fromkeys(values, 0.5), rows=2), tmp_path / "d"))
    assert sorted(frame["part"].dropna().unique().tolist()) == expected
    missing = {"", "null", "__HIVE_DEFAULT_PARTITION__"} & set(values)
    assert frame["part"].isna().sum() == 2 * len(missing)


def test_dates_in_folder_names_split_by_time_and_are_filtered(tmp_path, threads):
    days = pd.date_range("2026-01-01", periods=30).strftime("%Y-%m-%d")
    folder = write(table(dict.fromkeys(days, 0.5), rows=100), tmp_path / "d", "dt")
    by_time = {"by": "time", "column": "dt"}
    ledger = execute(threads, config(folder, split=by_time)).ledger
    assert (ledger.test, ledger.train) == (600, 2_400)
    filters = [["dt", ">=", "2026-01-11"]]
    plan = make_plan(config(folder, data={"filters": filters}, split={**by_time, "after": "2026-01-25"}))
    assert (plan.rows, plan.dataset.pruned) == (2_000, 1_000)
    assert make_plan(config(folder)).features.columns.datetime == ("dt",)


def test_the_types_of_the_training_run_read_all_other_data(tmp_path):
    rates = {"10": 0.1, "11": 0.9, "A7": 0.5, "": 0.5}
    train = write(table(rates), tmp_path / "train", "store")
    # By itself, this would be a column of numbers.
    held = write(table({"10": 0.1, "11": 0.9}, seed=1), tmp_path / "held", "store")
    report = run(write_config(config(train, split={"path": str(held)}), tmp_path / "a.toml"), out=tmp_path / "run")
    assert report["rows"]["test"] == 1_200
    best = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert report["metrics"]["log_loss"] == pytest.approx(best, abs=0.05)
    manifest = predict(tmp_path / "run", str(held), str(tmp_path / "out"), ("cluster.workers=0",), keep=["store", "y"])
    assert manifest["rows"]["written"] == 1_200
    found = pd.read_parquet(tmp_path / "out")
    assert found.groupby("store")["probability_1"].mean().to_dict() == pytest.approx({"10": 0.1, "11": 0.9}, abs=0.05)
    other = write_config(config(held), tmp_path / "b.toml")
    assert evaluate(tmp_path / "run", other, all_rows=True)["metrics"]["log_loss"] == pytest.approx(best, abs=0.05)
    more = run(other, options=RunOptions(base_run=str(tmp_path / "run")), out=tmp_path / "more")
    assert more["metrics"]["log_loss"] == pytest.approx(best, abs=0.06)


def test_a_value_that_is_none_of_the_trained_type_is_named(tmp_path):
    train, held = (write(table(rates, rows=300), tmp_path / name) for name, rates in TRAINED_AND_OTHER.items())
    with pytest.raises(DataError, match=r"part=A7/a\.parquet: part=A7 in its path, but column 'part' is int64"):
        make_plan(config(train, split={"path": str(held)}))
    run(write_config(config(train), tmp_path / "a.toml"), out=tmp_path / "run")
    with pytest.raises(DataError, match=r"part=A7/a\.parquet: part=A7 in its path"):
        predict(tmp_path / "run", str(held), str(tmp_path / "out"), ("cluster.workers=0",))


TRAINED_AND_OTHER = {"train": {"1": 0.2, "2": 0.8}, "held": {"1": 0.2, "A7": 0.8}}


def test_a_test_set_may_have_in_its_files_what_the_data_has_in_folder_names(tmp_path, threads):
    frame = table({"a": 0.1, "b": 0.9})
    flat = tmp_path / "flat"
    flat.mkdir()
    frame.rename(columns={"value": "part"}).to_parquet(flat / "all.parquet", index=False)
    outcome = execute(threads, config(write(frame, tmp_path / "d"), split={"path": str(flat)}))
    assert outcome.ledger.test == 1_200
    assert outcome.metrics["accuracy"] == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("values", [(1, 2), ("01", "02")])
def test_a_column_of_files_and_folders_is_one_where_they_agree(tmp_path, values):
    for value in values:
        write(table({str(value): 0.5}, rows=3), tmp_path / "d", part=value)
    frame = read_all(tmp_path / "d")
    assert list(frame) == ["x", "y", "part"]
    assert frame["part"].astype(object).tolist() == [values[0]] * 3 + [values[1]] * 3


@pytest.mark.parametrize(
    ("folder", "values", "found"),
    [
        ("2", [2, 2, 3], "3 in the file, but 2"),
        ("a", ["a", "b", "a"], "'b' in the file, but 'a'"),
        ("a", ["a", None, "a"], "no value in the file, but 'a'"),
        ("null", [1, 1, 1], "1 in the file, but no value"),
    ],
)
def test_files_and_folders_that_disagree_are_named_with_both_values(tmp_path, folder, values, found):
    write(table({folder: 0.5}, rows=3), tmp_path / "d", part=pd.Series(values).to_numpy())
    with pytest.raises(DataError, match=rf"part={folder}/a\.parquet: column 'part' has {found} in its folder's name"):
        read_all(tmp_path / "d")


def test_a_folder_whose_value_is_none_of_its_files_type_is_named(tmp_path):
    write(table({"north": 0.5}, rows=3), tmp_path / "d", part=1)
    with pytest.raises(DataError, match="part=north in its path, but column 'part' is int64"):
        open_dataset(str(tmp_path / "d"))


def test_a_partition_column_without_a_value_is_left_out_with_the_reason(tmp_path):
    folder = write(table({"__HIVE_DEFAULT_PARTITION__": 0.5}), tmp_path / "d")
    assert make_plan(config(folder)).features.reasons["part"] == "left out: no file has a value in it"
    with pytest.raises(ConfigError, match=r"features\.categorical: 'part' has no value in any file"):
        make_plan(config(folder, features={"categorical": ["part"]}))


def test_the_word_null_is_missing_and_told(tmp_path):
    plan = make_plan(config(write(table({"null": 0.5, "x": 0.5}), tmp_path / "d")))
    (notice,) = plan.sources.notices
    assert str(notice).startswith("column 'part': part=null in the names of folders is read as a missing value")


def test_one_partition_of_a_table_has_the_column_that_the_model_was_trained_with(tmp_path):
    train = write(table({"01": 0.1, "02": 0.9}), tmp_path / "train", "store")
    held = write(table({"01": 0.1, "02": 0.9}, seed=1), tmp_path / "region=north" / "held", "store")
    one = held / "store=02"
    report = run(write_config(config(train, split={"path": str(one)}), tmp_path / "a.toml"), out=tmp_path / "run")
    assert report["rows"]["test"] == 600
    assert report["metrics"]["accuracy"] == pytest.approx(0.9, abs=0.03)
    for i, path in enumerate([one, one / "a.parquet", f"{one}/*.parquet"]):
        predict(tmp_path / "run", str(path), str(tmp_path / f"out{i}"), ("cluster.workers=0",))
        assert pd.read_parquet(tmp_path / f"out{i}")["probability_1"].mean() == pytest.approx(0.9, abs=0.03)
    figures = evaluate(tmp_path / "run", write_config(config(one), tmp_path / "b.toml"), all_rows=True)["metrics"]
    assert figures["accuracy"] == pytest.approx(0.9, abs=0.03)


def test_a_saved_model_knows_the_types(tmp_path):
    folder = write(table({"1": 0.2, "2": 0.8}), tmp_path / "d")
    run(write_config(config(folder), tmp_path / "a.toml"), out=tmp_path / "run")
    encoder = pipeline.load(tmp_path / "run").named_steps["preprocess"]
    assert encoder.profile_["types"] == {"x": "double", "y": "int64", "part": "int64"}
