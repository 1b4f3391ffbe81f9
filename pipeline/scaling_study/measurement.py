"""The study: the real pipeline over prefixes of the data, on several clusters, again and again in turn."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from pipeline.engine.batch_schedule import share_row_groups
from pipeline.engine.cluster.probe import cpu_seconds, forget_modules, wait_until_idle
from pipeline.engine.cluster.session import Session
from pipeline.engine.memory_policy import max_rows_read_together, should_read_batches_together
from pipeline.errors import ConfigError
from pipeline.evaluation.permutation_importance import features_of
from pipeline.io.batching import Batch, group_by_row_group
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.scaling_study.costs import Observation
from pipeline.scaling_study.graph import Shape
from pipeline.training.job import COLUMNS, Job


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
    """The shape of a plan's run, on which its task graph depends.

    Parameters
    ----------
    epochs, keep, threads
        The epochs that were trained, whether batches were kept, and the threads of the cluster.
    """
    config, batches = plan.config, plan.batches
    rows = max(round(sum(batch.rows for batch in batches) / len(batches)), 1)
    joined_rows = max_rows_read_together(plan)
    if not should_read_batches_together(plan):  # one batch is too large, though the mean may not be
        joined_rows = min(joined_rows, rows - 1)
    importance_tasks = -(-len(features_of(plan.features.columns)) // COLUMNS)
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
        importance=importance_tasks if config.evaluate.importance_rows > 0 else 0,
        keep=keep,
        seed=config.train.seed,
        threads=threads,
        joined_rows=joined_rows,
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
    inner = Monitor(quiet=True)
    inner.events = monitor.events
    inner.on_task_done = monitor.on_task_done
    forget_modules(client, modules)
    wait_until_idle(client)
    before, begin = cpu_seconds(client), time.time()
    outcome = Job(plan, session, inner).execute()
    end = time.time()
    cpu = cpu_seconds(client) - before
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
