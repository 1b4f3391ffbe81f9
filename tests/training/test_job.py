"""The flow on two real worker processes, against plain scikit-learn on the same rows."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from sklearn import metrics as sk
from sklearn.linear_model import SGDClassifier

import pipeline
from pipeline import config as cfg
from pipeline.encoding.encoder import Encoder
from pipeline.engine.cluster.session import Session
from pipeline.errors import ConfigError, DataError
from pipeline.models import persistence
from pipeline.models.persistence import fingerprint
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.preparation.split import TEST, SplitSpec, assign_roles
from pipeline.reporting import report
from pipeline.training.job import Job
from tests.conftest import table, write

pytestmark = pytest.mark.cluster
FEATURES = {"numeric": ["x", "n"], "categorical": ["c"], "datetime": ["t"]}


def config(folder: Path, label: str = "y", **sections) -> cfg.Config:
    raw = {"data": {"path": str(folder), "label": label, "batch_rows": "file"}, "features": FEATURES}
    for name, values in sections.items():
        raw[name] = {**raw.get(name, {}), **values}
    return cfg.parse(raw)


def execute(session, settings: cfg.Config) -> report.Outcome:
    plan = make_plan(settings)
    return Job(plan, session, Monitor(time.perf_counter(), quiet=True)).execute()


def made(outcome: report.Outcome, settings: cfg.Config) -> dict:
    """The report of an outcome, but for what the command measures."""
    seconds, cluster = {"total": 1.0, "startup": 0.5}, {"scheduler": "tcp://here", "workers": 2, "threads": 2}
    return report.make_report(outcome, make_plan(settings), seconds, cluster, {}, {"path": "m"})


def sides(frame: pd.DataFrame, label: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    role = assign_roles(frame, SplitSpec(("x", "n", "c", "t", label), 0.2, 0), label).role
    return frame[role == 0], frame[role == TEST]


def test_the_figures_are_scikit_learns_on_the_held_out_rows(session, folder, frame):
    outcome = execute(session, config(folder))
    train, test = sides(frame, "y")
    assert (outcome.ledger.train, outcome.ledger.test, outcome.ledger.read) == (len(train), len(test), 2_000)
    proba = outcome.model.predict_proba(test)[:, 1]
    assert outcome.metrics["log_loss"] == pytest.approx(
        sk.log_loss(test["y"], outcome.model.predict_proba(test)), rel=1e-6
    )
    assert outcome.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(test["y"], proba), rel=1e-9)
    assert outcome.metrics["accuracy"] == sk.accuracy_score(test["y"], outcome.model.predict(test))
    assert outcome.metrics["roc_auc"] > 0.8
    curve = outcome.training.progressive
    assert [p["rows"] for p in curve] == sorted(p["rows"] for p in curve)
    assert len(curve) == 3
    assert curve[-1]["rows"] == len(train)


def test_one_batch_is_exactly_partial_fit_on_the_encoded_training_rows(session, folder, frame):
    params = {"loss": "log_loss", "alpha": 0.001}
    model = {"estimator": "sklearn.linear_model.SGDClassifier", "params": params}
    outcome = execute(session, config(folder, data={"batch_rows": 10_000}, model=model))
    train, _ = sides(frame, "y")
    train = train.iloc[np.random.default_rng([0, 0]).permutation(len(train))]
    encoder = outcome.model.named_steps["preprocess"]
    plain = SGDClassifier(**params, random_state=0).partial_fit(encoder.transform(train), train["y"], classes=[0, 1])
    np.testing.assert_array_equal(outcome.model.named_steps["model"].coef_, plain.coef_)
    alone = Encoder(["x", "n"], ["c"], ["t"]).fit(train)
    np.testing.assert_allclose(encoder.mean_, alone.mean_, rtol=1e-6)
    np.testing.assert_allclose(encoder.scale_, alone.scale_, rtol=1e-6)
    np.testing.assert_array_equal(encoder.get_feature_names_out(), alone.get_feature_names_out())


def test_kept_or_read_again_small_rounds_or_large_the_model_is_the_same(session, folder):
    settings = {"epochs": 3}
    kept = execute(session, config(folder, data={"keep": "memory"}, train=settings))
    again = execute(session, config(folder, data={"keep": "reread"}, train=settings))
    rounds = execute(session, config(folder, train={**settings, "round_batches": 1}))
    assert kept.kept is True
    assert again.kept is False
    assert fingerprint(kept.model) == fingerprint(again.model) == fingerprint(rounds.model)
    assert kept.metrics == again.metrics == rounds.metrics


@pytest.mark.parametrize("lanes", [1, 3])
def test_kept_or_read_again_with_lanes(session, folder, lanes):
    settings = {"epochs": 2, "lanes": lanes, "round_batches": 3}
    kept, again = (execute(session, config(folder, data={"keep": k}, train=settings)) for k in ("memory", "reread"))
    assert fingerprint(kept.model) == fingerprint(again.model)
    assert kept.training.progressive == again.training.progressive


@pytest.mark.parametrize("lanes", [2, 4, 16])
def test_lanes_train_as_well_as_one_and_every_row_once(session, folder, lanes):
    one, many = (execute(session, config(folder, train={"lanes": n, "epochs": 3})) for n in (1, lanes))
    assert many.metrics["log_loss"] == pytest.approx(one.metrics["log_loss"], abs=0.01)
    assert many.model.named_steps["model"].t_ == one.model.named_steps["model"].t_ == 3 * one.ledger.train
    assert many.ledger == one.ledger


@pytest.mark.parametrize(
    "estimator",
    ["linear_model.SGDClassifier", "linear_model.Perceptron", "naive_bayes.BernoulliNB", "naive_bayes.GaussianNB"],
)
def test_scikit_learns_own_estimators_in_lanes(session, folder, estimator):
    model = {"estimator": f"sklearn.{estimator}"}
    one, two = (execute(session, config(folder, model=model, train={"lanes": n})) for n in (1, 2))
    assert two.metrics["accuracy"] == pytest.approx(one.metrics["accuracy"], abs=0.1)
    if "naive_bayes" in estimator:  # exact, by counts
        assert two.metrics == pytest.approx(one.metrics, rel=1e-6)


def test_lanes_of_models_that_cannot_be_merged(session, folder):
    model = {"estimator": "sklearn.neural_network.MLPClassifier"}
    with pytest.raises(ConfigError, match=r"train\.lanes: MLPClassifier models cannot be merged"):
        execute(session, config(folder, model=model, train={"lanes": 2}))


@pytest.mark.parametrize("by", ["progressive", "validation"])
def test_training_stops_once_it_stands_still(session, folder, by):
    settings = {"epochs": 50, "early_stopping": by, "tol": 1e-3}
    outcome = execute(session, config(folder, train=settings))
    assert 2 <= outcome.training.epochs < 50
    assert outcome.metrics["roc_auc"] > 0.8
    ledger = outcome.ledger
    assert ledger.read == ledger.train + ledger.test + ledger.rejected
    if by == "validation":
        curve = outcome.training.validation
        assert [point["epoch"] for point in curve] == list(range(1, outcome.training.epochs + 1))
        assert 0.05 < ledger.validation / ledger.train < 0.15
        # The model is that of the best epoch, and it has never seen the validation rows.
        best = min(curve, key=lambda point: point["log_loss"])["epoch"]
        assert outcome.model.named_steps["model"].t_ == best * (ledger.train - ledger.validation)
    else:
        assert ledger.validation == 0


def test_no_rows_to_stop_by(session, folder):
    settings = {"early_stopping": "validation", "validation_fraction": 1e-9}
    with pytest.raises(DataError, match=r"no rows left to stop by or to calibrate on.*raise train.validation_fraction"):
        execute(session, config(folder, train=settings))


def test_fan_in_changes_no_count_and_hardly_a_figure(session, folder):
    two, eight = (execute(session, config(folder, aggregate={"fan_in": n})) for n in (2, 8))
    assert two.ledger == eight.ledger
    assert two.metrics == pytest.approx(eight.metrics, rel=1e-4)


def test_multi_class(session, folder, frame):
    outcome = execute(session, config(folder, "three", train={"epochs": 5}))
    _, test = sides(frame, "three")
    proba = outcome.model.predict_proba(test)
    assert outcome.metrics["log_loss"] == pytest.approx(sk.log_loss(test["three"], proba), rel=1e-6)
    assert outcome.metrics["roc_auc"] == pytest.approx(sk.roc_auc_score(test["three"], proba, multi_class="ovr"))
    assert set(outcome.model.predict(test)) <= {10, 11, 12}


def test_regression_in_the_targets_own_unit(session, folder, frame):
    outcome = execute(session, config(folder, "amount", train={"epochs": 5}))
    _, test = sides(frame, "amount")
    assert outcome.metrics["r2"] == pytest.approx(sk.r2_score(test["amount"], outcome.model.predict(test)), rel=1e-5)
    assert outcome.metrics["r2"] > 0.8


@pytest.mark.parametrize(
    ("values", "classes"), [(["no", "yes"], ["no", "yes"]), ([False, True], [False, True]), ([3, 9], [3, 9])]
)
def test_labels_of_any_type_come_back_as_they_were(session, tmp_path, values, classes):
    frame = table(400)
    folder = write(frame.assign(y=[values[v] for v in frame["y"]]), tmp_path / "d", 2)
    outcome = execute(session, config(folder))
    assert outcome.model.named_steps["model"].classes_.tolist() == classes
    assert set(outcome.model.predict(frame).tolist()) <= set(classes)


def test_naive_bayes_by_name(session, folder):
    model = {"estimator": "sklearn.naive_bayes.BernoulliNB"}
    assert execute(session, config(folder, model=model)).metrics["roc_auc"] > 0.6


def test_a_separate_test_set_and_the_loaded_artefact_agree_to_the_digit(session, folder, tmp_path):
    unseen = table(500, seed=5)
    write(unseen, tmp_path / "test", 2)
    settings = config(folder, split={"path": str(tmp_path / "test")})
    outcome = execute(session, settings)
    assert (outcome.ledger.train, outcome.ledger.test) == (2_000, 500)
    (tmp_path / "model.skops").write_bytes(persistence.dumps(outcome.model))
    from_dict = pipeline.load(tmp_path)
    plain = pd.read_parquet(tmp_path / "test")
    assert outcome.metrics["accuracy"] == sk.accuracy_score(plain["y"], from_dict.predict(plain))
    expected = sk.roc_auc_score(plain["y"], from_dict.predict_proba(plain)[:, 1])
    assert outcome.metrics["roc_auc"] == pytest.approx(expected, rel=1e-12)
    assert outcome.metrics["log_loss"] == pytest.approx(
        sk.log_loss(plain["y"], from_dict.predict_proba(plain)), rel=1e-7
    )


def test_splits_by_batch_and_by_group(session, folder, frame):
    by_batch = execute(session, config(folder, split={"by": "batch", "test": 0.5}))
    assert by_batch.ledger.test == 1_000
    by_group = execute(session, config(folder, split={"by": "group", "column": "n"}))
    test = assign_roles(frame, SplitSpec(("n",), 0.2, 0), "y").role == TEST
    assert by_group.ledger.test == test.sum()
    assert not set(frame["n"][test]) & set(frame["n"][~test])


def test_rejected_and_filtered_rows_are_in_the_ledger(session, tmp_path):
    frame = table(600)
    frame["amount"] = frame["amount"].mask(frame.index % 10 == 0).mask(frame.index % 10 == 1, np.inf)
    folder = write(frame, tmp_path / "d", 3)
    outcome = execute(session, config(folder, "amount", prepare={"function": "tests.prepared:only_short"}))
    kept = frame[frame["n"] < 40]
    assert outcome.ledger.read == 600
    assert outcome.ledger.reasons == {
        "label missing": int(kept["amount"].isna().sum()),
        "label not finite": int(np.isinf(kept["amount"]).sum()),
        "dropped by prepare.function": 600 - len(kept),
    }


def test_classes_that_only_the_test_has_are_rejected(session, tmp_path):
    write(table(300), tmp_path / "train", 1)
    write(table(100, seed=1).assign(y=lambda f: f["y"].mask(f.index < 7, 5)), tmp_path / "test", 1)
    outcome = execute(session, config(tmp_path / "train", split={"path": str(tmp_path / "test")}))
    assert outcome.ledger.reasons == {"label not seen in training": 7}
    assert outcome.ledger.test == 93


@pytest.mark.parametrize(
    ("change", "sections", "message"),
    [
        (lambda f: f.assign(y=1), {}, "label 'y' has the single class 1"),
        (lambda f: f.assign(y=f["y"].astype("Int64").mask(f["y"] >= 0)), {}, "label 'y' has no value in any row"),
        (lambda f: f, {"split": {"test": 0.9999999}}, "no rows left for training"),
        (lambda f: f, {"split": {"test": 0.0000001}}, "no rows left for testing"),
        (lambda f: f, {"prepare": {"function": "tests.prepared:doubled"}}, "must not add rows"),
        (lambda f: f.assign(i=1), {"prepare": {"function": "tests.prepared:fail"}}, "raised ZeroDivisionError"),
    ],
)
def test_data_that_cannot_be_trained_on(session, tmp_path, change, sections, message):
    folder = write(change(table(200)), tmp_path / "d", 2)
    with pytest.raises(DataError, match=message):
        execute(session, config(folder, **sections))


def test_a_file_that_breaks_under_the_run_is_named(session, folder):
    path = folder / "part-002.parquet"
    content = bytearray(path.read_bytes())
    content[4:4000] = bytes(3996)
    path.write_bytes(content)
    plan = make_plan(config(folder))
    with pytest.raises(DataError, match=r"part-002\.parquet.*cannot be decoded"):
        Job(plan, session, Monitor(0.0, quiet=True)).execute()


@pytest.mark.parametrize("lanes", [1, 3])
def test_the_same_bits_on_any_cluster(session, folder, lanes):
    """Workers, threads, and late or shuffled arrivals decide nothing."""
    rounds = {"lanes": lanes, "epochs": 2, "round_batches": 7}
    settings = config(folder, data={"batch_rows": 100}, train=rounds, evaluate={"slices": ["c", ["c", "n"]]})
    expected = execute(session, settings)
    for workers, threads in ((1, 1), (3, 1), (1, 4), (2, 2)):
        with (
            LocalCluster(
                n_workers=workers, threads_per_worker=threads, processes=False, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            outcome = execute(Session(client, workers, workers * threads, 0), settings)
        assert fingerprint(outcome.model) == fingerprint(expected.model)
        assert outcome.findings == expected.findings
        assert outcome.training.progressive == expected.training.progressive


def fingerprint_of(session, path, **sections) -> tuple[str, dict[str, float]]:
    outcome = execute(session, config(path, data={"batch_rows": "auto"}, **sections))
    return fingerprint(outcome.model), outcome.metrics


def test_a_thousand_tiny_files_and_one_large_file_give_the_same_bits(session, tmp_path):
    frame = table(60_000)
    tiny, one = write(frame, tmp_path / "tiny", 1_000), write(frame, tmp_path / "one", 1)
    (tmp_path / "groups").mkdir()
    frame.to_parquet(tmp_path / "groups" / "a.parquet", index=False, row_group_size=30_000)
    found = [fingerprint_of(session, path, train={"lanes": 2}) for path in (tiny, one, tmp_path / "groups")]
    assert found[0] == found[1] == found[2]


def test_a_large_row_group_read_again_gives_the_same_bits(session, tmp_path):
    write(table(60_000), tmp_path / "one", 1)
    found = [
        fingerprint(execute(session, config(tmp_path / "one", data={"batch_rows": 7_000, "keep": keep})).model)
        for keep in ("memory", "reread")
    ]
    assert found[0] == found[1]


def test_a_split_by_time_tests_what_came_after(session, folder, frame):
    split = {"by": "time", "column": "t", "after": "2026-03-01"}
    outcome = execute(session, config(folder, split=split))
    assert outcome.ledger.test == (frame["t"] >= "2026-03-01").sum()
    assert outcome.ledger.train == (frame["t"] < "2026-03-01").sum()
    tests = frame[frame["t"] >= "2026-03-01"]
    figure = sk.roc_auc_score(tests["y"], outcome.model.predict_proba(tests)[:, 1])
    assert outcome.metrics["roc_auc"] == pytest.approx(figure, rel=1e-9)


def test_without_a_date_the_footers_tell_about_where_to_cut(session, tmp_path, frame):
    frame = frame.assign(t=lambda f: f["t"].mask(f.index == 5))
    in_order = write(frame.sort_values("t"), tmp_path / "sorted", 10)
    outcome = execute(session, config(in_order, split={"by": "time", "column": "t", "test": 0.25}))
    assert abs(outcome.ledger.test / 2_000 - 0.25) < 0.03
    assert outcome.ledger.reasons == {"time of the split missing": 1}


def test_cross_validation_holds_out_every_training_row_once(session, folder, frame):
    plain = execute(session, config(folder))
    outcome = execute(session, config(folder, split={"folds": 4}))
    assert fingerprint(outcome.model) == fingerprint(plain.model)
    assert outcome.metrics == plain.metrics
    assert len(outcome.folds) == 4
    assert len({fold["log_loss"] for fold in outcome.folds}) == 4
    found = made(outcome, config(folder))["cross_validation"]["metrics"]["log_loss"]
    assert found["mean"] == pytest.approx(np.mean([fold["log_loss"] for fold in outcome.folds]))
    assert found["std"] == pytest.approx(np.std([fold["log_loss"] for fold in outcome.folds], ddof=1))
    assert abs(found["mean"] - plain.metrics["log_loss"]) < 0.1


def test_a_fold_is_judged_by_what_was_learned_without_it(session, tmp_path):
    """A target-encoded identifier of random labels: worth nothing to honest figures, everything to leaking ones."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"id": [f"u{i % 700}" for i in range(1_400)], "y": rng.integers(0, 2, 1_400)})
    frame["row"] = np.arange(1_400)
    write(frame, tmp_path / "d", 3)
    raw = {
        "data": {"path": str(tmp_path / "d"), "label": "y"},
        "features": {"categorical": ["id"], "numeric": ["row"], "encode": "target", "smooth": 1.0},
        "split": {"folds": 3},
        "train": {"epochs": 5},
    }
    outcome = execute(session, cfg.parse(raw))
    assert outcome.metrics["roc_auc"] < 0.6
    assert all(fold["roc_auc"] < 0.6 for fold in outcome.folds)
    last = outcome.training.progressive
    assert not last or min(point["log_loss"] for point in last) > 0.6  # training rows were not told their own label


def test_the_ledger_counts_what_preparation_dropped(session, folder, frame, tmp_path):
    pd.DataFrame({"c": ["red", "green"], "k": [1.0, 2.0]}).to_parquet(tmp_path / "colours.parquet")
    settings = config(
        folder,
        data={
            "filters": [["n", "<", 40]],
            "join": [{"path": str(tmp_path / "colours.parquet"), "on": ["c"], "columns": ["k"], "how": "inner"}],
        },
        prepare={"derive": {"twice": "x * 2"}, "filter": {"small": "twice < 20"}},
        features={"numeric": ["twice", "k"]},
    )
    outcome = execute(session, settings)
    kept = frame[(frame["n"] < 40) & frame["c"].isin(["red", "green"])]
    assert outcome.ledger.reasons == {
        "outside data.filters": (frame["n"] >= 40).sum(),
        "no match in colours.parquet": ((frame["n"] < 40) & ~frame["c"].isin(["red", "green"])).sum(),
        "prepare.filter.small": (~(2 * kept["x"] < 20)).sum(),
    }
    assert outcome.unmatched == {"colours.parquet": outcome.ledger.reasons["no match in colours.parquet"]}
    assert outcome.ledger.read == 2_000
