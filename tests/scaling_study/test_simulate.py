import time
from dataclasses import replace

import numpy as np
import pytest
from distributed import get_task_stream
from distributed.diagnostics.plugin import SchedulerPlugin
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.batch_schedule import WINDOW_SIZE
from pipeline.monitoring.progress import Monitor
from pipeline.monitoring.task_timing import task_kind
from pipeline.planning.planner import make_plan
from pipeline.scaling_study.costs import Observation, match_records
from pipeline.scaling_study.graph import Graph, Shape, build
from pipeline.scaling_study.graph_recorder import GraphRecorder
from pipeline.scaling_study.measurement import shape_of
from pipeline.scaling_study.simulate import simulate
from pipeline.scaling_study.task_kinds import CLIENT, KIND, KINDS, PICK, READ
from pipeline.training.run_stages import run_stages
from tests.builders import make_config, make_table, merge_sections, write_parquet
from tests.scaling_study.builders import costs


def inputs_of(graph: Graph, task: int) -> list[int]:
    return graph.inputs[graph.first[task] : graph.first[task + 1]].tolist()


# --- the graph is that of the flow ---


class Edges(SchedulerPlugin):
    """What the scheduler knows of every task: the tasks that it needs."""

    name = "edges"

    def __init__(self, scheduler):
        self.scheduler, self.needs = scheduler, {}

    def transition(self, key, start, finish, *args, **kwargs):
        if finish == "memory" and key in self.scheduler.tasks:
            self.needs[key] = {need.key for need in self.scheduler.tasks[key].dependencies}


def observed(session, config, monitor=None):
    plan = make_plan(config)
    begin = time.time()
    with get_task_stream(session.client) as stream:  # by position: by time, it may miss a task that ends at once
        outcome = run_stages(plan, session, monitor or Monitor(quiet=True))
    records = stream.data
    shape = shape_of(plan, outcome.training.epochs, outcome.kept_in_memory, session.threads)
    return Observation(shape, session.workers, begin, time.time(), records)


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("changes", "window", "most"),
    [
        ({"train": {"lanes": 3, "round_batches": 4, "epochs": 2}, "aggregate": {"fan_in": 2}}, WINDOW_SIZE, 2),
        ({"train": {"lanes": 1, "round_batches": 20}, "data": {"keep": "reread"}}, WINDOW_SIZE, 4),
        (
            {"train": {"lanes": 8, "round_batches": 5}, "split": {"by": "batch"}, "evaluate": {"importance_rows": 0}},
            WINDOW_SIZE,
            3,
        ),
        ({"train": {"lanes": 2, "round_batches": 8}, "aggregate": {"fan_in": 3}}, 4, 1),
        ({"train": {"lanes": 2, "round_batches": 3}, "data": {"keep": "reread"}}, 13, 2),
        ({"train": {"lanes": 2}, "data": {"keep": "reread", "batch_rows": "file"}}, 65, 8),
        ({"train": {"lanes": 2}, "data": {"batch_rows": "file"}}, 65, 1),
        ({"train": {"lanes": 2, "round_batches": 3}, "split": {"by": "batch"}, "aggregate": {"fan_in": 3}}, 6, 1),
        ({"train": {"lanes": 2, "round_batches": 3}, "split": {"by": "batch"}, "aggregate": {"fan_in": 3}}, 13, 3),
        ({"train": {"lanes": 2}, "data": {"batch_rows": 50}}, WINDOW_SIZE, 1),
        ({"train": {"lanes": 2}, "data": {"batch_rows": 10, "keep": "reread"}}, 50, 1),
        ({"train": {"lanes": 2}, "data": {"batch_rows": "file"}}, 130, 4),
        ({"train": {"lanes": 2}, "data": {"batch_rows": "file", "keep": "reread"}, "split": {"by": "batch"}}, 130, 4),
        ({"train": {"lanes": 2, "epochs": 2}, "data": {"batch_rows": "file"}}, 130, 4),
    ],
)
def test_the_graph_has_the_tasks_and_the_edges_of_a_real_run(session, tmp_path, monkeypatch, changes, window, most):
    monkeypatch.setattr("pipeline.engine.batch_schedule.WINDOW_SIZE", window)
    if window == 130:
        monkeypatch.setattr("pipeline.engine.batch_schedule.PARTS_PER_THREAD", 12)
    folder = write_parquet(make_table(1_300), tmp_path / "data", 130 if window in (65, 130) else 13)
    base = {"data": {"batch_rows": 100}, "evaluate": {"bootstrap": 50}}
    config = make_config(folder, **merge_sections(base, changes))
    edges = Edges(session.client.cluster.scheduler)
    session.client.cluster.scheduler.add_plugin(edges)
    try:
        run = observed(session, config)
    finally:
        session.client.cluster.scheduler.remove_plugin(edges.name)
    graph = build(run.shape)
    parts = graph.parts[graph.kind == KIND["statistics"]]
    assert parts.max() == most
    ours = [r["key"] for r in run.records if task_kind(r["key"]) in KINDS and "-" in str(r["key"])]
    counted = {int(k.split("-", 3)[2]): k for k in ours if isinstance(k, str) and task_kind(k) not in ("read", "pick")}
    tasks = graph.submitted
    assert len(counted) == len(tasks)
    assert [task_kind(counted[i]) for i in range(len(tasks))] == [KINDS[graph.kind[task]] for task in tasks]
    number = {key: tasks[i] for i, key in counted.items()}
    for key, task in number.items():
        needs = {number[need] for need in edges.needs[key] if need in number}
        expected = {i for i in inputs_of(graph, task) if graph.kind[i] not in (READ, PICK)}
        batches = {i for i in inputs_of(graph, task) if graph.kind[i] in (READ, PICK)}
        assert needs == expected, key
        assert len(edges.needs[key]) - len(needs) == len(batches), key
    read = sum(task_kind(r["key"]) == "read" for r in run.records)
    assert read == (graph.kind == READ).sum()
    assert match_records(graph, run.records) is not None
    assert match_records(build(replace(run.shape, batches=2 * run.shape.batches)), run.records) is None, "another run's"


@given(
    st.builds(
        Shape,
        batches=st.integers(1, 60),
        rows=st.just(10),
        lanes=st.integers(1, 9),
        round_batches=st.integers(1, 40),
        epochs=st.integers(1, 3),
        fan_in=st.integers(2, 9),
        span=st.integers(1, 5),
        importance=st.integers(0, 3),
        keep=st.booleans(),
        threads=st.integers(1, 4),
        joined_rows=st.integers(5, 15),
    )
)
def test_a_graph_goes_forward_and_accounts_for_every_row_in_each_stage(shape):
    graph = build(shape)
    for task in range(len(graph)):
        assert all(needed < task for needed in inputs_of(graph, task))
    for kind in ("statistics", "evaluate"):
        assert graph.size[graph.kind == KIND[kind]].sum() == shape.total_rows
    assert graph.size[graph.kind == KIND["train"]].sum() == shape.total_rows * shape.epochs
    if shape.keep:
        assert graph.size[graph.kind == READ].sum() == shape.total_rows


@pytest.mark.parametrize("window", [3, WINDOW_SIZE])
@pytest.mark.parametrize(
    "shape",
    [
        Shape(61, 10, lanes=3, round_batches=7, epochs=2, fan_in=3, span=4, importance=2),
        Shape(40, 10, lanes=2, round_batches=9, keep=False, train_only=30, test_only=10, joined_rows=10),
        Shape(9, 10, round_batches=2, threads=9),
    ],
)
def test_repeating_what_was_recorded_is_recording_it_again(monkeypatch, shape, window):
    monkeypatch.setattr("pipeline.engine.batch_schedule.WINDOW_SIZE", window)
    repeated, repeat = build(shape), GraphRecorder.repeat

    def record_again(self, key, outside, record):
        return repeat(self, (key, len(self._templates)), outside, record)

    monkeypatch.setattr(GraphRecorder, "repeat", record_again)
    recorded = build(shape)
    for column in ("kind", "size", "parts", "first", "inputs"):
        assert np.array_equal(getattr(repeated, column), getattr(recorded, column)), column


def test_a_shape_without_batches_is_refused():
    with pytest.raises(ValueError, match="nothing may be less than 1"):
        build(Shape(0, 10))


# --- the simulator ---


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 8))
def test_no_more_workers_than_there_are_and_every_task_after_its_inputs(batches, workers, lanes):
    graph = build(Shape(batches, 10, lanes=lanes, round_batches=8, threads=workers, joined_rows=batches % 3 * 10))
    some = costs(0.001, 0.0002, 0.0005, 0.002, 1e-4, read=0.03, statistics=0.004, train=0.01, evaluate=0.02, learn=0.1)
    run = simulate(graph, some, workers)
    for task in range(len(graph)):
        assert all(run.begin[task] >= run.end[needed] - 1e-12 for needed in inputs_of(graph, task))
    ours = graph.kind < CLIENT
    assert run.worker[ours].min() >= 0
    assert run.worker.max() < workers
    for worker in range(workers):
        mine = np.flatnonzero(ours & (run.worker == worker))
        order = mine[np.argsort(run.begin[mine], kind="stable")]
        assert (run.begin[order][1:] >= run.end[order][:-1] - 1e-12).all()
    again = simulate(graph, some, workers)
    assert np.array_equal(run.end, again.end)


def test_one_worker_takes_the_sum_of_all_tasks_and_what_the_client_does():
    graph = build(Shape(50, 10, lanes=2, round_batches=10))
    some = costs(read=0.03, statistics=0.004, train=0.01, evaluate=0.02, learn=0.5, round=0.1, end=1.0)
    assert simulate(graph, some, 1).seconds == pytest.approx(some.seconds(graph).sum())


def test_maps_are_shared_out_and_a_chain_is_not():
    graph = build(Shape(64, 10, lanes=1, round_batches=64))
    assert simulate(graph, costs(read=1.0), 8).seconds == pytest.approx(8.0)
    assert simulate(graph, costs(train=0.125), 8).seconds == pytest.approx(8.0), "eight segments, one after the other"
    lanes = build(Shape(64, 10, lanes=8, round_batches=64))
    assert simulate(lanes, costs(train=0.125), 8).seconds == pytest.approx(1.0)
    assert simulate(lanes, costs(train=0.125), 4).seconds == pytest.approx(2.0)


def test_the_scheduler_and_the_client_bound_what_any_number_of_workers_can_do():
    graph = build(Shape(200, 10, round_batches=200))
    tasks = (graph.kind < CLIENT).sum()
    assert simulate(graph, costs(scheduler=0.01), 500).seconds >= 0.01 * 0.9 * tasks
    assert simulate(graph, costs(submit=0.01), 500).seconds >= 0.01 * 0.9 * tasks


def test_results_of_other_workers_are_fetched():
    graph = build(Shape(16, 10, lanes=1, round_batches=16))
    near, far = (simulate(graph, costs(read=1.0, train=0.1, fetch=fetch), 4).seconds for fetch in (0.0, 0.5))
    assert far > near + 0.5
    assert simulate(graph, costs(read=1.0, train=0.1, fetch=0.5), 1).seconds == pytest.approx(17.6)


def test_the_path_of_a_simulation_explains_its_length():
    graph = build(Shape(40, 10, lanes=4, round_batches=8))
    run = simulate(graph, costs(read=0.03, statistics=0.004, train=0.01, evaluate=0.02, learn=0.1), 3)
    found = run.path()
    assert graph.kind[found[0]] == KIND["begin"]
    assert sum(run.end[task] - run.begin[task] for task in found) == pytest.approx(run.seconds)


def test_graph_of_a_million_batches_on_a_thousand_workers():
    graph = build(Shape(100_000, 10, lanes=32))
    run = simulate(graph, costs(1e-3, 1e-4, 1e-3, 1e-3, 1e-4, read=0.03, evaluate=0.02), 1_000)
    assert run.seconds > 1e-4 * len(graph)


def test_no_worker_is_refused():
    with pytest.raises(ValueError, match="one at least"):
        simulate(build(Shape(2, 2)), costs(), 0)
