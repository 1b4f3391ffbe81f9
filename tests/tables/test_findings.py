"""Whole runs on tables with something wrong: what a run says of them, and what it does not say of ordinary ones."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.data_quality.finding import to_notices
from pipeline.errors import ConfigError
from pipeline.planning.description import describe_plan
from pipeline.planning.planner import make_plan
from tests.builders import execute, make_config, write_parquet

QUICK = {"evaluate": {"bootstrap": 0, "importance_rows": 0}}


def base(rows: int, seed: int = 0) -> pd.DataFrame:
    """Two numbers, a category, and a label that depends on them."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"x1": rng.normal(size=rows), "x2": rng.normal(3, 2, rows), "c": rng.choice(list("abcde"), rows)}
    )
    margin = 1.2 * frame["x1"] - 0.5 * (frame["x2"] - 3) + 0.5 * (frame["c"] == "e")
    return frame.assign(y=(rng.random(rows) < 1 / (1 + np.exp(-margin))).astype(int))


def told(session, frame, folder, files=2, label="y", **sections):
    """The notices of a run, one text each."""
    write_parquet(frame, folder / "data", files)
    config = make_config(folder / "data", label, **(QUICK | sections))
    return [str(notice) for notice in execute(session, config).notices]


def planned(frame, folder, **sections):
    """The notices of the plan alone."""
    write_parquet(frame, folder / "data", 2)
    plan = make_plan(make_config(folder / "data", **sections))
    return [str(notice) for notice in (*plan.notices, *to_notices(plan.findings))]


@pytest.mark.cluster
def test_an_ordinary_table_has_nothing_to_tell(session, tmp_path):
    rng = np.random.default_rng(1)
    frame = base(3_000).assign(
        income=rng.lognormal(10, 1, 3_000).round(2),
        age=rng.integers(18, 90, 3_000),
        town=rng.choice([f"town {i}" for i in range(400)], 3_000),
        born=pd.Timestamp("1960-01-01") + pd.to_timedelta(rng.integers(0, 20_000, 3_000), unit="D"),
        height=rng.normal(170, 10, 3_000),
        weight=rng.normal(70, 10, 3_000).clip(40),
    )
    assert told(session, frame, tmp_path) == []


@pytest.mark.cluster
def test_a_leak_of_a_rare_class_is_seen_though_a_guess_gains_no_accuracy(session, tmp_path):
    frame = base(6_000)
    rng = np.random.default_rng(2)
    frame["y"] = (rng.random(6_000) < 0.045).astype(int)
    # Of no value the rare class is much more than half of the rows.
    others = rng.choice([0, 1, 2, 3, 4], 6_000, p=[0.3, 0.3, 0.2, 0.17, 0.03])
    frame["severity"] = np.where(frame["y"] == 1, 4, others)
    shares = frame.groupby("severity")["y"].mean()
    assert shares.max() < 0.65
    assert roc_auc_score(frame["y"], frame["severity"].map(shares)) > 0.98
    frame["after"] = np.where(frame["y"] == 1, rng.normal(9, 1, 6_000), rng.normal(0, 1, 6_000))
    notices = told(session, frame, tmp_path)
    leaks = [notice for notice in notices if "almost perfectly" in notice]
    assert any("'after'" in leak and "features.exclude" in leak for leak in leaks)
    assert any("'severity'" in leak for leak in leaks)


@pytest.mark.cluster
def test_a_value_that_only_positives_have_is_a_leak_though_few_have_it(session, tmp_path):
    rng = np.random.default_rng(3)
    frame = base(6_000)
    known = (frame["y"] == 1) & (rng.random(6_000) < 0.2)
    frame["boat"] = np.where(known, rng.choice(list("ABC"), 6_000), None)
    frame["paid"] = np.where(known, rng.normal(size=6_000), np.nan)
    frame["note"] = np.where(rng.random(6_000) < 0.2, "seen", None)  # missing by chance
    notices = told(session, frame, tmp_path)
    assert [n.partition(":")[0] for n in notices if "alone" in n] == ["column 'paid'", "column 'boat'"]
    assert not any("'note'" in n for n in notices)


@pytest.mark.cluster
def test_a_number_to_predict_has_leaks_too(session, tmp_path):
    frame = base(3_000).drop(columns="y")
    frame["y"] = 1000 * frame["x1"] + 37.5
    frame["taxed"] = frame["y"] * 1.19
    notices = told(session, frame, tmp_path)
    assert any("'taxed'" in n and "of the variance" in n for n in notices)


@pytest.mark.cluster
def test_identifiers_are_seen_as_text_and_as_number_and_repeated_ones_suggest_a_split_by_group(session, tmp_path):
    rng = np.random.default_rng(4)
    rows = 6_000
    frame = base(rows).assign(
        row=np.arange(rows),
        ticket=rng.integers(0, 10**12, rows),
        code=[f"k{i:06d}" for i in rng.permutation(rows)],
        customer_id=rng.integers(0, 900, rows),
        patient=[f"p{i}" for i in rng.integers(0, 1_500, rows)],
        cents=(rng.lognormal(7, 0.5, rows)).round(),
    )
    plan = planned(frame, tmp_path / "plan")
    assert any("'row'" in n and "identifier" in n for n in plan)
    notices = told(session, frame, tmp_path)
    unique = next(n for n in notices if "occurs twice" in n)
    assert all(name in unique for name in ("'row'", "'ticket'", "'code'"))
    repeated = [n for n in notices if 'split.by = "group"' in n and "repeats" in n]
    assert [name for n in repeated for name in ("customer_id", "patient") if f"'{name}'" in n] == [
        "customer_id",
        "patient",
    ]
    assert f"{frame['customer_id'].nunique():,} values" in repeated[0]
    assert not any("cents" in n for n in notices)
    again = told(
        session,
        frame[[*"xyc"[1:], "customer_id", "x1"]],
        tmp_path / "group",
        split={"by": "group", "column": "customer_id"},
    )
    assert again == []


@pytest.mark.cluster
def test_a_weight_is_told_as_a_weight_and_as_the_leak_that_it_is(session, tmp_path):
    rng = np.random.default_rng(5)
    frame = base(5_000)
    frame = frame[(frame["y"] == 1) | (rng.random(5_000) < 0.2)]
    frame["Sample_Weight"] = np.where(frame["y"] == 1, 1.0, 5.0)
    assert any("Sample_Weight" in n and "features.exclude" in n for n in planned(frame, tmp_path / "plan"))
    notices = [n for n in told(session, frame, tmp_path) if "Sample_Weight" in n]
    assert any("weights of rows are not supported" in n for n in notices)
    assert any("predicts the label" in n for n in notices)
    assert told(session, frame, tmp_path / "out", features={"exclude": ["Sample_Weight"]}) == []


@pytest.mark.cluster
def test_codes_constants_tails_and_many_categories_are_told_with_their_keys(session, tmp_path):
    rng = np.random.default_rng(6)
    rows = 20_000
    frame = base(rows).assign(
        branch_cd=rng.integers(100, 140, rows),
        one="same",
        nothing=np.nan,
        amount=np.where(np.arange(rows) % 3_331 == 5, 1e7, rng.exponential(10, rows)),
        sku=[f"s{i}" for i in (rng.pareto(0.4, rows) * 50).astype("int64") % 10_000],
        quantity=rng.integers(100, 10_000, rows).astype(str),
    )
    notices = "\n".join(told(session, frame, tmp_path))
    assert "column 'branch_cd': is a number of 40 values" in notices
    assert 'features.columns.branch_cd.encode = "onehot"' in notices
    assert "column 'one': constant" in notices
    assert "column 'nothing': no value at all" in notices
    for text in ("column 'amount'", "log1p", "column 'sku'", "features.hash_above"):
        assert text in notices
    assert "column 'quantity': has numbers as text" in notices
    answers = {
        "columns": {"branch_cd": {"encode": "onehot"}, "amount": {"log1p": True}, "sku": {"hash_above": 500}},
        "exclude": ["one", "nothing", "quantity"],
    }
    assert told(session, frame, tmp_path / "answered", features=answers) == []


@pytest.mark.cluster
@pytest.mark.parametrize("label", ["y", "amount"])
def test_a_label_that_sorts_the_files_is_told_and_shuffled_files_are_not(session, tmp_path, label):
    frame = base(3_000).assign(amount=lambda rows: rows["x1"] * 3 + np.random.default_rng(9).normal(size=3_000))
    frame = frame[["x1", "x2", "c", label]]
    batches = {"data": {"batch_rows": "file"}}
    assert told(session, frame, tmp_path / "shuffled", 5, label, **batches) == []
    notices = told(session, frame.sort_values(label), tmp_path, 5, label, **batches)
    assert [n.partition(": the files are sorted by it")[0] for n in notices] == [f"label {label!r}"]


@pytest.mark.cluster
def test_a_number_of_the_row_as_label_is_told_and_an_amount_is_not(session, tmp_path):
    frame, rng = base(4_000), np.random.default_rng(1)
    labels = {
        "number": rng.permutation(4_000) + 70_000,
        "customer_id": rng.choice(10**9, 4_000, replace=False),
        "amount": rng.integers(0, 6_000, 4_000),
        "large": rng.choice(10**9, 4_000, replace=False),
        "exact": rng.permutation(4_000) + 0.5,
    }
    seen = {
        name: any(
            "an identifier?" in line
            for line in told(session, frame.assign(y=values).rename(columns={"y": name}), tmp_path / name, label=name)
            if line.startswith("label")
        )
        for name, values in labels.items()
    }
    assert seen == {"number": True, "customer_id": True, "amount": False, "large": False, "exact": False}


def test_thousands_of_bad_columns_share_a_line(session, tmp_path):
    empty = pd.DataFrame(np.nan, index=range(500), columns=[f"empty{i}" for i in range(300)])
    frame = pd.concat([base(500), empty], axis=1)
    notices = told(session, frame, tmp_path)
    assert len(notices) == 1
    assert "'empty4' and 295 more: have no value at all; exclude them" in notices[0]


def test_the_plan_prints_what_first_rows_tell(tmp_path):
    frame = base(400).assign(when=pd.date_range("2024-01-01", periods=400).strftime("%Y-%m-%d"))
    write_parquet(frame, tmp_path / "data", 2)
    lines = describe_plan(make_plan(make_config(tmp_path / "data")))
    assert sum(line.startswith("notice      column 'when': has dates as text") for line in lines) == 1
    json.dumps(lines)


def test_dates_that_can_be_read_two_ways_are_offered_with_both(tmp_path):
    days = pd.Series(pd.date_range("2024-01-01", "2024-12-31")).loc[lambda d: d.dt.day <= 12]
    frame = base(400).assign(when=np.resize(days.dt.strftime("%d/%m/%Y"), 400))
    (notice,) = planned(frame, tmp_path)
    assert '"%d/%m/%Y" or "%m/%d/%Y"' in notice
    with pytest.raises(ConfigError, match=r"features.columns.when.format") as refused:
        planned(frame, tmp_path / "named", features={"datetime": ["when"]})
    assert "01 January 2024" not in str(refused.value)
