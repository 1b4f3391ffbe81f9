"""Numbers keep what they are: extreme, infinite and tiny values beside ordinary ones, in any order and partition."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import KBinsDiscretizer, RobustScaler, StandardScaler

from pipeline.encoding.encoder import Encoder
from pipeline.monitoring.progress import Monitor
from pipeline.notices import Notice
from pipeline.planning.planner import for_exploration, make_plan
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedBatch, pack
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.split import TRAIN
from pipeline.reporting.data_description import check_results
from pipeline.statistics.summary import merge_summaries, summarise
from pipeline.training.statistics_stage import explore
from tests.builders import execute, make_config, report_of, write_parquet

GREATEST = np.finfo(np.float32).max
EXTREMES = {
    "outlier": [1e15],
    "nodata": [-3.4028234663852886e38] * 4,
    "huge": [1e300, -1e300, 1e300],
    "denormal": [5e-324, -0.0, 0.0],
    "beyond 2**53": [2.0**53 + 2, 2.0**60],
    "all": [1e15, -3.4e38, 1e300, 5e-324, -0.0, 2.0**53 + 2],
}
ORDERS = {"as it comes": lambda v: v, "ascending": np.sort, "descending": lambda v: np.sort(v)[::-1]}


def fitted(values: np.ndarray, batches: int, **options: object) -> tuple[Encoder, np.ndarray, object]:
    """An encoder of one column that learned from batches, packed by the first; the encoded rows; the statistics."""
    columns = Columns(("x",), options={"x": options} if options else {})
    frames = [pd.DataFrame({"x": part}) for part in np.array_split(values, batches)]
    scale = PackingScale.of(frames[0], columns)
    summaries = []
    for number, frame in enumerate(frames):
        role = np.full(len(frame), TRAIN, dtype=np.int8)
        batch = PackedBatch(number, pack(frame, columns, scale), np.zeros(len(frame)), None, role)
        summaries.append(summarise(batch, columns, scale))
    summary = merge_summaries(summaries)
    encoder = Encoder.for_columns(columns).fit_statistics(summary, scale)
    encoded = encoder.transform(pd.DataFrame({"x": values}))
    return encoder, encoded.toarray() if hasattr(encoded, "toarray") else encoded, summary.numeric["x"]


def values_with(extremes: list[float], order: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(10, 3, 600), extremes])
    return ORDERS[order](rng.permutation(values))


def assert_encoded(encoded: np.ndarray, expected: np.ndarray, **tolerance: float) -> None:
    """Equal to what scikit-learn has, as float32; beyond float32, its greatest number."""
    limited = np.clip(np.asarray(expected, dtype=np.float64), -GREATEST, GREATEST)
    np.testing.assert_allclose(encoded, limited, **({"rtol": 2e-6, "atol": 1e-6} | tolerance))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", EXTREMES)
@pytest.mark.parametrize("batches", [1, 4])
def test_treatments_by_quantiles_are_scikit_learns_with_extreme_values(kind, order, batches):
    values = values_with(EXTREMES[kind], order)
    column = values[:, None]
    _, robust, stats = fitted(values, batches, scale="robust")
    assert_encoded(robust, RobustScaler().fit_transform(column))
    assert (stats.low, stats.high, stats.missing) == (values.min(), values.max(), 0)
    np.testing.assert_array_equal(stats.quantiles.points(), np.sort(values))

    low, high = np.quantile(values, [0.02, 0.98])
    _, clipped, _ = fitted(values, batches, clip=[0.02, 0.98])
    assert_encoded(clipped, StandardScaler().fit_transform(column.clip(low, high)))

    _, binned, _ = fitted(values, batches, bins=12)
    expected = KBinsDiscretizer(12, encode="onehot-dense", quantile_method="linear").fit_transform(column)
    np.testing.assert_array_equal(binned, expected)

    _, plain, _ = fitted(values, batches, scale="none")
    assert_encoded(plain, column, rtol=1e-7, atol=1e-45)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ["outlier", "nodata", "denormal", "beyond 2**53"])
def test_standardised_numbers_are_scikit_learns_with_extreme_values(kind, order):
    values = values_with(EXTREMES[kind], order)
    _, encoded, stats = fitted(values, 4)
    scaler = StandardScaler().fit(values[:, None])
    assert_encoded(encoded, scaler.transform(values[:, None]))
    assert stats.moments.mean == pytest.approx(scaler.mean_[0], rel=1e-6)
    assert stats.moments.std == pytest.approx(scaler.scale_[0], rel=1e-6)
    assert stats.low == pytest.approx(values.min(), rel=1e-6, abs=1e-5)
    assert stats.high == pytest.approx(values.max(), rel=1e-6, abs=1e-5)


def test_logarithms_are_scikit_learns_over_twenty_orders_of_magnitude():
    values = np.random.default_rng(0).permutation(np.concatenate([np.logspace(-12, 15, 500), [1e300, 5e-324, 0.0]]))
    for order in ORDERS.values():
        _, encoded, _ = fitted(order(values), 3, log1p=True)
        expected = StandardScaler().fit_transform(np.log1p(order(values))[:, None])
        assert_encoded(encoded, expected)


def test_files_sorted_downwards_keep_the_small_values_apart():
    rng = np.random.default_rng(1)
    values = np.sort(np.concatenate([rng.uniform(1e9, 1e12, 300), rng.uniform(1, 10, 700)]))[::-1]
    _, binned, _ = fitted(values, 5, bins=20)
    expected = KBinsDiscretizer(20, encode="onehot-dense", quantile_method="linear").fit_transform(values[:, None])
    np.testing.assert_array_equal(binned, expected)


def test_a_number_that_appears_after_the_first_rows_is_not_rounded():
    seconds = 1_700_000_000 + np.random.default_rng(2).uniform(0, 3600, 500)
    values = np.concatenate([np.full(500, np.nan), seconds])
    encoder, encoded, stats = fitted(values, 2)
    scaler = StandardScaler().fit(seconds[:, None])
    assert encoder.full_.tolist() == [True]
    assert_encoded(encoded[500:], scaler.transform(seconds[:, None]))
    np.testing.assert_array_equal(encoded[:500], 0.0)
    assert (stats.low, stats.high) == (seconds.min(), seconds.max())


@pytest.mark.parametrize("value", [5e-324, 1.7e308])
def test_two_values_at_the_ends_of_float64_are_two_values(value):
    values = np.where(np.arange(400) % 2 == 0, 5e-324, 1.7e308)
    values[:3] = value
    for options in ({}, {"scale": "robust"}, {"clip": [0.01, 0.99]}):
        _, encoded, _ = fitted(values, 3, **options)
        assert np.isfinite(encoded).all()
        assert 0.5 < np.ptp(encoded) < 4


def test_infinite_values_count_as_missing_apart_and_are_not_clipped():
    values = np.array([1.0, np.inf, 2.0, -np.inf, np.nan, 3.0, np.inf, 4.0] * 20)
    finite = values[np.isfinite(values)]
    for options in ({}, {"clip": [0.05, 0.95]}, {"scale": "robust"}, {"log1p": True}, {"indicator": True}):
        _, encoded, stats = fitted(values, 3, **options)
        assert (stats.missing, stats.infinite) == (80, 60)
        infinite, missing = encoded[np.isinf(values)], encoded[np.isnan(values)]
        np.testing.assert_array_equal(infinite, np.broadcast_to(missing[0], infinite.shape))
    assert encoded[np.isinf(values), 1].all()
    assert not encoded[np.isfinite(values), 1].any()
    _, _, stats = fitted(values, 2, scale="robust")
    np.testing.assert_array_equal(stats.quantiles.points(), np.sort(finite))


@pytest.mark.parametrize("options", [{}, {"scale": "robust"}, {"clip": [0.1, 0.9], "indicator": True}, {"log1p": True}])
def test_a_few_rows_are_encoded_to_the_bits_of_many(options):
    values = np.concatenate([values_with(EXTREMES["all"], "as it comes"), [np.inf, -np.inf, np.nan]])
    encoder, encoded, _ = fitted(values, 2, **options)
    rows = [{"x": float(value)} for value in values]
    few = np.concatenate([encoder.transform(rows[start : start + 5]) for start in range(0, len(rows), 5)])
    np.testing.assert_array_equal(few, encoded)


def priced(rows: int = 6_000) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"price": rng.normal(10, 3, rows), "noise": rng.normal(size=rows)})
    frame["y"] = (rng.random(rows) < 1 / (1 + np.exp(10 - frame["price"]))).astype(int)
    return frame


def auc_of(frame: pd.DataFrame) -> float:
    X = StandardScaler().fit_transform(frame[["price", "noise"]])
    return float(roc_auc_score(frame["y"], LogisticRegression().fit(X, frame["y"]).predict_proba(X)[:, 1]))


@pytest.mark.parametrize(
    ("features", "extreme"),
    [({"scale": "robust"}, 1e15), ({"clip": [0.01, 0.99]}, 1e300), ({"bins": 20}, 1e15), ({"bins": 10}, -3.4e38)],
)
def test_a_run_learns_the_ordinary_values_beside_an_absurd_one(threads, tmp_path, features, extreme):
    frame = priced()
    clean = auc_of(frame)
    frame.loc[[7, 4_000], "price"] = extreme
    outcome = execute(threads, make_config(write_parquet(frame, tmp_path / "d", 2), features=features))
    assert outcome.results.metrics["roc_auc"] == pytest.approx(clean, abs=0.03)
    assert not [notice for notice in outcome.notices if "price" in notice.subject]


@pytest.mark.parametrize("extreme", [1e15, 1e300])
def test_a_column_that_standard_scaling_makes_useless_is_told(threads, tmp_path, extreme):
    frame = priced()
    frame.loc[7, "price"] = extreme
    config = make_config(write_parquet(frame, tmp_path / "d", 2))
    told = report_of(execute(threads, config), config)["notices"]
    about = [notice for notice in told if notice["subject"] == "column 'price'"]
    [notice] = [notice for notice in about if "standard scaling" in notice["message"]]
    assert "features.clip" in notice["advice"]


def test_infinite_values_and_the_ends_of_float64_are_told_and_do_no_harm(threads, tmp_path):
    frame = priced()
    clean = auc_of(frame)
    rng = np.random.default_rng(4)
    frame["rate"] = rng.normal(size=len(frame))
    frame.loc[rng.choice(len(frame), 300, replace=False), "rate"] = np.inf
    frame["tiny"] = np.where(np.arange(len(frame)) % 2 == 0, 5e-324, 1.7e308)
    config = make_config(write_parquet(frame, tmp_path / "d", 3))
    outcome = execute(threads, config)
    assert outcome.results.metrics["roc_auc"] == pytest.approx(clean, abs=0.03)
    [notice] = [notice for notice in outcome.notices if "infinite" in notice.message]
    assert notice.subject == "column 'rate'"
    counted = int(notice.message.split()[0].replace(",", ""))
    assert counted == pytest.approx(300 * outcome.ledger.train / len(frame), abs=30)


def test_one_line_tells_of_an_extreme_column_and_check_tells_of_it_too(threads, tmp_path):
    frame = priced()
    frame["far"] = np.where(frame.index % 1000 == 7, 1e12, frame["price"])
    frame["infinite"] = np.where(frame.index % 10, frame["price"], np.inf)
    frame["only_infinite"] = np.inf
    config = make_config(write_parquet(frame, tmp_path / "data", 2))
    plan = for_exploration(make_plan(config))
    explored = check_results(*explore(plan, threads, Monitor(quiet=True)))["notices"]
    for told in (execute(threads, config).notices, [Notice(**notice) for notice in explored]):
        lines = {f"column {name!r}": 0 for name in ("far", "infinite", "only_infinite")}
        for notice in told:
            if notice.subject in lines:
                lines[notice.subject] += 1
        assert set(lines.values()) == {1}


def test_a_label_with_an_absurd_value_is_told_and_leaves_no_nan_in_the_report(threads, tmp_path):
    frame = priced().drop(columns="y")
    frame["y"] = np.where(frame.index == 7, 1e300, np.random.default_rng(0).normal(size=len(frame)))
    outcome = execute(threads, make_config(write_parquet(frame, tmp_path / "data", 2)))
    assert any("a few extreme values outweigh the others" in str(notice) for notice in outcome.notices)
    assert all(np.isfinite(list(outcome.metrics.values())))
    importance = outcome.results.importance.get("columns", {})
    assert all(np.isfinite(each["mean"]) for each in importance.values())


def test_a_column_as_wide_as_float64_is_read(threads, tmp_path):
    frame = priced()
    frame["wide"] = np.where(frame.index % 2, 1.7e308, -1.7e308)
    outcome = execute(threads, make_config(write_parquet(frame, tmp_path / "data", 2)))
    assert outcome.metrics["roc_auc"] > 0.8
