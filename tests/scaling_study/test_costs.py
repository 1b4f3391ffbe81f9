import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.cluster.probe import Probe
from pipeline.scaling_study.costs import Observation, calibrate
from pipeline.scaling_study.forecast import Forecast
from pipeline.scaling_study.graph import Shape, build
from pipeline.scaling_study.simulate import TaskCosts, simulate
from pipeline.scaling_study.task_kinds import CLIENT, KIND, KINDS
from tests.scaling_study.builders import costs


@given(st.integers(2, 30), st.integers(1, 4), st.integers(1, 4))
def test_costs_are_recovered_from_the_records_of_a_simulated_run(batches, workers, lanes):
    shape = Shape(batches, 1_000, lanes=lanes, round_batches=8, threads=workers)
    graph = build(shape)
    fixed = costs(read=0.03, statistics=0.004, evaluate=0.02, learn=0.1).fixed
    by_row = np.zeros(len(KINDS))
    by_row[KIND["train"]] = 1e-5
    true = TaskCosts(fixed, by_row, np.zeros(len(KINDS)), np.zeros(len(KINDS)), 0.0, 0.0, 0.0)
    run = simulate(graph, true, workers)
    count, records = {task: i for i, task in enumerate(graph.submitted)}, []
    for task in np.flatnonzero(graph.kind < CLIENT):
        name = KINDS[graph.kind[task]]
        head, _, rest = name.partition("-")
        key = f"{head}-0a1b2c3d-{count.get(task, 0)}-{rest}-0"
        part = {"action": "compute", "start": run.begin[task], "stop": run.end[task]}
        worker = str(run.worker[task])
        records.append(
            {"key": (key, 0) if name == "read" else key, "worker": worker, "thread": 1, "startstops": [part]}
        )
    observed = Observation(shape, workers, 0.0, run.seconds, records)
    calibrated = calibrate([observed], Probe(0.0, 0.0, 0.0))
    assert calibrated is not None
    assert calibrated.by_row[KIND["train"]] * 1_000 + calibrated.fixed[KIND["train"]] == pytest.approx(0.01, rel=1e-3)
    on_workers = graph.kind < CLIENT
    assert calibrated.seconds(graph)[on_workers] == pytest.approx(true.seconds(graph)[on_workers], rel=1e-3, abs=1e-9)
    # Rounding decides which of two workers, free at the same time, gets a batch.
    assert simulate(graph, calibrated, workers).seconds == pytest.approx(run.seconds, rel=0.02, abs=0.06)
    check = Forecast({workers: calibrated}).check([observed])
    assert check[0]["forecast"] == pytest.approx(check[0]["measured"], rel=0.02, abs=0.06)
