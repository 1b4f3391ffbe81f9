"""Tables that are hard to split: the share of test rows holds, or the run stops before training and says what helps."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session
from pipeline.errors import ConfigError, DataError
from pipeline.monitoring.progress import Monitor
from pipeline.planning.description import describe_plan
from pipeline.planning.planner import TrainedModel, make_plan
from pipeline.planning.split_boundary import without_time_split
from pipeline.training.saved_model_evaluation import evaluate_saved_model
from tests.builders import FAST, execute, make_config, merge_sections, write_parquet

ROWS = 4_000
START = pd.Timestamp("2026-01-01")


def table(seed: int = 0, rows: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    return pd.DataFrame({"x": x, "y": (rng.random(rows) < 1 / (1 + np.exp(-x))).astype(int)})


def by_time(folder: Path, **changes: object) -> cfg.Config:
    return make_config(folder, **merge_sections(FAST, {"split": {"by": "time", "column": "t", **changes}}))


def by_group(folder: Path, seed: int = 0, **changes: object) -> cfg.Config:
    sections = {"split": {"by": "group", "column": "who", **changes}, "train": {"seed": seed}}
    return make_config(folder, **merge_sections(FAST, sections))


def error_of(session: Session, config: cfg.Config) -> str:
    """What ends the run; nothing if it succeeds."""
    try:
        execute(session, config)
    except DataError as error:
        return str(error)
    return ""


def every_minute(rows: int = ROWS) -> np.ndarray:
    return (START + pd.to_timedelta(np.arange(rows), unit="min")).to_numpy().astype("datetime64[us]")


def skewed(rows: int = ROWS) -> np.ndarray:
    """Times that get denser towards the end."""
    return every_minute(10 * rows)[(np.sqrt(np.random.default_rng(1).random(rows)) * 10 * rows).astype(int)]


FAR = np.datetime64("9999-12-31T23:59:59.999999", "us")
LONG_AGO = np.datetime64("0001-01-01", "us")


def with_some(times: np.ndarray, value: np.datetime64, count: int) -> np.ndarray:
    return np.concatenate([times[count:], np.full(count, value)])


TIMES = {
    "in order": every_minute(),
    "in no order and skewed": skewed(),
    "one bad row": with_some(skewed(), FAR, 1),
    "a tenth in the year 9999": with_some(skewed(), FAR, 400),
    "a tenth in the year 1": with_some(every_minute(), LONG_AGO, 400),
    "missing": with_some(skewed(), np.datetime64("NaT"), 1000),
}


@pytest.mark.parametrize("statistics", ["all", "none", "some"])
@pytest.mark.parametrize("kind", TIMES)
def test_the_share_of_a_split_by_time_holds_whatever_the_footers_tell(tmp_path, kind, statistics):
    times = TIMES[kind]
    frame = table().assign(t=times)
    for i, part in enumerate(np.array_split(np.arange(ROWS), 4)):
        has = statistics == "all" or (statistics == "some" and i > 1)
        frame.iloc[part].to_parquet(tmp_path / f"{i}.parquet", write_statistics=has, row_group_size=500)
    _, first = make_plan(by_time(tmp_path)).test_from
    present = pd.Series(times).dropna()
    assert (present >= first).mean() == pytest.approx(0.2, abs=0.03)


def test_a_split_by_time_tests_the_rows_that_pandas_chooses(tmp_path, threads):
    frame = table().assign(t=with_some(skewed(), FAR, 1))
    folder = write_parquet(frame, tmp_path / "data", 3)
    _, first = make_plan(by_time(folder)).test_from
    assert execute(threads, by_time(folder)).ledger.test == (frame["t"] >= first).sum() == 800


def test_old_timestamps_of_96_bits_are_read(tmp_path):
    frame = table().assign(t=skewed())
    frame.to_parquet(tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)
    plan = make_plan(by_time(tmp_path))
    assert (frame["t"] >= plan.test_from[1]).mean() == pytest.approx(0.2, abs=0.001)
    assert any("by the footers and 4,000 values of t, read for it" in line for line in describe_plan(plan))


def test_only_row_groups_on_both_sides_of_the_boundary_are_read(tmp_path):
    table().assign(t=every_minute()).to_parquet(tmp_path / "a.parquet", row_group_size=400)
    boundary = make_plan(by_time(tmp_path, test=0.25)).boundary
    assert boundary.rows_read == 400
    assert boundary.first_test == pd.Timestamp(every_minute()[3000])


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
def test_times_with_a_zone_are_split_in_it(tmp_path, zone):
    times = pd.Series(skewed()).dt.tz_localize("UTC").dt.tz_convert(zone)
    table().assign(t=times).to_parquet(tmp_path / "a.parquet")
    _, first = make_plan(by_time(tmp_path)).test_from
    assert str(first.tz) == zone
    assert (times >= first).mean() == pytest.approx(0.2, abs=0.001)


@pytest.mark.parametrize(
    "values", [np.arange(ROWS), np.arange(ROWS) + 2.0**53, np.where(np.arange(ROWS) % 50, np.arange(ROWS) / 7, np.inf)]
)
def test_a_number_may_be_the_time(tmp_path, values):
    np.random.default_rng(0).shuffle(values)
    table().assign(t=values).to_parquet(tmp_path / "a.parquet")
    _, first = make_plan(by_time(tmp_path)).test_from
    assert (values >= first).mean() == pytest.approx(0.2, abs=0.002)


def test_a_day_with_many_rows_is_on_one_side_and_the_share_is_told(tmp_path, threads):
    days = np.repeat(pd.date_range("2026-01-01", periods=4).to_numpy(), [1000, 1000, 900, 1100])
    folder = write_parquet(table().assign(t=days), tmp_path / "data", 3)
    outcome = execute(threads, by_time(folder))
    assert outcome.ledger.test == 1100
    assert any("many rows have the value 2026-01-04" in str(n) and "split.after" in str(n) for n in outcome.notices)


def test_a_year_of_folders_is_told_as_a_year(tmp_path):
    for year, rows in ((2024, 400), (2025, 1280), (2026, 720)):
        write_parquet(table(year, rows), tmp_path / f"year={year}", 1)
    plan = make_plan(make_config(tmp_path, split={"by": "time", "column": "year"}))
    assert plan.test_from == ("year", 2026)
    assert "many rows have the value 2026, so 30.0% of the rows test, not 20.0%" in str(plan.notices[0])


def test_a_time_of_most_rows_is_no_boundary(tmp_path):
    days = np.repeat(pd.date_range("2026-01-01", periods=4).to_numpy(), [1000, 1000, 400, 1600])
    folder = write_parquet(table().assign(t=days), tmp_path / "data", 3)
    with pytest.raises(ConfigError, match=r"2026-01-04 00:00:00 that 40\.0% of the rows would test.*set split\.after"):
        make_plan(by_time(folder))
    assert make_plan(by_time(folder, after="2026-01-03")).test_from[1] == pd.Timestamp("2026-01-03")
    assert make_plan(by_time(folder, test=0.4)).test_from[1] == pd.Timestamp("2026-01-04")


def test_dates_of_folders_divide_the_rows_and_those_of_no_date_are_rejected(tmp_path, threads):
    dates = [f"2026-01-{day:02d}" for day in range(1, 21)]
    for date in [*dates, "__HIVE_DEFAULT_PARTITION__"]:
        write_parquet(table(len(date), 100), tmp_path / f"t={date}", 1)
    outcome = execute(threads, by_time(tmp_path, folds=3))
    assert (outcome.ledger.test, outcome.ledger.train) == (400, 1600)
    assert outcome.ledger.reasons == {"time of the split missing": 100}
    assert execute(threads, by_time(tmp_path, after=datetime.date(2026, 1, 11))).ledger.test == 1000


def test_one_time_for_all_rows_is_refused(tmp_path):
    table().assign(t=START).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="all rows have one value of 't'; split by another column"):
        make_plan(by_time(tmp_path))
    table().assign(t=pd.NaT).astype({"t": "datetime64[us]"}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no row has a value of column 't'"):
        make_plan(by_time(tmp_path))


def test_all_rows_of_one_time_are_looked_at(tmp_path):
    table().assign(t=START).to_parquet(tmp_path / "a.parquet")
    config = by_time(tmp_path, folds=3)
    assert make_plan(without_time_split(config)).boundary is None
    assert without_time_split(by_group(tmp_path)) == by_group(tmp_path)


def test_filters_of_rows_are_applied_before_the_boundary_is_chosen(tmp_path, threads):
    frame = table().assign(t=every_minute())
    frame["x"] += 2 * (np.arange(ROWS) < 2_000)  # fewer of the later rows pass
    folder = write_parquet(frame, tmp_path / "data", 4)
    filtered = make_config(
        folder, **merge_sections(FAST, {"split": {"by": "time", "column": "t"}, "data": {"filters": [["x", ">", 0.5]]}})
    )
    outcome = execute(threads, filtered)
    left = (frame["x"] > 0.5).sum()
    assert outcome.ledger.train + outcome.ledger.test == left
    assert outcome.ledger.test == pytest.approx(0.2 * left, abs=2)


def test_conditions_that_change_the_share_stop_the_run_before_training(tmp_path, threads):
    frame = table().assign(t=every_minute(), late=np.arange(ROWS) > 3_000)
    folder = write_parquet(frame, tmp_path / "data", 4)
    sections = {"split": {"by": "time", "column": "t"}, "prepare": {"filter": {"few": "not late or x > 1"}}}
    with pytest.raises(
        DataError, match=r"split by 't': \d+\.\d% of the rows test, where .* 20\.0%.*; set split\.after"
    ):
        execute(threads, make_config(folder, **merge_sections(FAST, sections)))
    sections["split"]["after"] = "2026-01-03"
    assert execute(threads, make_config(folder, **merge_sections(FAST, sections))).ledger.test


@pytest.mark.parametrize("seed", range(3))
def test_rows_without_a_group_are_split_each_by_itself(tmp_path, threads, seed):
    rng = np.random.default_rng(seed)
    who = pd.array(np.where(rng.random(ROWS) < 0.6, None, rng.integers(0, 400, ROWS).astype(str)), dtype="string")
    folder = write_parquet(table().assign(who=who), tmp_path / "data", 3)
    outcome = execute(threads, by_group(folder, seed))
    assert outcome.ledger.test / ROWS == pytest.approx(0.2, abs=0.04)
    count = int(pd.isna(who).sum())
    assert any(f"{count:,} rows" in str(n) and "have no 'who'" in str(n) for n in outcome.notices)


@pytest.mark.parametrize(
    "ids",
    [
        pa.array(np.arange(ROWS, dtype=np.uint64) + 2**63, pa.uint64()),
        pa.array(np.arange(ROWS) + 2**60),
        pa.array([None if i % 2 else 2**60 + i for i in range(ROWS)], pa.int64()),
        pa.array(np.arange(ROWS) / 3),
    ],
)
def test_groups_that_differ_in_their_last_digit_are_groups(tmp_path, threads, ids):
    pq.write_table(pa.Table.from_pandas(table()).append_column("who", ids), tmp_path / "a.parquet")
    assert execute(threads, by_group(tmp_path)).ledger.test / ROWS == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("sizes", [[1400, 1300, 1300], [3000, 250, 250, 250, 250], [500] * 8])
def test_few_groups_reach_the_share_by_a_seed_that_is_told_or_stop_where_none_does(tmp_path, threads, sizes):
    who = np.repeat([f"g{i}" for i in range(len(sizes))], sizes)
    folder = write_parquet(table().assign(who=who), tmp_path / "data", 2)
    if len(sizes) == 3:
        assert "no seed comes nearer than 32.5%" in error_of(threads, by_group(folder))
        return
    told = []
    for seed in range(4):
        outcome = execute(threads, by_group(folder, seed))
        assert outcome.ledger.test / ROWS == pytest.approx(0.2, abs=0.05)
        told += [str(notice) for notice in outcome.notices if f"train.seed = {seed} would have missed" in str(notice)]
    assert told


def test_the_seed_that_few_groups_were_split_by_tests_the_same_rows_as_a_seed_of_the_config(tmp_path, threads):
    folder = write_parquet(table().assign(who=np.repeat(np.arange(10), 400)), tmp_path / "data", 2)
    outcomes = (execute(threads, by_group(folder, seed)) for seed in range(20))
    revised = next(outcome for outcome in outcomes if outcome.plan.split_revision)
    named = revised.plan.split_revision.seed
    assert f"seed {named} chose those of the 10 groups that test" in str(revised.notices)
    again = execute(threads, by_group(folder, named))
    assert again.plan.split_revision is None
    assert again.ledger == revised.ledger
    assert again.ledger.test == 800


def test_a_share_that_no_groups_have_is_told_with_the_nearest(tmp_path, threads):
    folder = write_parquet(table().assign(who=np.repeat(["a", "b"], [2200, 1800])), tmp_path / "data", 2)
    messages = [error_of(threads, by_group(folder, seed)) for seed in range(9)]
    assert any("no seed comes nearer than 45.0%" in message for message in messages)
    assert all("no seed comes nearer" in message for message in messages)


@pytest.mark.parametrize("categories", [2, 12, 400])
def test_few_distinct_rows_are_split_each_by_itself_and_the_figures_are_those_of_scikit_learn(
    tmp_path, threads, categories
):
    # If copies stayed together, all rows of a category and class would test, and the model would know it by the other.
    rng = np.random.default_rng(categories)
    frame = pd.DataFrame({"c": rng.choice([f"v{i}" for i in range(categories)], 5 * ROWS)})
    frame["y"] = (rng.random(len(frame)) < 0.3 + 0.4 * (frame["c"].str[-1] == "1")).astype(int)
    folder = write_parquet(frame, tmp_path / "data", 2)
    outcome = execute(threads, make_config(folder, **FAST))
    assert outcome.ledger.test / len(frame) == pytest.approx(0.2, abs=0.02)
    train, test = frame.drop(frame.index[::5]), frame.iloc[::5]
    expected = roc_auc_score(test["y"], test["c"].map(train.groupby("c")["y"].mean()))
    assert outcome.metrics["roc_auc"] == pytest.approx(expected, abs=0.05)
    assert any("hardly a row is distinct" in str(notice) for notice in outcome.notices)


def test_rows_that_were_written_twice_stay_together(tmp_path, threads):
    folder = write_parquet(pd.concat([table(), table()]), tmp_path / "data", 2)
    outcome = execute(threads, make_config(folder, **FAST))
    assert outcome.plan.split_revision is None


def test_uneven_batches_are_split_by_their_rows_and_the_share_is_told(tmp_path, threads):
    for i, rows in enumerate([2000, 100, 400, 300, 600, 200, 400]):
        table(i, rows).to_parquet(tmp_path / f"{i}.parquet")
    sections = merge_sections(FAST, {"data": {"batch_rows": "file"}, "split": {"by": "batch"}})
    for seed in range(3):
        config = make_config(tmp_path, **merge_sections(sections, {"train": {"seed": seed}}))
        assert execute(threads, config).ledger.test / ROWS == pytest.approx(0.2, abs=0.05)
    for file in sorted(tmp_path.iterdir())[2:]:
        file.unlink()
    (notice,) = make_plan(make_config(tmp_path, **sections)).notices
    assert "1 of 2 batches test" in notice.message
    assert "data.batch_rows" in notice.advice


@pytest.mark.parametrize("order", ["in order", "in no order and skewed"])
def test_folds_by_time_learn_from_earlier_rows_alone(tmp_path, threads, order):
    frame = table().assign(t=TIMES[order])
    folder = write_parquet(frame, tmp_path / "data", 5)
    plan = make_plan(by_time(folder, folds=3))
    first, second, third = plan.boundary.fold_starts
    assert first < second < third < plan.test_from[1]
    edges = [first, second, third, plan.test_from[1]]
    counts = -np.diff([ROWS, *((frame["t"] >= edge).sum() for edge in edges), 0])
    assert counts / ROWS == pytest.approx([0.2] * 5, abs=0.03)
    outcome = execute(threads, by_time(folder, folds=3))
    assert len(outcome.folds) == 3
    assert any("each predicted by a model of the rows before it" in line for line in describe_plan(plan))


def test_a_fold_by_time_does_not_see_the_future(tmp_path, threads):
    # The label's sign changes with time: a model that saw the future would know it.
    frame = table().assign(t=every_minute())
    frame["y"] = (frame["x"] > 0).astype(int) ^ (np.arange(ROWS) >= 1_600)
    folder = write_parquet(frame, tmp_path / "data", 5)
    outcome = execute(threads, by_time(folder, folds=3, after=str(every_minute()[3_200])))
    first, second, third = (fold["roc_auc"] for fold in outcome.folds)
    assert first > 0.95
    assert second < 0.05
    assert third < 0.95


def test_too_few_times_for_the_folds_are_refused(tmp_path):
    table().assign(t=np.repeat(pd.date_range("2026-01-01", periods=4).to_numpy(), 1000)).to_parquet(
        tmp_path / "a.parquet"
    )
    with pytest.raises(ConfigError, match=r"split\.folds: 't' has too few distinct values .* for 5 folds; lower it"):
        make_plan(by_time(tmp_path, folds=5))


def test_a_target_encoded_column_has_folds_of_its_own_beside_those_by_time(tmp_path, threads):
    frame = table().assign(t=every_minute(), c=np.random.default_rng(2).choice(list("abc"), ROWS))
    folder = write_parquet(frame, tmp_path / "data", 5)
    sections = {
        "split": {"by": "time", "column": "t", "folds": 3},
        "features": {"columns": {"c": {"encode": "target"}}},
    }
    outcome = execute(threads, make_config(folder, **merge_sections(FAST, sections)))
    assert all(fold["roc_auc"] > 0.6 for fold in outcome.folds)


def test_a_model_of_few_groups_is_evaluated_on_the_rows_that_its_run_tested(tmp_path, threads):
    folder = write_parquet(table().assign(who=np.repeat(np.arange(10), 400)), tmp_path / "data", 2)
    config = by_group(folder)
    outcome = execute(threads, config)
    assert outcome.plan.split_revision
    plan = make_plan(config, TrainedModel.of(outcome.model))
    evaluation = evaluate_saved_model(plan, threads, Monitor(), outcome.model)
    assert evaluation.ledger.test == outcome.ledger.test
    assert evaluation.results.metrics["roc_auc"] == pytest.approx(outcome.metrics["roc_auc"])


def test_the_seed_for_few_groups_leaves_rows_to_validate_by(tmp_path, threads):
    folder = write_parquet(table().assign(who=np.repeat(np.arange(10), 400)), tmp_path / "data", 2)
    sections = {"split": {"by": "group", "column": "who"}, "train": {"early_stopping": "validation", "epochs": 2}}
    for seed in range(4):
        config = make_config(folder, **merge_sections(FAST, merge_sections(sections, {"train": {"seed": seed}})))
        ledger = execute(threads, config).ledger
        assert ledger.validation >= 400
        assert ledger.test == 800
