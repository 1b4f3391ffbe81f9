"""A whole run on two worker processes: the same bits however it is read, kept and spread."""

import pytest
from distributed import Client, LocalCluster

from pipeline.engine.cluster.session import Session
from pipeline.errors import DataError
from pipeline.models.persistence import fingerprint
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.training.run_stages import run_stages
from tests.builders import execute, make_table, make_table_config, write_parquet

pytestmark = pytest.mark.cluster


def test_model_is_the_same_kept_or_read_again_with_small_or_large_rounds(session, folder):
    settings = {"epochs": 3}
    kept = execute(session, make_table_config(folder, data={"keep": "memory"}, train=settings))
    again = execute(session, make_table_config(folder, data={"keep": "reread"}, train=settings))
    rounds = execute(session, make_table_config(folder, train={**settings, "round_batches": 1}))
    assert kept.kept_in_memory is True
    assert again.kept_in_memory is False
    assert fingerprint(kept.model) == fingerprint(again.model) == fingerprint(rounds.model)
    assert kept.metrics == again.metrics == rounds.metrics


@pytest.mark.parametrize("lanes", [1, 3])
def test_lanes_give_the_same_bits_kept_or_read_again(session, folder, lanes):
    settings = {"epochs": 2, "lanes": lanes, "round_batches": 3}
    kept, again = (
        execute(session, make_table_config(folder, data={"keep": k}, train=settings)) for k in ("memory", "reread")
    )
    assert fingerprint(kept.model) == fingerprint(again.model)
    assert kept.training.progressive == again.training.progressive


def test_fan_in_changes_no_count_and_hardly_a_figure(session, folder):
    two, eight = (execute(session, make_table_config(folder, aggregate={"fan_in": n})) for n in (2, 8))
    assert two.ledger == eight.ledger
    assert two.metrics == pytest.approx(eight.metrics, rel=1e-4)


@pytest.mark.parametrize("lanes", [1, 3])
def test_bits_are_the_same_on_any_cluster(session, folder, lanes):
    """Workers, threads, and late or shuffled arrivals decide nothing."""
    rounds = {"lanes": lanes, "epochs": 2, "round_batches": 7}
    settings = make_table_config(folder, data={"batch_rows": 100}, train=rounds, evaluate={"slices": ["c", ["c", "n"]]})
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
        assert outcome.results == expected.results
        assert outcome.training.progressive == expected.training.progressive


def fingerprint_of(session, path, **sections) -> tuple[str, dict[str, float]]:
    outcome = execute(session, make_table_config(path, data={"batch_rows": "auto"}, **sections))
    return fingerprint(outcome.model), outcome.metrics


def test_tiny_files_one_file_and_row_groups_give_the_same_bits(session, tmp_path):
    frame = make_table(60_000)
    tiny, one = write_parquet(frame, tmp_path / "tiny", 1_000), write_parquet(frame, tmp_path / "one", 1)
    (tmp_path / "groups").mkdir()
    frame.to_parquet(tmp_path / "groups" / "a.parquet", index=False, row_group_size=30_000)
    found = [fingerprint_of(session, path, train={"lanes": 2}) for path in (tiny, one, tmp_path / "groups")]
    assert found[0] == found[1] == found[2]


def test_large_row_group_read_again_gives_the_same_bits(session, tmp_path):
    write_parquet(make_table(60_000), tmp_path / "one", 1)
    found = [
        fingerprint(
            execute(session, make_table_config(tmp_path / "one", data={"batch_rows": 7_000, "keep": keep})).model
        )
        for keep in ("memory", "reread")
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("values", "classes"), [(["no", "yes"], ["no", "yes"]), ([False, True], [False, True]), ([3, 9], [3, 9])]
)
def test_labels_of_any_type_are_predicted_as_they_were(session, tmp_path, values, classes):
    frame = make_table(400)
    folder = write_parquet(frame.assign(y=[values[v] for v in frame["y"]]), tmp_path / "d", 2)
    outcome = execute(session, make_table_config(folder))
    assert outcome.model.named_steps["model"].classes_.tolist() == classes
    assert set(outcome.model.predict(frame).tolist()) <= set(classes)


def test_file_that_breaks_during_the_run_is_named(session, folder):
    path = folder / "part-002.parquet"
    content = bytearray(path.read_bytes())
    content[4:4000] = bytes(3996)
    path.write_bytes(content)
    plan = make_plan(make_table_config(folder))
    with pytest.raises(DataError, match=r"part-002\.parquet.*cannot be decoded"):
        run_stages(plan, session, Monitor(quiet=True))
