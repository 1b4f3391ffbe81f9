"""The study: the real pipeline over prefixes of the data, on several clusters, again and again in turn."""

import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from distributed import Client
from msgspec import structs

from pipeline.engine.batch_schedule import share_row_groups
from pipeline.engine.batch_source import max_rows_read_together, should_read_batches_together
from pipeline.engine.cluster.session import Session
from pipeline.errors import ConfigError
from pipeline.evaluation.permutation_importance import features_of
from pipeline.io.batching import Batch, group_by_row_group
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.scaling_study.costs import Observation, Probe
from pipeline.scaling_study.graph import Shape
from pipeline.training.job import COLUMNS, Job

# Tasks that do nothing, by which a cluster is probed.
NOTHINGS = 500
# Seconds at most for a run's tasks to be forgotten.
PATIENCE = 5.0


@dataclass(frozen=True)
class Setting:
    """One kind of run: ``cut`` is the number of the plan, each of which cuts the data into batches of another size."""

    batches: int
    workers: int
    lanes: int
    cut: int = 0


def prefix(plan: Plan, count: int) -> Plan:
    """The run of the first ``count`` batches; of both sides where batches have sides.

    Where rows go by time to one side or the other, the batches are spread over all of it instead.

    Raises
    ------
    ConfigError
        There are not so many, or no batch of one side would be among them.
    """
    batches = plan.batches
    if count > len(batches):
        raise ConfigError(
            f"--batches {count}: the data has {len(batches):,} batches; give smaller ones (--batch-rows)."
        )
    if plan.after is not None:
        chosen = [batches[i * len(batches) // count] for i in range(count)]
    else:
        chosen = []
        sides: dict[bool | None, list[Batch]] = {}
        for batch in batches:
            sides.setdefault(batch.test, []).append(batch)
        left = count
        for i, some in enumerate(sides.values()):
            share = left if i + 1 == len(sides) else max(round(count * len(some) / len(batches)), 1)
            if not 0 < share <= len(some):
                raise ConfigError(f"--batches {count}: too few for both sides of the split; give more.")
            chosen += some[:share]
            left -= share
    chosen.sort(key=lambda batch: batch.number)
    return replace(plan, batches=tuple(replace(batch, number=i) for i, batch in enumerate(chosen)))


def shape_of(plan: Plan, epochs: int, keep: bool, threads: int) -> Shape:
    """What the graph of a plan's run depends on."""
    config, batches = plan.config, plan.batches
    rows, joined = max(round(sum(batch.rows for batch in batches) / len(batches)), 1), max_rows_read_together(plan)
    columns = features_of(plan.features.columns)
    tested = config.evaluate.importance_rows > 0
    return Shape(
        batches=len(batches),
        rows=rows,
        lanes=config.train.lanes,
        round_batches=config.train.round_batches,
        epochs=epochs,
        fan_in=config.aggregate.fan_in,
        span=max(round(len(batches) / len(group_by_row_group(batches))), 2) if share_row_groups(batches) else 1,
        train_only=sum(batch.test is False for batch in batches),
        test_only=sum(batch.test is True for batch in batches),
        importance=-(-len(columns) // COLUMNS) if tested else 0,
        keep=keep,
        seed=config.train.seed,
        threads=threads,
        joined_rows=joined if should_read_batches_together(plan) else min(joined, rows - 1),
    )


def with_lanes(plan: Plan, lanes: int) -> Plan:
    """The same run with another number of lanes."""
    train = structs.replace(plan.config.train, lanes=lanes)
    return replace(plan, config=structs.replace(plan.config, train=train))


def observe(plan: Plan, session: Session, monitor: Monitor, modules: Sequence[str] = (), cut: int = 0) -> Observation:
    """Run it once; nothing is written.

    Parameters
    ----------
    modules
        The user's own: what they keep from one call to the next is forgotten before the run, so that each begins alike.
    cut
        Of the `Observation`.
    """
    client = session.client
    assert isinstance(client, Client), "a study is of a cluster"
    inner = Monitor(quiet=True)
    inner.events = monitor.events
    inner.heed = monitor.heed
    if modules:
        client.run(_forget, modules)
    _rest(client)
    before, begin = _cpu_seconds(client), time.time()
    outcome = Job(plan, session, inner).execute()
    end = time.time()
    cpu = _cpu_seconds(client) - before
    records = client.get_task_stream(start=begin)
    shape = shape_of(plan, outcome.training.epochs, outcome.kept, session.threads)
    return Observation(shape, session.workers, begin, end, records, cpu, dict(inner.seconds), cut)


def interleaved(
    settings: Sequence[Setting], repeats: int, run: Callable[[Setting], Observation]
) -> Iterator[tuple[Setting, Observation]]:
    """Every setting ``repeats`` times, in turn: what disturbs the machine for a while disturbs all of them.

    The largest of each number of workers is run once before, uncounted: the first that takes so much memory, and reads
    files so far unread, is slower by a fifth.
    """
    for workers in dict.fromkeys(setting.workers for setting in settings):
        run(max((s for s in settings if s.workers == workers), key=lambda s: s.batches))
    for _ in range(repeats):
        for setting in settings:
            yield setting, run(setting)


def probe(client: Client) -> Probe:
    """Time tasks that do nothing."""
    client.gather(client.map(_nothing, range(NOTHINGS), pure=False))
    begin = time.perf_counter()
    futures = [client.submit(_nothing, i, pure=False) for i in range(NOTHINGS)]
    submit = (time.perf_counter() - begin) / NOTHINGS
    client.gather(futures)
    begin = time.perf_counter()
    futures = client.map(_nothing, range(2 * NOTHINGS), pure=False)
    together = (time.perf_counter() - begin) / (2 * NOTHINGS)
    client.gather(futures)
    each = (time.perf_counter() - begin) / (2 * NOTHINGS)
    trips = []
    for i in range(20):
        begin = time.perf_counter()
        client.submit(_nothing, i, pure=False).result()
        trips.append(time.perf_counter() - begin)
    return Probe(submit, each, sorted(trips)[len(trips) // 2] / 4, together)


def _nothing(value: Any) -> Any:
    return value


def _rest(client: Client) -> None:
    """Have the scheduler let go of what there was before: that is no work of the run to come."""
    gc.collect()
    begin = time.perf_counter()
    while client.run_on_scheduler(_wanted, client.id) and time.perf_counter() - begin < PATIENCE:
        time.sleep(0.02)


def _wanted(client: str, dask_scheduler: Any) -> int:
    """On the scheduler: how many tasks it keeps for a client."""
    return len(dask_scheduler.clients[client].wants_what)


def _forget(modules: Sequence[str]) -> None:
    """On a worker: have modules, and what they hold, made anew when they are next needed."""
    packages = {name.partition(".")[0] for name in modules}
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


def _cpu_seconds(client: Client) -> float:
    """Of the workers' processes and the scheduler's; of this one, if that is another."""
    workers: Mapping[str, float] = client.run(time.process_time)
    local = getattr(client.cluster, "scheduler", None) is not None
    scheduler = 0.0 if local else float(client.run_on_scheduler(time.process_time))
    return sum(workers.values()) + scheduler + time.process_time()
