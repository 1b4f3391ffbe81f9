"""Training that continues from the model of a finished run."""

import contextlib
import json

import numpy as np
import pytest
from click.testing import CliRunner

import pipeline
from pipeline.cli import main
from pipeline.commands.run import resume_run, run
from pipeline.commands.run_execution import RunOptions
from pipeline.encoding.encoder import Encoder
from pipeline.errors import ConfigError, DataError
from pipeline.evaluation import drift_profile
from pipeline.models.adaptive.classifier import AdaptiveClassifier
from pipeline.models.adaptive.regressor import AdaptiveRegressor
from pipeline.models.persistence import fingerprint
from pipeline.preparation.split import TEST, TRAIN, SplitSpec, assign_roles
from pipeline.statistics.counts import Counts
from pipeline.statistics.summary import Summary
from pipeline.training import run_stages
from tests.builders import make_config, make_table, merge_sections, write_config, write_parquet

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True, scope="module")
def workers(session):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.engine.cluster.session.connect", lambda *_: contextlib.nullcontext(session))
        yield


def write_warm_config(folder, data, label="y", **sections):
    """Write the config of a run that another may continue from, or that continues from another."""
    features = {"numeric": ["x", "n"], "categorical": ["c"]}
    config = make_config(data, label, **merge_sections({"features": features}, sections))
    return write_config(config, folder / f"{data.name}-{label}.toml")


def later(rows=1_500, seed=9):
    """Other rows, with a value that was not there before."""
    return make_table(rows, seed).assign(c=lambda f: f["c"].replace("blue", "violet"))


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    write_parquet(make_table(2_000), folder / "data", 2)
    write_parquet(later(), folder / "later", 2)
    report = run(write_warm_config(folder, folder / "data"), out=folder / "run")
    return folder, report


def by_hand(model, frame, report, estimator=None):
    """The estimator after the training rows of ``frame``, in the order of a single batch."""
    role = assign_roles(frame, SplitSpec(("x", "n", "c", "y"), 0.2, 0), "y").role
    assert (role == TEST).sum() == report["rows"]["test"]
    rows = np.random.default_rng([0, 0]).permutation(np.flatnonzero(role == TRAIN))
    chosen = frame.iloc[rows]
    estimator = estimator or model.named_steps["model"]
    return estimator.partial_fit(model.named_steps["preprocess"].transform(chosen), chosen["y"])


def test_warm_start_equals_partial_fit_and_its_report_adds_both_runs(first):
    folder, before = first
    report = run(
        write_warm_config(folder, folder / "later"), out=folder / "on", options=RunOptions(base_run=str(folder / "run"))
    )
    expected = by_hand(pipeline.load(folder / "run"), later(), report)
    model = pipeline.load(folder / "on")
    np.testing.assert_allclose(model.named_steps["model"].coef_, expected.coef_, rtol=1e-12)
    np.testing.assert_allclose(model.named_steps["model"].squares_, expected.squares_, rtol=1e-12)
    continued = report["continued"]
    for role in ("read", "train", "test", "rejected"):
        assert continued["rows"][role] == before["rows"][role] + report["rows"][role]
    assert continued["runs"][0]["fingerprint"] == continued["fingerprint"] == before["model"]["fingerprint"]
    assert (continued["new_columns"], continued["new_values"]) == ([], "zeros, or other")
    assert 0.05 < continued["drift"]["c"]["unseen"] < 0.2
    assert report["model"]["fingerprint"] != before["model"]["fingerprint"]
    third = run(
        write_warm_config(folder, folder / "data"),
        out=folder / "third",
        options=RunOptions(base_run=str(folder / "on")),
    )
    assert [earlier["fingerprint"] for earlier in third["continued"]["runs"]] == [
        before["model"]["fingerprint"],
        report["model"]["fingerprint"],
    ]
    assert third["continued"]["rows"]["train"] == continued["rows"]["train"] + third["rows"]["train"]


def test_warm_start_warns_of_another_split(first, tmp_path, capfd):
    folder, _ = first
    for key, is_split_key in (("train.seed=1", True), ("train.epochs=1", False)):
        base = str(folder / "run")
        run(write_warm_config(folder, folder / "later"), (key,), out=tmp_path / key, options=RunOptions(base_run=base))
        assert ("train.seed: 0 in" in capfd.readouterr().err) == is_split_key


def test_grow_adds_a_column_for_each_new_value(first):
    folder, _ = first
    report = run(
        write_warm_config(folder, folder / "later", features={"grow": True}),
        out=folder / "grown",
        options=RunOptions(base_run=str(folder / "run")),
    )
    assert report["continued"]["new_columns"] == ["c=violet"]
    before, model = pipeline.load(folder / "run"), pipeline.load(folder / "grown")
    encoder = model.named_steps["preprocess"]
    names = encoder.get_feature_names_out().tolist()
    assert set(names) - set(before[:-1].get_feature_names_out()) == {"c=violet"}
    old = before.named_steps["preprocess"]
    column_index = np.array([names.index(name) for name in old.names_])
    frame = make_table(50)
    np.testing.assert_array_equal(encoder.transform(frame).toarray()[:, column_index], old.transform(frame).toarray())
    assert (encoder.transform(later()).toarray()[:, names.index("c=violet")] == (later()["c"] == "violet")).all()
    wider = before.named_steps["model"].with_added_columns(column_index, len(names))
    expected = by_hand(model, later(), report, wider)
    np.testing.assert_allclose(model.named_steps["model"].coef_, expected.coef_, rtol=1e-12)
    assert model.named_steps["model"].coef_[0, names.index("c=violet")] != 0
    assert "violet" in encoder.profile_["codes"]["c"]["values"]


def test_regression_warm_start_predicts_in_the_labels_unit(first):
    folder, _ = first
    run(write_warm_config(folder, folder / "data", "amount"), out=folder / "amount")
    report = run(
        write_warm_config(folder, folder / "later", "amount"),
        out=folder / "amount-on",
        options=RunOptions(base_run=str(folder / "amount")),
    )
    before = pipeline.load(folder / "amount").predict(later())
    after = pipeline.load(folder / "amount-on").predict(later())
    truth = later()["amount"].to_numpy()
    assert np.mean((after - truth) ** 2) < np.mean((before - truth) ** 2)
    assert report["metrics"]["r2"] > 0.8


REFUSED = [
    ({"features": {"datetime": ["t"]}}, "features.datetime: 't' is new, and the model of .* was trained with"),
    ({"features": {"numeric": ["x"], "exclude": ["n"]}}, "features.numeric: 'n' is missing"),
    ({"features": {"columns": {"x": {"log1p": True}}}}, "features.columns.x: .*log1p.* but the model of .* has"),
    ({"label": "three"}, "data.label: 'three', but the model of .* predicts 'y'"),
    ({"label": "amount"}, "model.task: regression, but the model of .* is for classification"),
    ({"model": {"params": {"learning_rate": 0.3}}}, "model.params.learning_rate: 0.3, but 0.15 in"),
    ({"model": {"estimator": "sklearn.naive_bayes.BernoulliNB"}}, "model.estimator: .* is a AdaptiveClassifier"),
    ({"split": {"folds": 3}}, "split.folds: the model has seen rows of every fold"),
]


@pytest.mark.parametrize(("keys", "message"), REFUSED)
def test_check_warm_start_refuses_a_config_that_differs(first, tmp_path, keys, message):
    folder, _ = first
    file = write_warm_config(tmp_path, folder / "later", **keys)
    with pytest.raises(ConfigError, match=message):
        run(file, out=tmp_path / "on", options=RunOptions(base_run=str(folder / "run")))
    assert not (tmp_path / "on").exists()


def test_warm_start_refuses_another_table_a_new_class_and_a_missing_run(first, tmp_path):
    folder, _ = first
    write_parquet(make_table(400).assign(c="mauve"), tmp_path / "odd", 1)
    with pytest.raises(DataError, match="column 'c': 100% of the rows have values that training never saw"):
        run(
            write_warm_config(tmp_path, tmp_path / "odd"),
            out=tmp_path / "on",
            options=RunOptions(base_run=str(folder / "run")),
        )
    write_parquet(make_table(400).assign(y=lambda f: f["y"] + (f["n"] > 40)), tmp_path / "classes", 1)
    with pytest.raises(DataError, match="has the class 2, which the model of"):
        run(
            write_warm_config(tmp_path, tmp_path / "classes"),
            out=tmp_path / "on",
            options=RunOptions(base_run=str(folder / "run")),
        )
    with pytest.raises(DataError, match="no finished run is there"):
        run(
            write_warm_config(tmp_path, tmp_path / "odd"),
            out=tmp_path / "on",
            options=RunOptions(base_run=str(tmp_path)),
        )
    done = CliRunner().invoke(main, ["run", "--from", str(folder / "run")])
    assert done.exit_code == 2
    assert "--from: needs a CONFIG" in done.stderr


def test_interrupted_warm_start_resumes_to_the_same_bits(first, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    folder, _ = first
    file = write_warm_config(tmp_path, folder / "later", train={"epochs": 2, "checkpoint_seconds": 0})
    uninterrupted = run(file, out=tmp_path / "uninterrupted", options=RunOptions(base_run=str(folder / "run")))
    with monkeypatch.context() as patch:
        patch.setattr(run_stages, "make_evaluator", interrupt)
        with pytest.raises(pipeline.errors.Interrupted):
            run(file, out=tmp_path / "cut", options=RunOptions(base_run=str(folder / "run")))
    assert (tmp_path / "cut/checkpoint").exists()
    resumed = resume_run(tmp_path / "cut")
    assert resumed["training"]["resumed_after_rounds"] == 2
    assert resumed["model"]["fingerprint"] == uninterrupted["model"]["fingerprint"]
    assert resumed["continued"] == json.loads(json.dumps(uninterrupted["continued"]))


@pytest.mark.parametrize(
    "estimator", [AdaptiveClassifier(l1=0.01, random_state=0), AdaptiveRegressor(normalize=False, random_state=0)]
)
def test_widened_model_learns_as_if_its_columns_had_been_there(estimator):
    frame = make_table(600)
    X = Encoder(["x", "n"], ["c"]).fit_transform(frame).toarray().astype(float)
    label = frame["y"] if isinstance(estimator, AdaptiveClassifier) else frame["amount"] / 1000
    apart = np.insert(X, [1, 4], 0.0, axis=1)  # two columns of zeros
    places = np.flatnonzero(apart.any(axis=0))
    first, rest = slice(300), slice(300, None)
    estimator.set_params(shuffle=False)
    keys = {"classes": [0, 1]} if isinstance(estimator, AdaptiveClassifier) else {}
    narrow = estimator.partial_fit(X[first], label[first], **keys)
    wider = narrow.with_added_columns(places, apart.shape[1])
    before = fingerprint(narrow)
    full = apart.copy()
    full[300:, 1] = 1.0
    twin = type(estimator)(**estimator.get_params()).partial_fit(full[first], label[first], **keys)
    np.testing.assert_allclose(
        wider.partial_fit(full[rest], label[rest]).coef_, twin.partial_fit(full[rest], label[rest]).coef_, rtol=1e-12
    )
    assert fingerprint(narrow) == before


def test_merged_profile_is_that_of_the_rows_of_both():
    def summary(frame, encoder):
        from pipeline.preparation.packing import PackedBatch, pack
        from pipeline.statistics.summary import summarise

        reference = encoder.packing
        packed = pack(frame, encoder.columns, reference)
        rows = PackedBatch(0, packed, np.zeros(len(frame)), None, np.full(len(frame), TRAIN))
        found: Summary = summarise(rows, encoder.columns, reference)
        assert isinstance(found.categorical["c"], Counts)
        return drift_profile.profile(found, encoder.columns)

    one, two = make_table(500), later(700)
    encoder = Encoder(["x", "n"], ["c"]).fit(one)
    both = drift_profile.merge_profiles(summary(one, encoder), summary(two, encoder))
    whole = summary(pipeline_concat(one, two), encoder)
    for name, number in whole["numbers"].items():
        assert both["numbers"][name].pop("histogram").tolist() == number.pop("histogram").tolist()
        assert both["numbers"][name] == number
    assert dict(zip(both["codes"]["c"]["values"], both["codes"]["c"]["counts"], strict=True)) == dict(
        zip(whole["codes"]["c"]["values"], whole["codes"]["c"]["counts"], strict=True)
    )
    assert both["codes"]["c"]["missing"] == whole["codes"]["c"]["missing"]


def pipeline_concat(*frames):
    import pandas as pd

    return pd.concat(frames, ignore_index=True)
