import time
from dataclasses import replace

import numpy as np
import pytest
from distributed.diagnostics.plugin import SchedulerPlugin
from hypothesis import given
from hypothesis import strategies as st

from pipeline import config as cfg
from pipeline.engine.batch_schedule import WINDOW_SIZE
from pipeline.engine.cluster.probe import Probe
from pipeline.monitoring.progress import Monitor
from pipeline.monitoring.task_timing import kind_of
from pipeline.planning.plan import make_plan
from pipeline.scaling_study import fit
from pipeline.scaling_study.costs import Observation, calibrate, timings
from pipeline.scaling_study.critical_path import PARTS, path, short_form
from pipeline.scaling_study.forecast import Forecast, best, enough, tenfold
from pipeline.scaling_study.graph import Graph, Shape, build
from pipeline.scaling_study.graph_recorder import GraphRecorder
from pipeline.scaling_study.measurement import shape_of
from pipeline.scaling_study.simulate import Costs, simulate
from pipeline.scaling_study.task_kinds import CLIENT, KIND, KINDS, PICK, READ
from pipeline.training.job import Job
from tests.conftest import table, write


def costs(latency=0.0, scheduler=0.0, overhead=0.0, fetch=0.0, submit=0.0, **seconds):
    fixed = np.zeros(len(KINDS))
    for kind, value in seconds.items():
        fixed[KIND[kind]] = value
    fetches, submits = np.full(len(KINDS), fetch), np.full(len(KINDS), submit)
    return Costs(fixed, np.zeros(len(KINDS)), fetches, submits, overhead, scheduler, latency)


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
    client = session.client
    client.get_task_stream(start=time.time())
    begin = time.time()
    outcome = Job(plan, session, monitor or Monitor(0.0, quiet=True)).execute()
    records = client.get_task_stream(start=begin)
    shape = shape_of(plan, outcome.training.epochs, outcome.kept, session.threads)
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
    folder = write(table(1_300), tmp_path / "data", 130 if window in (65, 130) else 13)
    base = {"data": {"path": str(folder), "label": "y", "batch_rows": 100}, "evaluate": {"bootstrap": 50}}
    config = cfg.parse({**base, **{name: {**base.get(name, {}), **values} for name, values in changes.items()}})
    edges = Edges(session.client.cluster.scheduler)
    session.client.cluster.scheduler.add_plugin(edges)
    try:
        run = observed(session, config)
    finally:
        session.client.cluster.scheduler.remove_plugin(edges.name)
    graph = build(run.shape)
    parts = graph.parts[graph.kind == KIND["statistics"]]
    assert parts.max() == most
    ours = [r["key"] for r in run.records if kind_of(r["key"]) in KINDS and "-" in str(r["key"])]
    counted = {int(k.split("-", 3)[2]): k for k in ours if isinstance(k, str) and kind_of(k) not in ("read", "pick")}
    tasks = graph.submitted
    assert len(counted) == len(tasks)
    assert [kind_of(counted[i]) for i in range(len(tasks))] == [KINDS[graph.kind[task]] for task in tasks]
    number = {key: tasks[i] for i, key in counted.items()}
    for key, task in number.items():
        needs = {number[need] for need in edges.needs[key] if need in number}
        expected = {i for i in inputs_of(graph, task) if graph.kind[i] not in (READ, PICK)}
        batches = {i for i in inputs_of(graph, task) if graph.kind[i] in (READ, PICK)}
        assert needs == expected, key
        assert len(edges.needs[key]) - len(needs) == len(batches), key
    read = sum(kind_of(r["key"]) == "read" for r in run.records)
    assert read == (graph.kind == READ).sum()
    assert timings(graph, run.records) is not None
    assert timings(build(replace(run.shape, batches=2 * run.shape.batches)), run.records) is None, "another run's"


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


def test_a_million_batches_on_a_thousand_workers_are_a_graph_like_any_other():
    graph = build(Shape(100_000, 10, lanes=32))
    run = simulate(graph, costs(1e-3, 1e-4, 1e-3, 1e-3, 1e-4, read=0.03, evaluate=0.02), 1_000)
    assert run.seconds > 1e-4 * len(graph)


def test_no_worker_is_refused():
    with pytest.raises(ValueError, match="one at least"):
        simulate(build(Shape(2, 2)), costs(), 0)


# --- costs out of records ---


@given(st.integers(2, 30), st.integers(1, 4), st.integers(1, 4))
def test_costs_are_found_again_in_the_records_of_a_simulated_run(batches, workers, lanes):
    shape = Shape(batches, 1_000, lanes=lanes, round_batches=8, threads=workers)
    graph = build(shape)
    fixed = costs(read=0.03, statistics=0.004, evaluate=0.02, learn=0.1).fixed
    by_row = np.zeros(len(KINDS))
    by_row[KIND["train"]] = 1e-5
    some = Costs(fixed, by_row, np.zeros(len(KINDS)), np.zeros(len(KINDS)), 0.0, 0.0, 0.0)
    run = simulate(graph, some, workers)
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
    seen = Observation(shape, workers, 0.0, run.seconds, records)
    found = calibrate([seen], Probe(0.0, 0.0, 0.0))
    assert found is not None
    assert found.by_row[KIND["train"]] * 1_000 + found.fixed[KIND["train"]] == pytest.approx(0.01, rel=1e-3)
    ours = graph.kind < CLIENT
    assert found.seconds(graph)[ours] == pytest.approx(some.seconds(graph)[ours], rel=1e-3, abs=1e-9)
    # Two workers that are free at the same time are so no more when costs are rounded: a batch goes to the other.
    assert simulate(graph, found, workers).seconds == pytest.approx(run.seconds, rel=0.02, abs=0.06)
    check = Forecast({workers: found}).check([seen])
    assert check[0]["forecast"] == pytest.approx(check[0]["measured"], rel=0.02, abs=0.06)


# --- fits ---


def test_a_line_is_found_with_its_interval():
    rng = np.random.default_rng(0)
    n = np.repeat([10, 100, 1_000], 3)
    found = fit.line(n, (0.3 + 0.02 * n) * np.exp(rng.normal(0, 0.02, 9)))
    assert found.per_batch == pytest.approx(0.02, rel=0.05)
    assert found.interval[0] < 0.02 < found.interval[1]
    assert found.fixed == pytest.approx(0.3, rel=0.3)
    assert found.r2 > 0.995
    exact = fit.line([1, 2, 3], [5, 7, 9])
    assert (exact.fixed, exact.per_batch, exact.r2) == pytest.approx((3, 2, 1))


@pytest.mark.parametrize(
    ("cost", "linear"),
    [
        (lambda n: 0.3 + 0.02 * n, True),
        (lambda n: 3 + 0.001 * n, True),
        (lambda n: 0.3 + 0.02 * n + 0.0002 * n**2, False),
        (lambda n: 0.001 * n**2, False),
    ],
)
def test_what_is_not_linear_is_told_from_what_is(cost, linear):
    rng = np.random.default_rng(1)
    n = np.repeat([10, 100, 1_000], 3)
    found = fit.growth(n, cost(n) * np.exp(rng.normal(0, 0.05, 9)))
    assert found.linear is linear


def test_sizes_near_each_other_have_no_verdict():
    assert fit.growth([2, 3, 12], [1.0, 2.0, 12.0]) is None
    assert fit.growth([1, 100], [1.0, 100.0]) is None
    assert fit.growth([10, 12, 15], [1.0, 1.2, 1.5]) is None


@given(st.floats(0, 0.5), st.floats(0, 0.05))
def test_the_laws_are_found_again(serial, crosstalk):
    law = fit.Law(10.0, serial, crosstalk)
    workers = [1, 2, 4, 8, 16]
    found = fit.usl(workers, [law.at(p) for p in workers])
    assert (found.one, found.serial, found.crosstalk) == pytest.approx((10, serial, crosstalk), abs=1e-6)
    plain = fit.amdahl([1, 2], [10.0, 10.0 * (serial + (1 - serial) / 2)])
    assert plain.serial == pytest.approx(serial, abs=1e-9)


def test_two_numbers_of_workers_are_too_few_for_three_unknowns():
    assert fit.usl([1, 2], [2.0, 1.2]) is None
    assert fit.amdahl([2], [1.2]) is None


# --- the critical path of records ---


def record(key, worker, begin, end, transfer=0.0):
    parts = [{"action": "transfer", "start": begin - transfer, "stop": begin}] if transfer else []
    parts.append({"action": "compute", "start": begin, "stop": end})
    return {"key": key, "worker": worker, "thread": 1, "startstops": parts, "nbytes": 0}


def test_a_path_goes_back_through_what_was_waited_for():
    records = [
        record(("read-x", 0), "a", 1.0, 3.0),
        record(("read-x", 1), "b", 1.0, 2.0),
        record("statistics-r-1-0", "a", 3.0, 4.0),
        record("train-r-2-0-0-0-0", "b", 6.0, 9.0, transfer=1.5),
        record("merge-r-3-evaluate-0-0-0", "b", 9.0, 9.5),
    ]
    found = path(records, 0.0, 10.0)
    assert sum(found.values()) == pytest.approx(10.0)
    assert found["read"] == pytest.approx(2.0)
    assert found["statistics"] == pytest.approx(1.0)
    assert found["train"] == pytest.approx(3.0)
    assert found["merge"] == pytest.approx(0.5)
    assert found["transfer"] == pytest.approx(1.5)
    assert found["client"] == pytest.approx(2.0)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.floats(0, 9), st.floats(0, 2), st.sampled_from(["read", "train", "x"])),
        max_size=30,
    )
)
def test_a_path_accounts_for_all_of_the_time_whatever_the_clocks_say(tasks):
    records = [record(f"{kind}-r-{i}-0", w, begin, begin + length) for i, (w, begin, length, kind) in enumerate(tasks)]
    found = path(records, 0.0, 11.0)
    assert set(found) == set(PARTS)
    assert sum(found.values()) == pytest.approx(11.0)
    assert min(found.values()) >= 0


def test_the_short_form_of_two_busy_workers():
    records = [record(("read-x", i), "ab"[i % 2], i // 2, i // 2 + 1) for i in range(8)]
    found = short_form(records, 0.0, 4.0, workers=2, lanes=1, batches=8)
    assert found["parallel_efficiency"] == 1
    assert found["work_seconds_per_batch"] == 1
    assert found["bottleneck"] == {"part": "read", "share": 1.0}
    assert found["twice_the_workers"] == {"seconds": 2.0, "speedup": 2.0}


# --- forecasts ---


def test_enough_is_where_doubling_no_longer_pays():
    assert enough({1: 8.0, 2: 4.2, 4: 2.4, 8: 2.0, 16: 1.9}) == 4
    assert enough({1: 8.0, 2: 7.9}) == 1
    assert enough({1: 8.0, 2: 4.0}) == 2


def test_the_best_is_what_there_is_unless_another_is_faster():
    assert best({1: 2.0, 4: 1.01, 8: 1.0}, 8) == 8
    assert best({1: 2.0, 4: 1.01, 8: 1.0}, 1) == 4


def test_a_forecast_uses_what_was_measured_on_as_many_workers_or_fewer():
    forecast = Forecast({1: costs(read=1.0), 2: costs(read=2.0)})
    shape = Shape(8, 10)
    assert forecast.seconds(shape, 1) == pytest.approx(8.0)
    assert forecast.seconds(shape, 4) == pytest.approx(4.0)
    assert forecast.seconds(tenfold(shape), 1) == pytest.approx(80.0)
    assert set(forecast.by_workers(shape)) == {1, 2, 4, 8}
    assert min(forecast.lanes(shape, 2)) == 1
    assert shape.rows in forecast.sizes(shape, 2)
