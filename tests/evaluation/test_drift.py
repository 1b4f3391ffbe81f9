"""How far other data is from the training data, in `drift` itself and in `pipeline evaluate` and `pipeline check`."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

import pipeline
from pipeline.commands import check, evaluate
from pipeline.commands.run import run
from pipeline.encoding.encoder import Encoder
from pipeline.errors import DataError
from pipeline.evaluation import drift, drift_profile
from pipeline.statistics.counts import Counts
from pipeline.statistics.moments import NumericStats
from pipeline.statistics.summary import Summary
from tests.builders import FEATURES, make_config, make_table, write_config, write_parquet

OPTIONS = {"workers": 1, "dashboard": "127.0.0.1:0"}


def write_data_and_config(frame, folder, files):
    """Write rows and the config of a run on them, and return the path of the config."""
    config = make_config(write_parquet(frame, folder / "data", files), features=FEATURES)
    return write_config(config, folder / "c.toml")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run and its config."""
    folder = tmp_path_factory.mktemp("trained")
    config = write_data_and_config(make_table(2_000), folder, files=4)
    result = run(config, cluster=OPTIONS, out=folder / "run")
    return folder / "run", config, result


@pytest.mark.cluster
def test_evaluating_on_the_test_rows_gives_the_report_of_the_run(trained):
    folder, config, result = trained
    found = evaluate.evaluate(folder, config, options=OPTIONS)
    assert found["metrics"] == result["metrics"]
    assert found["rows"]["test"] == result["rows"]["test"]
    assert found["model"]["fingerprint"] == result["model"]["fingerprint"]
    assert {change["verdict"] for change in found["drift"].values()} == {"stable"}
    assert found["drift"].keys() == {"x", "n", "c", "t.hour", "t.weekday", "t.month", "y"}
    json.dumps(found)


@pytest.mark.cluster
def test_other_data_has_scikit_learns_figures_and_its_drift(trained, tmp_path):
    folder, _, _ = trained
    other = make_table(900, seed=7).assign(c=lambda f: f["c"].replace("blue", "violet"), n=lambda f: f["n"] + 20)
    other.loc[:200, "x"] = np.nan
    config = write_data_and_config(other, tmp_path, files=3)
    found = evaluate.evaluate(folder, config, options=OPTIONS, all_rows=True)
    model = pipeline.load(folder)
    assert found["rows"]["test"] == 900
    assert found["metrics"]["roc_auc"] == pytest.approx(sk.roc_auc_score(other["y"], model.predict_proba(other)[:, 1]))
    assert found["drift"]["c"]["unseen"] == pytest.approx((other["c"] == "violet").sum() / other["c"].notna().sum())
    assert found["drift"]["x"]["missing"][1] == pytest.approx(other["x"].isna().mean())
    assert found["drift"]["n"]["score"] > 0.25
    assert found["drift"]["n"]["range"] == [[0, 49], pytest.approx([20, 69], abs=1e-4)]


WRONG = [
    (lambda f: f.drop(columns="x"), "column 'x': missing from the data"),
    (lambda f: f.assign(x=f["x"].astype(str)), "column 'x': category in the data, but numeric when"),
    (lambda f: f.assign(t=f["n"]), "column 't': int64 in the data, but datetime when"),
    (lambda f: f.assign(c="mauve"), r"column 'c': 100% of the rows have values that training never saw.*on_drift"),
    (lambda f: f.assign(x=np.nan), r"column 'x': missing in 100% of the rows, in training in 10%"),
    (lambda f: f.assign(n=f["n"] + 1_000), "column 'n': 100% of the rows have values that training never saw"),
]


@pytest.mark.cluster
@pytest.mark.parametrize(("change", "message"), WRONG)
def test_the_data_of_another_table_is_refused(trained, tmp_path, change, message):
    folder, _, _ = trained
    config = write_data_and_config(change(make_table(300)), tmp_path, files=1)
    with pytest.raises(DataError, match=message):
        evaluate.evaluate(folder, config, options=OPTIONS, all_rows=True)


@pytest.mark.cluster
def test_severe_drift_can_be_reported_instead_of_refused(trained, tmp_path):
    folder, _, _ = trained
    config = write_data_and_config(make_table(300).assign(c="mauve"), tmp_path, files=1)
    found = evaluate.evaluate(folder, config, ('evaluate.on_drift="report"',), OPTIONS, all_rows=True)
    assert found["drift"]["c"]["unseen"] == 1


@pytest.mark.cluster
def test_a_check_finds_what_is_wrong_with_the_columns(tmp_path):
    frame = make_table(2_000).assign(
        const="same",
        one=1.5,
        empty=np.nan,
        id=[f"u{i}" for i in range(2_000)],
        leak=lambda f: np.where(f["y"] == 1, "won", "lost"),
        score=lambda f: f["y"] * 4.0 + f["x"].fillna(0) * 0.01,
    )
    frame["y"] = frame["y"].astype(float).mask(frame["n"] == 3)
    config = write_config(make_config(write_parquet(frame, tmp_path / "data", 3)), tmp_path / "c.toml")
    found = check.check(config, options=OPTIONS)
    warnings = {name: column["warnings"] for name, column in found["columns"].items() if column["warnings"]}
    assert {name: w[0].partition(":")[0] for name, w in warnings.items()} == {
        "const": "constant",
        "one": "constant",
        "empty": "no value at all",
        "id": "hardly a value occurs twice",
        "leak": "predicts the label almost perfectly",
        "score": "predicts the label almost perfectly",
    }
    assert found["rows"]["rejected"] == (frame["n"] == 3).sum()
    assert found["label"]["1"] == pytest.approx(frame["y"].mean(), abs=1e-6)
    assert found["columns"]["x"]["missing"] == pytest.approx(frame["x"].isna().mean())  # with or without a label
    assert found["columns"]["c"]["distinct"] == 3
    assert found["columns"]["id"]["predicts"] < 0.1  # by the other folds: to know an identifier is no skill


def test_stability_index_is_its_formula():
    encoder = Encoder(["a"], ["k"])
    rng = np.random.default_rng(0)

    def summary(shift, share):
        packed = (rng.normal(size=50_000) + shift).astype(np.float32)
        number = NumericStats.of(packed, np.arange(50_000), 0.0, 1.0)
        counts = Counts(pd.Series([int(1000 * share), 1000 - int(1000 * share)], index=["p", "q"]))
        return Summary({}, {"a": number}, {"k": counts}, None, None, None)

    remembered = drift_profile.profile(summary(0, 0.5), encoder.columns)
    same = drift.compare(remembered, {"k": np.array(["p", "q"])}, summary(0, 0.5))
    other = drift.compare(remembered, {"k": np.array(["p", "q"])}, summary(1, 0.8))
    assert same["a"]["score"] < 0.01
    assert other["a"]["score"] == pytest.approx(1.0, abs=0.15)  # of two normals a unit apart, in the limit
    expected = (0.5 - 0.8) * np.log(0.5 / 0.8) + (0.5 - 0.2) * np.log(0.5 / 0.2)
    assert other["k"]["score"] == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("categories", [["p", "q", "r"], ["p", "q"], None], ids=["all", "some", "hashed"])
def test_counts_of_a_batch_are_those_of_its_values(categories):
    profiled = ["q", "p"] if categories and len(categories) == 3 else ["r", "q", "p"]
    categories = None if categories is None else np.array(categories, dtype=object)
    values, counts = pd.Index(["q", "s", "p"]), np.array([4, 2, 1, 3])  # and 3 rows without a value
    known = drift.KnownValues.of(profiled, categories)
    # As `Encoder.slots_of`: the categories, then missing, then all others.
    slots = None
    if categories is not None:
        position = pd.Index(categories).get_indexer(values)
        slots = np.append(np.where(position < 0, len(categories) + 1, position), len(categories))
    counted = known.count_codes(counts, values, slots)
    expected = known.count(Counts(pd.Series(counts[:-1], index=values), 3))
    assert counted.profiled.tolist() == expected.profiled.tolist() == [{"q": 4, "p": 1}.get(v, 0) for v in profiled]
    assert (counted.total, counted.missing) == (expected.total, expected.missing) == (7, 3)
    assert counted.unseen == expected.unseen == (0 if categories is None else 2)


def test_a_state_survives_its_plain_values_and_one_of_other_ranges_is_refused():
    stats = NumericStats.of(np.array([1.0, np.inf, np.nan], dtype=np.float32), np.arange(3), 0.0, 1.0)
    state = drift.DriftState(3, {"a": stats}, {"k": drift.ValueCounts(np.array([2, 1]), 3, 1, 0)})
    values = json.loads(json.dumps(state.to_dict()))
    assert drift.DriftState.from_dict(values).to_dict() == state.to_dict()
    values["numbers"]["a"][3] = [0] * 64
    with pytest.raises(ValueError, match="other ranges"):
        drift.DriftState.from_dict(values)
