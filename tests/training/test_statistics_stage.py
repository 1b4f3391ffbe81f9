"""The statistics stage: which rows train, test and are rejected, counted in the ledger."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from pipeline.preparation.split import TEST, SplitSpec, assign_roles
from tests.builders import execute, make_table, make_table_config, write_parquet

pytestmark = pytest.mark.cluster


def test_split_by_batch_and_by_group(session, folder, frame):
    by_batch = execute(session, make_table_config(folder, split={"by": "batch", "test": 0.5}))
    assert by_batch.ledger.test == 1_000
    by_group = execute(session, make_table_config(folder, split={"by": "group", "column": "n"}))
    test = assign_roles(frame, SplitSpec(("n",), 0.2, 0), "y").role == TEST
    assert by_group.ledger.test == test.sum()
    assert not set(frame["n"][test]) & set(frame["n"][~test])


def test_split_by_time_tests_the_later_rows(session, folder, frame):
    split = {"by": "time", "column": "t", "after": "2026-03-01"}
    outcome = execute(session, make_table_config(folder, split=split))
    assert outcome.ledger.test == (frame["t"] >= "2026-03-01").sum()
    assert outcome.ledger.train == (frame["t"] < "2026-03-01").sum()
    tests = frame[frame["t"] >= "2026-03-01"]
    figure = sk.roc_auc_score(tests["y"], outcome.model.predict_proba(tests)[:, 1])
    assert outcome.metrics["roc_auc"] == pytest.approx(figure, rel=1e-9)


def test_split_by_time_without_a_date_takes_the_boundary_from_footers(session, tmp_path, frame):
    frame = frame.assign(t=lambda f: f["t"].mask(f.index == 5))
    in_order = write_parquet(frame.sort_values("t"), tmp_path / "sorted", 10)
    outcome = execute(session, make_table_config(in_order, split={"by": "time", "column": "t", "test": 0.25}))
    assert abs(outcome.ledger.test / 2_000 - 0.25) < 0.03
    assert outcome.ledger.reasons == {"time of the split missing": 1}


def test_ledger_counts_rejected_and_filtered_rows(session, tmp_path):
    frame = make_table(600)
    frame["amount"] = frame["amount"].mask(frame.index % 10 == 0).mask(frame.index % 10 == 1, np.inf)
    folder = write_parquet(frame, tmp_path / "d", 3)
    outcome = execute(session, make_table_config(folder, "amount", prepare={"function": "tests.user_code:keep_small"}))
    kept = frame[frame["n"] < 40]
    assert outcome.ledger.read == 600
    assert outcome.ledger.reasons == {
        "label missing": int(kept["amount"].isna().sum()),
        "label not finite": int(np.isinf(kept["amount"]).sum()),
        "dropped by prepare.function": 600 - len(kept),
    }


def test_ledger_rejects_test_rows_of_a_class_without_training_rows(session, tmp_path):
    write_parquet(make_table(300), tmp_path / "train", 1)
    write_parquet(make_table(100, seed=1).assign(y=lambda f: f["y"].mask(f.index < 7, 5)), tmp_path / "test", 1)
    outcome = execute(session, make_table_config(tmp_path / "train", split={"path": str(tmp_path / "test")}))
    assert outcome.ledger.reasons == {"label not seen in training": 7}
    assert outcome.ledger.test == 93


def test_ledger_counts_rows_dropped_by_preparation(session, folder, frame, tmp_path):
    pd.DataFrame({"c": ["red", "green"], "k": [1.0, 2.0]}).to_parquet(tmp_path / "colours.parquet")
    settings = make_table_config(
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
        "small": (~(2 * kept["x"] < 20)).sum(),
    }
    assert outcome.unmatched == {"colours.parquet": outcome.ledger.reasons["no match in colours.parquet"]}
    assert outcome.ledger.read == 2_000
