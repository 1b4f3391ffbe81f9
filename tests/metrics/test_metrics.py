"""Every metric against scikit-learn's, over any partitioning and merge order."""

import itertools
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from pipeline.metrics.bootstrap import interval, poisson_weights
from pipeline.metrics.classification import Accuracy, Brier, ClassCounts, LogLoss, TopAccuracy
from pipeline.metrics.confusion import Confusion
from pipeline.metrics.prediction import GroupIndex, Prediction
from pipeline.metrics.ranking import BinnedRanking, ExactRanking, NoRanking
from pipeline.metrics.registry import metrics_for
from pipeline.metrics.regression import PoissonDeviance, Residuals, SquaredAndAbsoluteError
from pipeline.metrics.reliability import ReliabilityCurve
from pipeline.metrics.steps import SliceRanking
from pipeline.preparation.split import N_BOOTSTRAP_GROUPS, group_of

CLASSIFICATION = metrics_for("classification", 1, 1)
EDGES = st.lists(st.integers(0, 80), max_size=4)


def predictions(rows: int, classes: int, seed: int, groups: int = 4, slices: int = 3) -> Prediction:
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(classes), rows)
    y = np.array([rng.choice(classes, p=p) for p in proba])
    y[:classes] = np.arange(classes)
    index = np.column_stack([rng.integers(0, groups, rows), groups + rng.integers(0, slices, rows)]).astype(np.int32)
    scores = proba[:, 1] if classes == 2 else proba
    return Prediction(y, proba.argmax(axis=1), proba, scores, classes, GroupIndex(index, groups, groups + slices))


def chosen(p: Prediction, rows) -> Prediction:
    cells = None if p.cells is None else GroupIndex(p.cells.index[rows], p.cells.groups, p.cells.count)
    proba, scores = (None if part is None else part[rows] for part in (p.proba, p.scores))
    return Prediction(p.y[rows], p.predicted[rows], proba, scores, p.classes, cells, p.mean, p.std)


def cut(p: Prediction, edges: list[int]) -> list[Prediction]:
    return [chosen(p, slice(a, b)) for a, b in itertools.pairwise([0, *sorted(edges), len(p.y)])]


def merged(metric, parts: list[Prediction]):
    return reduce(lambda a, b: a.merge(b), [metric.of(part) for part in parts])


def scikit_learn(p: Prediction) -> dict[str, float]:
    binary = p.classes == 2
    figures = {
        "log_loss": sk.log_loss(p.y, p.proba, labels=range(p.classes)),
        "brier_score_loss": sk.brier_score_loss(p.y, p.scores if binary else p.proba),
        "accuracy": sk.accuracy_score(p.y, p.predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(p.y, p.predicted),
        "roc_auc": sk.roc_auc_score(p.y, p.scores, multi_class="ovr"),
        "average_precision": sk.average_precision_score(p.y, p.scores),
    }
    for name in ("precision", "recall", "f1"):
        score = getattr(sk, f"{name}_score")
        if binary:
            figures[name] = score(p.y, p.predicted, zero_division=0)
        else:
            for average in ("macro", "micro", "weighted"):
                figures[f"{name}_{average}"] = score(p.y, p.predicted, average=average, zero_division=0)
    return figures | {f"top_{k}_accuracy": sk.top_k_accuracy_score(p.y, p.scores, k=k) for k in (3, 5) if k < p.classes}


@given(st.sampled_from([2, 3, 4, 7]), st.integers(0, 9), EDGES)
def test_any_partitioning_gives_scikit_learns_figures(classes, seed, edges):
    whole = predictions(80, classes, seed)
    figures = {}
    for metric in CLASSIFICATION:
        figures |= merged(metric, cut(whole, edges)).result()
    expected = scikit_learn(whole)
    assert {name: figures[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    own = {"expected_calibration_error", "lift_10"} if classes == 2 else {"expected_calibration_error"}
    assert figures.keys() - expected.keys() == own


def everything(state) -> dict[str, object]:
    """All that a state can say."""
    found = dict(state.result())
    if hasattr(state, "sliced"):
        found |= {f"{name} sliced": values for part in state.sliced() for name, values in part.items()}
    if hasattr(state, "resampled"):
        weights = np.array([[1, 1, 1, 1], [2, 0, 1, 1]], dtype=float)
        found |= {f"{name} resampled": values for name, values in state.resampled(weights).items()}
    for name, curve in getattr(state, "curves", dict)().items():
        found[name] = np.concatenate([np.ravel(v) for one in np.atleast_1d(curve) for v in _values(one)])
    return found


def _values(curve) -> list:
    return list(curve.values()) if isinstance(curve, dict) else [curve]


@given(st.sampled_from([2, 3, 4]), st.integers(0, 9), EDGES)
def test_any_tree_and_any_order_give_the_same(classes, seed, edges):
    parts = cut(predictions(80, classes, seed), edges)
    for metric in (*CLASSIFICATION, BinnedRanking):
        left = everything(merged(metric, parts))
        right = everything(reduce(lambda a, b: b.merge(a), [metric.of(part) for part in reversed(parts)]))
        shuffled = everything(merged(metric, parts[::-1]))
        assert left.keys() == right.keys() == shuffled.keys()
        assert left or (metric is TopAccuracy and classes < 4), metric
        for name, value in left.items():
            np.testing.assert_allclose(right[name], value, rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(shuffled[name], value, rtol=1e-12, atol=1e-15)


@given(st.sampled_from([2, 3, 4, 7]), st.integers(0, 9), EDGES)
def test_slices_and_resamples_are_the_figures_of_those_rows(classes, seed, edges):
    whole = predictions(80, classes, seed)
    parts = cut(whole, edges)
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 3, 0, 1]], dtype=float)
    group = whole.cells.index[:, 0]
    for metric in (LogLoss, Brier, Accuracy, ClassCounts, TopAccuracy, ExactRanking):
        resampled = merged(metric, parts).resampled(weights)
        for b, weight in enumerate(weights):
            rows = np.repeat(np.arange(80), weight[group].astype(int))
            expected = metric.of(chosen(whole, rows)).result()
            expected.pop("lift_10", None)
            assert {n for n, v in resampled.items() if np.isfinite(v[b])} == expected.keys()
            for name, value in expected.items():
                assert resampled[name][b] == pytest.approx(value, abs=1e-12), name
    for metric in (LogLoss, Brier, Accuracy, ClassCounts, TopAccuracy, SliceRanking):
        figures = merged(metric, parts).sliced()[0]
        plain, rows_of = metric, whole
        if metric is SliceRanking:  # rows of one step are ties
            steps = whole.steps(256 // (1 if classes == 2 else classes)).astype(float)
            scores = steps[:, 0] if classes == 2 else steps
            plain, rows_of = ExactRanking, Prediction(whole.y, whole.predicted, None, scores, classes)
        for value in range(3):
            expected = plain.of(chosen(rows_of, whole.cells.index[:, 1] == 4 + value)).result()
            expected.pop("lift_10", None)
            found = {n for n, v in figures.items() if np.isfinite(v[value]) and not n.endswith("_error")}
            assert found == expected.keys()
            for name in found:
                assert figures[name][value] == pytest.approx(expected[name], abs=1e-12), name


@given(st.sampled_from([2, 3, 4]), st.integers(0, 9), EDGES)
def test_equal_scores_rank_nothing(classes, seed, edges):
    whole = predictions(80, classes, seed)
    proba = np.full((80, classes), 1 / classes)
    scores = proba[:, 1] if classes == 2 else proba
    flat = Prediction(whole.y, whole.predicted, proba, scores, classes, whole.cells)
    parts, weights = cut(flat, edges), np.array([[2, 0, 1, 1], [0, 3, 0, 1]], dtype=float)
    short, long = (merged(metric, parts) for metric in (NoRanking, ExactRanking))
    assert short.result() == pytest.approx(long.result())
    for name, values in long.resampled(weights).items():
        np.testing.assert_allclose(short.resampled(weights)[name], values)


def test_places_become_counts_once_they_are_many():
    whole = predictions(6_000, 2, 0)
    parts = cut(whole, [20, 2_500, 2_600, 5_000])
    states = [SliceRanking.of(part) for part in parts]
    assert {state.counts is None for state in states} == {True, False}
    once = SliceRanking.of(whole)
    for order in (states, states[::-1]):
        state = reduce(lambda a, b: a.merge(b), order)
        np.testing.assert_array_equal(state.every, once.every)
    assert once.every.sum() == 6_000


def test_resamples_by_steps_are_those_of_the_scores():
    whole = predictions(4_000, 2, 0)
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [0, 3, 0, 1]], dtype=float)
    exact, steps = (merged(m, cut(whole, [900, 1_000])).resampled(weights) for m in (ExactRanking, BinnedRanking))
    for name, values in exact.items():
        np.testing.assert_allclose(steps[name], values, atol=2e-3)


@given(st.sampled_from([2, 3]), st.integers(0, 9), st.booleans(), EDGES)
def test_ranking_by_steps_lies_within_its_own_bounds(classes, seed, ties, edges):
    whole = predictions(80, classes, seed)
    if ties:
        proba = np.round(whole.proba, 1)
        whole = Prediction(whole.y, whole.predicted, proba, proba[:, 1] if classes == 2 else proba, classes)
    figures = merged(BinnedRanking, cut(whole, edges)).result()
    exact = merged(ExactRanking, cut(whole, edges)).result()
    for name in ("roc_auc", "average_precision"):
        assert abs(figures[name] - exact[name]) <= figures[f"{name}_error"] + 1e-12


def test_ranking_by_steps_suits_rare_events_and_margins():
    rng = np.random.default_rng(0)
    odds = rng.normal(-7, 1, 20_000)
    y = (rng.random(20_000) < expit(odds + 2)).astype(int)
    proba = np.column_stack([1 - expit(odds), expit(odds)])
    for p in (Prediction(y, y, proba, proba[:, 1]), Prediction(y, y, None, odds)):
        figures = BinnedRanking.of(p).result()
        assert figures["roc_auc"] == pytest.approx(sk.roc_auc_score(y, odds), abs=1e-4)
        assert figures["roc_auc_error"] < 1e-3
        assert figures["average_precision"] == pytest.approx(sk.average_precision_score(y, odds), abs=1e-3)


@pytest.mark.parametrize("metric", [ExactRanking, BinnedRanking])
def test_curves_run_through_scikit_learns(metric):
    whole = predictions(2_000, 2, 0)
    (curve,) = merged(metric, cut(whole, [500, 600])).curves()["ranking"]
    false, true, _ = sk.roc_curve(whole.y, whole.scores, drop_intermediate=False)
    points = np.column_stack([curve["false_positive_rate"], curve["true_positive_rate"]])
    distance = np.abs(points[:, None] - np.column_stack([false, true])).max(axis=2).min(axis=1)
    assert distance.max() < 1e-12
    assert (curve["true_positive_rate"][-1], curve["false_positive_rate"][-1]) == (1, 1)
    assert len(curve["true_positive_rate"]) <= 201
    best = np.argsort(-whole.scores)[:200]
    lift = metric.of(whole).result()["lift_10"]
    assert lift == pytest.approx(whole.y[best].mean() / whole.y.mean(), rel=0.01)


@given(st.sampled_from([2, 3]), EDGES)
def test_confusion_matrix_and_classes(classes, edges):
    whole = predictions(80, classes, 1)
    parts = cut(whole, edges)
    matrix = sk.confusion_matrix(whole.y, whole.predicted, labels=range(classes)).tolist()
    assert merged(Confusion, parts).curves()["confusion_matrix"] == matrix
    each = merged(ClassCounts, parts).classes()
    precision, recall, f1, rows = sk.precision_recall_fscore_support(whole.y, whole.predicted, zero_division=0)
    for name, expected in {"precision": precision, "recall": recall, "f1": f1, "rows": rows}.items():
        np.testing.assert_allclose(each[name], expected)


@given(EDGES, st.sampled_from([2, 3]))
def test_calibration(edges, classes):
    whole = predictions(80, classes, 2)
    state = merged(ReliabilityCurve, cut(whole, edges))
    said = whole.scores if classes == 2 else whole.proba.max(axis=1)
    true = whole.y if classes == 2 else whole.y == whole.predicted
    shares, means = calibration_curve(true, said, n_bins=15)
    counts = np.histogram(said, np.linspace(0, 1, 16))[0]
    expected = (np.abs(shares - means) * counts[counts > 0]).sum() / 80
    assert state.result()["expected_calibration_error"] == pytest.approx(expected)
    curve = state.curves()["calibration"]
    assert sum(curve["rows"]) == 80
    assert np.dot(curve["rows"], curve["true"]) == pytest.approx(true.sum())
    assert np.dot(curve["rows"], curve["predicted"]) == pytest.approx(said.sum())
    assert curve["predicted"] == sorted(curve["predicted"])


def test_certain_and_wrong_is_clipped_as_scikit_learn_does():
    for dtype in (np.float32, np.float64):
        proba = np.array([[1, 0], [0, 1], [0.5, 0.5]], dtype=dtype)
        y = np.array([1, 1, 0])
        p = Prediction(y, y, proba, proba[:, 1])
        assert LogLoss.of(p).result()["log_loss"] == pytest.approx(sk.log_loss(y, proba), rel=1e-6)
        for metric in (BinnedRanking, ExactRanking, ReliabilityCurve):
            assert all(np.isfinite(list(metric.of(p).result().values())))


def test_a_probability_that_rounding_left_above_one():
    proba = np.array([[-2.2e-16, 1.0000000000000002], [0.7, 0.3], [0.2, 0.8], [0.9, 0.1]])
    y, index = np.array([1, 0, 1, 1]), np.array([[0, 4], [1, 4], [2, 5], [3, 5]], dtype=np.int32)
    p = Prediction(y, y, proba, proba[:, 1], 2, GroupIndex(index, 4, 6))
    assert BinnedRanking.of(p).result()["roc_auc"] == ExactRanking.of(p).result()["roc_auc"]
    assert sum(ReliabilityCurve.of(p).curves()["calibration"]["rows"]) == 4
    assert SliceRanking.of(p).every[0, 0, 0, -1] == 1


def test_undefined_figures_are_left_out():
    one_class = Prediction(np.zeros(3, int), np.zeros(3, int), None, np.arange(3.0))
    assert ExactRanking.of(one_class).result() == BinnedRanking.of(one_class).result() == {}
    assert (
        LogLoss.of(one_class).result() == Brier.of(one_class).result() == ReliabilityCurve.of(one_class).result() == {}
    )
    nothing = Prediction(np.zeros(0, int), np.zeros(0, int))
    for metric in (*CLASSIFICATION, BinnedRanking, SquaredAndAbsoluteError, PoissonDeviance, Residuals):
        assert metric.of(nothing).result() == metric.of(nothing).merge(metric.of(nothing)).result() == {}


def test_many_classes_are_counted_as_a_whole():
    rng = np.random.default_rng(0)
    y, predicted = rng.integers(0, 500, 2_000), rng.integers(0, 500, 2_000)
    index = np.zeros((2_000, 1), dtype=np.int32)
    p = Prediction(y, predicted, classes=500, cells=GroupIndex(index, N_BOOTSTRAP_GROUPS, N_BOOTSTRAP_GROUPS))
    state = ClassCounts.of(p)
    assert state.sums.nbytes < 1 << 16
    assert state.result()["f1_macro"] == pytest.approx(sk.f1_score(y, predicted, average="macro", zero_division=0))
    assert state.resampled(np.ones((2, N_BOOTSTRAP_GROUPS))) == {}
    assert Confusion.of(p).curves() == {}


@given(EDGES)
def test_regression_equals_scikit_learn(edges):
    rng = np.random.default_rng(0)
    y, p = 1e6 + rng.normal(size=80), 1e6 + rng.normal(size=80)
    whole = Prediction(y, p, mean=1e6, std=1.0)
    parts = cut(whole, edges)
    assert merged(SquaredAndAbsoluteError, parts).result() == pytest.approx(
        {
            "mean_squared_error": sk.mean_squared_error(y, p),
            "root_mean_squared_error": sk.root_mean_squared_error(y, p),
            "mean_absolute_error": sk.mean_absolute_error(y, p),
            "r2": sk.r2_score(y, p),
            "mean_pinball_loss_0.1": sk.mean_pinball_loss(y, p, alpha=0.1),
            "mean_pinball_loss_0.9": sk.mean_pinball_loss(y, p, alpha=0.9),
        },
        rel=1e-9,
    )
    expected = sk.mean_poisson_deviance(y / 1e6, p / 1e6)
    counts = [chosen(Prediction(y / 1e6, p / 1e6), slice(a, b)) for a, b in [(0, 30), (30, 80)]]
    assert merged(PoissonDeviance, counts).result()["mean_poisson_deviance"] == pytest.approx(expected)
    residuals = merged(Residuals, parts).curves()["residuals"]
    np.testing.assert_array_equal(residuals["rows"], np.histogram(np.clip(y - p, -4, 3.99), residuals["edges"])[0])


def test_poisson_deviance_needs_positive_predictions():
    y = np.array([0.0, 1.0, 2.0])
    for predicted in ([1.0, 0.0, 2.0], [1.0, -1.0, 2.0]):
        assert PoissonDeviance.of(Prediction(y, np.array(predicted))).result() == {}


def test_scores_are_counted_by_steps_only_beyond_the_limit():
    assert ExactRanking in metrics_for("classification", 100, 100)
    assert BinnedRanking in metrics_for("classification", 101, 100)


def test_groups_and_weights_are_those_of_the_hash_and_the_seed():
    hashes = np.random.default_rng(0).integers(0, 2**64, 200_000, dtype=np.uint64)
    groups = group_of(hashes)
    assert np.bincount(groups, minlength=N_BOOTSTRAP_GROUPS).min() > 120
    tests = hashes < np.uint64(2**61)  # the side of a split that takes the lowest hashes
    assert np.bincount(groups[tests], minlength=N_BOOTSTRAP_GROUPS).min() > 5
    weights = poisson_weights(400, 3)
    np.testing.assert_array_equal(weights, poisson_weights(400, 3))
    assert weights.mean() == pytest.approx(1, abs=0.01)
    assert weights.var() == pytest.approx(1, abs=0.01)


def drawn(rows: int, seed: int) -> Prediction:
    """A model that is somewhat wrong, on rows drawn anew."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    y = (rng.random(rows) < expit(1.5 * x - 1)).astype(int)
    proba = expit(1.2 * x - 0.8)
    index = group_of(rng.integers(0, 2**64, rows, dtype=np.uint64)).astype(np.int32)[:, None]
    both = np.column_stack([1 - proba, proba])
    return Prediction(
        y, (proba > 0.5).astype(int), both, proba, 2, GroupIndex(index, N_BOOTSTRAP_GROUPS, N_BOOTSTRAP_GROUPS)
    )


def covered(figures: dict[str, list[tuple[float, float] | None]], truth: dict[str, float]) -> dict[str, float]:
    return {name: np.mean([i[0] <= truth[name] <= i[1] for i in found]) for name, found in figures.items()}


def test_the_intervals_hold_the_truth_in_95_of_100_samples():
    weights, metrics = poisson_weights(500, 0), (LogLoss, Brier, Accuracy, ExactRanking)
    large = drawn(2_000_000, 10**6)
    truth = {}
    for metric in (LogLoss, Brier, Accuracy, ExactRanking):
        truth |= metric.of(Prediction(large.y, large.predicted, large.proba, large.scores)).result()
    found: dict[str, list] = {name: [] for name in ("log_loss", "brier_score_loss", "accuracy", "roc_auc")}
    for seed in range(500):
        sample = drawn(2_000, seed)
        for metric in metrics:
            for name, replicates in metric.of(sample).resampled(weights).items():
                if name in found:
                    found[name].append(interval(replicates))
    shares = covered(found, truth)
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares


def test_the_interval_of_a_ranking_by_scores_that_hardly_differ():
    """A rare event and a weak model: all scores lie within a tenth of a unit of log-odds."""
    weights, found = poisson_weights(300, 0), []

    def weak(rows: int, seed: int) -> Prediction:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=rows)
        y = (rng.random(rows) < expit(-3 + 0.3 * x)).astype(int)
        proba = expit(-3.02 + 0.03 * x)
        index = group_of(rng.integers(0, 2**64, rows, dtype=np.uint64)).astype(np.int32)[:, None]
        return Prediction(
            y,
            y,
            np.column_stack([1 - proba, proba]),
            proba,
            2,
            GroupIndex(index, N_BOOTSTRAP_GROUPS, N_BOOTSTRAP_GROUPS),
        )

    truth = ExactRanking.of(weak(1_000_000, 10**6)).result()
    for seed in range(200):
        sample = weak(3_000, seed)
        found.append(interval(ExactRanking.of(sample).resampled(weights)["roc_auc"]))
        assert BinnedRanking.of(sample).resampled(weights) == {}  # ties hide too much: rather no interval
    assert 0.91 <= covered({"roc_auc": found}, truth)["roc_auc"] <= 0.985


def test_the_intervals_of_a_regression_and_of_a_slice_hold_the_truth():
    weights = poisson_weights(500, 0)
    found: dict[str, list] = {"mean_absolute_error": [], "mean_squared_error": [], "r2": [], "slice": []}
    for seed in range(500):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=1_000)
        y = x + rng.normal(size=1_000)
        groups = group_of(rng.integers(0, 2**64, 1_000, dtype=np.uint64)).astype(np.int32)
        half = N_BOOTSTRAP_GROUPS + rng.integers(0, 2, 1_000).astype(np.int32)
        cells = GroupIndex(np.column_stack([groups, half]), N_BOOTSTRAP_GROUPS, N_BOOTSTRAP_GROUPS + 2)
        state = SquaredAndAbsoluteError.of(Prediction(y, x, cells=cells))
        for name, replicates in state.resampled(weights).items():
            if name in found:
                found[name].append(interval(replicates))
        figures, errors = state.sliced()
        middle, error = figures["mean_absolute_error"][0], errors["mean_absolute_error"][0]
        found["slice"].append((middle - 1.96 * error, middle + 1.96 * error))
    absolute = np.sqrt(2 / np.pi)
    truth = {"mean_absolute_error": absolute, "mean_squared_error": 1.0, "r2": 0.5, "slice": absolute}
    shares = covered(found, truth)
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares


def test_no_interval_where_too_little_is_defined():
    assert interval(np.array([np.nan, np.nan, 0.5])) is None
    assert interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))
