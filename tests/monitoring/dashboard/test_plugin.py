import pytest

from pipeline.engine.event_forwarding import forward_events
from pipeline.monitoring.dashboard.plugin import MAX_RUNS, NAME, DashboardPlugin
from pipeline.monitoring.events import Events
from tests.monitoring.dashboard.conftest import wait_for_state


def test_oldest_run_is_dropped_when_there_are_too_many():
    plugin = DashboardPlugin()
    for i in range(MAX_RUNS + 1):
        plugin.state(str(i))
    assert list(plugin.runs) == [str(i) for i in range(1, MAX_RUNS + 1)]


@pytest.mark.cluster
def test_state_of_a_finished_run_has_the_figures_of_its_outcome(cluster, finished_run):
    run, outcome = finished_run
    state = wait_for_state(cluster, run)
    assert (state.status, state.metrics) == ("finished", outcome.metrics)
    done = [(name, stage.done) for name, stage in state.stages.items()]
    assert done == [("statistics", 4), ("train", 4), ("evaluate", 4)]
    assert state.curve == outcome.training.progressive
    assert sum(worker.rows["statistics"] for worker in state.workers.values()) == 2_000
    assert sum(worker.batches["train"] for worker in state.workers.values()) == 4
    assert sum(worker.batches["evaluate"] for worker in state.workers.values()) == 4
    assert state.rejected == outcome.ledger.reasons
    assert state.retries == 0
    assert wait_for_state(cluster, run, lambda state: state.kept == 0).kept == 0, "all batches were released"


@pytest.mark.cluster
def test_plugin_registered_again_keeps_the_runs(cluster, finished_run):
    run, _ = finished_run
    with forward_events(cluster.client, Events()):
        assert run in cluster.client.cluster.scheduler.plugins[NAME].runs
