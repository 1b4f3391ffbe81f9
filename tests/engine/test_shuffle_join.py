"""A join of two large tables equals pandas' merge, is counted, and leaves no files."""

import numpy as np
import pandas as pd
import pytest

from pipeline.commands.check import check
from pipeline.commands.evaluate import evaluate
from pipeline.commands.run import run
from pipeline.engine.shuffle_join import shuffle_large_joins
from pipeline.errors import DataError
from pipeline.models.persistence import fingerprint
from pipeline.monitoring.progress import Monitor
from pipeline.planning.description import describe_plan
from pipeline.planning.planner import make_plan
from pipeline.training.run_stages import run_stages
from tests.builders import make_config, make_table, write_config, write_parquet

pytestmark = pytest.mark.cluster


@pytest.fixture
def tables(tmp_path):
    frame = make_table(3_000).assign(key=lambda f: (np.arange(len(f)) * 7919) % 2_500)
    frame.loc[5, "key"] = 10**6
    users = pd.DataFrame(
        {"key": np.arange(2_000), "age": np.arange(2_000) % 80, "town": [f"t{i % 9}" for i in range(2_000)]}
    )
    write_parquet(frame, tmp_path / "data", 5)
    write_parquet(users, tmp_path / "users", 3)
    return frame, users, tmp_path


def make_join_config(folder, data="data", split=None, **join):
    join = {"path": str(folder / "users"), "on": ["key"], "columns": ["age", "town"], "large": True, **join}
    features = {"numeric": ["x", "age"], "categorical": ["town"]}
    data_keys = {"batch_rows": "file", "join": [join]}
    return make_config(folder / data, data=data_keys, features=features, split=split or {})


def test_large_join_equals_pandas_merge(session, tables):
    frame, users, folder = tables
    plan = make_plan(make_join_config(folder))
    assert any(line.startswith("shuffle") for line in describe_plan(plan))
    with shuffle_large_joins(session.client, plan, folder / "run") as joined_plan:
        joined = pd.read_parquet(joined_plan.config.data.path)
        outcome = run_stages(joined_plan, session, Monitor(quiet=True))
    assert outcome.pruned == 0
    assert sorted(p.name for p in folder.iterdir()) == ["data", "users"]
    columns = ["x", "key", "y", "age", "town"]
    assert not [name for name in joined.columns if "position" in name]
    expected = frame.merge(users, on="key", how="left")
    order = ["key", "x", "y"]
    pd.testing.assert_frame_equal(
        joined[columns].sort_values(order, ignore_index=True),
        expected[columns].sort_values(order, ignore_index=True),
        check_dtype=False,
    )
    assert outcome.unmatched == {"users": (~frame["key"].isin(users["key"])).sum()}
    assert outcome.ledger.read == 3_000


def test_inner_join_rejects_rows_without_match_and_repeats_its_bits(session, tables):
    frame, users, folder = tables
    fingerprints = []
    for _ in range(2):
        plan = make_plan(make_join_config(folder, how="inner"))
        with shuffle_large_joins(session.client, plan, folder / "run") as joined_plan:
            outcome = run_stages(joined_plan, session, Monitor(quiet=True))
        fingerprints.append(fingerprint(outcome.model))
    assert fingerprints[0] == fingerprints[1]
    assert outcome.ledger.reasons == {"no match in users": (~frame["key"].isin(users["key"])).sum()}


def test_large_join_with_a_test_set_of_its_own_joins_both_and_mixes_no_rows(session, tables):
    frame, _, folder = tables
    write_parquet(frame.iloc[:2_000], folder / "first", 3)
    write_parquet(frame.iloc[2_000:], folder / "second", 2)
    outcomes = {}
    for large in (True, False):
        plan = make_plan(make_join_config(folder, "first", {"path": str(folder / "second")}, large=large))
        with shuffle_large_joins(session.client, plan, folder / "run") as joined_plan:
            outcomes[large] = run_stages(joined_plan, session, Monitor(quiet=True))
    shuffled, held = outcomes[True], outcomes[False]
    assert (shuffled.ledger.train, shuffled.ledger.test) == (held.ledger.train, held.ledger.test) == (2_000, 1_000)
    assert shuffled.unmatched == held.unmatched
    assert shuffled.metrics["log_loss"] == pytest.approx(held.metrics["log_loss"], rel=0.02)
    assert not list(folder.glob(".joined*"))


def test_key_that_a_large_table_has_twice_is_an_error(session, tables):
    _, users, folder = tables
    write_parquet(pd.concat([users, users.tail(1)]), folder / "users", 2)
    (folder / "users" / "part-002.parquet").unlink()
    with (
        pytest.raises(DataError, match="stands there twice"),
        shuffle_large_joins(session.client, make_plan(make_join_config(folder)), folder / "run"),
    ):
        pass
    assert sorted(p.name for p in folder.iterdir()) == ["data", "users"]


def test_small_table_is_not_shuffled(session, tables):
    frame, users, folder = tables
    plan = make_plan(make_join_config(folder, large="auto"))
    assert plan.config.data.join[0].large is False
    outcome = run_stages(plan, session, Monitor(quiet=True))
    assert outcome.unmatched == {"users": (~frame["key"].isin(users["key"])).sum()}


def test_evaluate_and_check_use_the_joined_columns(session, tables):
    frame, users, folder = tables
    config = write_config(make_join_config(folder), folder / "c.toml")
    address = {"scheduler": session.scheduler}
    trained = run(config, (), address, folder / "model", monitor=Monitor(quiet=True))
    evaluated = evaluate(folder / "model", config, (), address, monitor=Monitor(quiet=True))
    assert evaluated["metrics"] == trained["metrics"]
    checked = check(config, (), address, Monitor(quiet=True))
    missing = frame.merge(users, on="key", how="left")["age"].isna().mean()
    assert checked["columns"]["age"]["missing"] == pytest.approx(missing)
    assert sorted(p.name for p in folder.iterdir()) == ["c.toml", "data", "model", "users"]
