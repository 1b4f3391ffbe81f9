"""Changes of columns: rows of the same kind are stable whatever their number, true shifts are found."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline.evaluation import drift, drift_profile
from pipeline.evaluation.column_change import label_change, number_change
from pipeline.evaluation.drift_verdict import severe_change, with_verdicts
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing import PackedBatch, pack
from pipeline.preparation.packing_scale import PackingScale
from pipeline.preparation.split import TRAIN
from pipeline.statistics.counts import Counts
from pipeline.statistics.moments import Moments, NumericStats
from pipeline.statistics.summary import summarise

ROWS = 20_000
NUMBERS = ("normal", "uniform", "heavy", "zeros", "few", "flag", "constant", "gaps", "modes")
CODES = ("skewed", "even", "zipf", "id")
COLUMNS = Columns(NUMBERS, CODES)


def make_rows(rows: int, seed: int) -> pd.DataFrame:
    """Columns of all shapes that tables have."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "normal": rng.normal(5, 3, rows),
            "uniform": rng.random(rows),
            "heavy": np.exp(rng.normal(0, 3, rows)),
            "zeros": np.where(rng.random(rows) < 0.92, 0, rng.exponential(3, rows)),
            "few": rng.integers(0, 5, rows),
            "flag": (rng.random(rows) < 0.01).astype(float),
            "constant": 1.0,
            "gaps": np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows)),
            "modes": rng.choice([0.0, 1000.0], rows) + rng.normal(size=rows),
            "skewed": rng.choice(list("abc"), rows, p=[0.9, 0.09, 0.01]),
            "even": rng.integers(0, 200, rows).astype(str),
            "zipf": np.minimum(rng.zipf(1.5, rows), 10**6).astype(str),
            "id": rng.integers(0, 10**9, rows).astype(str),
        }
    )


@pytest.fixture(scope="module")
def remembered():
    """The training rows, and a function that compares others with them."""
    frame = make_rows(ROWS, 0)
    scale = PackingScale.of(frame.head(5_000), COLUMNS)

    def summary(rows: pd.DataFrame):
        batch = PackedBatch(0, pack(rows, COLUMNS, scale), np.zeros(len(rows)), None, np.full(len(rows), TRAIN))
        return summarise(batch, COLUMNS, scale)

    statistics = summary(frame)
    categories = {name: np.array(sorted(statistics.categorical[name].values.index), dtype=object) for name in CODES}
    profile = drift_profile.profile(statistics, COLUMNS, categories)
    return frame, lambda rows: drift.compare(profile, categories, summary(rows))


@pytest.mark.parametrize(("rows", "repeats"), [(1, 12), (30, 12), (300, 12), (3_000, 4), (19_000, 1)])
def test_random_rows_of_the_training_table_and_others_of_its_kind_are_stable(remembered, rows, repeats):
    frame, compare = remembered
    verdicts = []
    for seed in range(repeats):
        drawn = frame.iloc[np.random.default_rng(seed).choice(ROWS, rows, replace=False)]
        for sample in (drawn, make_rows(rows, 1_000 + seed)):
            verdicts += [change["verdict"] for change in compare(sample).values()]
    assert np.mean([verdict == "stable" for verdict in verdicts]) >= 0.99
    assert "drifted" not in verdicts


def spread(rows: int, share: float) -> np.ndarray:
    """Which rows, about this share."""
    return np.random.default_rng(5).random(rows) < share


SHIFTS = {
    "normal": lambda v: v + 3,
    "uniform": lambda v: v * 1.5,
    "heavy": lambda v: v * 20,
    "zeros": lambda v: v * 100,
    "few": lambda v: v.clip(upper=1),
    "flag": lambda v: spread(len(v), 0.15).astype(float),
    "constant": lambda v: v * 2,
    "gaps": lambda v: v.mask(spread(len(v), 0.6)),
    "modes": lambda v: v + 5,
    "skewed": lambda v: v.mask(spread(len(v), 0.2), "c"),
    "even": lambda v: v.mask(spread(len(v), 0.2), "never seen"),
    "zipf": lambda v: v.mask(v == "1", "3"),
}


@pytest.mark.parametrize("rows", [300, 3_000, 30_000])
def test_true_shifts_are_found(remembered, rows):
    _, compare = remembered
    frame = make_rows(rows, 77)
    found = compare(frame.assign(**{name: shift(frame[name]) for name, shift in SHIFTS.items()}))
    assert {name: found[name]["verdict"] for name in SHIFTS} == dict.fromkeys(SHIFTS, "drifted")
    assert found["id"]["verdict"] == "stable"
    assert list(found)[-1] == "id"


@pytest.mark.parametrize(("rate", "verdict"), [(0.0, "stable"), (0.005, "slight"), (0.33, "drifted")])
def test_values_that_went_missing_are_a_change(remembered, rate, verdict):
    _, compare = remembered
    frame = make_rows(4_000, 78)
    found = compare(frame.assign(normal=frame["normal"].mask(spread(4_000, rate))))["normal"]
    assert found["verdict"] == verdict
    assert found["missing"] == pytest.approx([0, rate], abs=0.03)
    assert found["score"] > 1 or rate < 0.1


def test_a_shift_of_many_rows_that_is_beyond_chance_and_small_is_slight(remembered):
    _, compare = remembered
    frame = make_rows(100_000, 79)
    found = compare(frame.assign(normal=frame["normal"] + 0.3))["normal"]
    assert found["verdict"] == "slight"
    # Of two normal distributions a tenth of their spread apart.
    assert found["score"] == pytest.approx(0.01, abs=0.003)


def test_a_profile_of_an_earlier_version_tells_missing_values_and_foreign_ranges_alone(remembered):
    profiled = {"missing": 0.0, "low": -3.0, "high": 3.0, "histogram": [0] * 20 + [10] * 24 + [0] * 20}

    def change(values):
        stats = NumericStats.of(np.asarray(values, dtype=np.float32), np.arange(len(values)), 0.0, 1.0)
        return with_verdicts({"a": number_change(profiled, stats)})

    rng = np.random.default_rng(0)
    assert change(rng.normal(size=200).clip(-3, 3))["a"]["verdict"] == "unknown"
    assert change(np.where(rng.random(200) < 0.4, np.nan, 0.5))["a"]["verdict"] == "drifted"
    foreign = change(rng.normal(1_000, 1, 200))
    assert foreign["a"]["verdict"] == "drifted"
    assert severe_change(foreign) is not None


def test_a_label_whose_shares_changed():
    classes = np.array(["no", "yes"], dtype=object)
    profiled = {"shares": [0.7, 0.3], "rows": 10_000}
    same = label_change(profiled, classes, Counts(pd.Series({"no": 705, "yes": 295})), Moments())
    other = label_change(profiled, classes, Counts(pd.Series({"no": 400, "yes": 600})), Moments())
    assert same["p_value"] > 0.1
    assert other["p_value"] < 1e-50
    assert other["score"] == pytest.approx(0.3 * np.log(0.7 / 0.4) + 0.3 * np.log(0.6 / 0.3), rel=0.01)
    assert other["shares"] == {"no": [0.7, 0.4], "yes": [0.3, 0.6]}


def test_the_mean_of_a_label_is_tested_as_by_welch():
    rng = np.random.default_rng(0)
    old, new = rng.normal(10, 2, 4_000), rng.normal(10.2, 3, 900)
    profiled = {"mean": float(old.mean()), "std": float(old.std()), "rows": 4_000}
    found = label_change(profiled, None, Counts(pd.Series(dtype=np.int64)), Moments.of(new))
    assert found["p_value"] == pytest.approx(stats.ttest_ind(old, new, equal_var=False).pvalue, rel=0.1)
    assert found["mean"] == [pytest.approx(old.mean()), pytest.approx(new.mean())]
