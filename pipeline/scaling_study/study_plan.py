"""What a study measures: which runs, over which prefixes of the data, on how many workers."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from msgspec import structs

from pipeline import config as cfg
from pipeline.engine.cluster.scheduler_spec import LOCAL
from pipeline.errors import ConfigError
from pipeline.io.batching import Batch
from pipeline.planning.plan import Plan
from pipeline.planning.planner import make_plan


@dataclass(frozen=True)
class StudyRequest:
    """What a user wants to be measured; empty: what the data and the machine suggest.

    Parameters
    ----------
    batches
        Sizes of the prefixes.
    workers
        Of a local cluster; a scheduler's workers are those that it has.
    lanes, batch_rows
        The first of each is the usual one, the others are measured in addition.
    repeats
        Runs of each setting.
    """

    batches: tuple[int, ...] = ()
    workers: tuple[int, ...] = ()
    lanes: tuple[int, ...] = ()
    batch_rows: tuple[int, ...] = ()
    repeats: int = 3


@dataclass(frozen=True)
class Setting:
    """One kind of run: ``cut`` is the number of the plan, each of which cuts the data into batches of another size."""

    batches: int
    workers: int
    lanes: int
    cut: int = 0


def make_plans(config: cfg.Config, request: StudyRequest) -> list[Plan]:
    """Make a plan for each size of a batch, first the usual size: the first that is requested, or the config's.

    Raises
    ------
    PipelineError
        As `make_plan`; or a run would shuffle a joined table, which a study does not measure.
    """
    if request.batch_rows:
        plans = [make_plan(_with_batch_rows(config, rows)) for rows in request.batch_rows]
    else:
        plan = make_plan(config)
        usual = max(batch.rows for batch in plan.batches)
        # Half of the size separates what a task costs by itself from what its rows cost.
        plans = [plan, make_plan(_with_batch_rows(config, max(usual // 2, 1)))]
    for join in plans[0].config.data.join:
        if join.large is True:
            raise ConfigError(
                f"data.join: {join.path_text} is so large that it is shuffled before a run, which a study does not "
                "measure; join the tables beforehand, or set large = false."
            )
    return plans


def _with_batch_rows(config: cfg.Config, rows: int) -> cfg.Config:
    return structs.replace(config, data=structs.replace(config.data, batch_rows=rows))


def choose_settings(plans: Sequence[Plan], request: StudyRequest, config: cfg.Config) -> list[Setting]:
    """Choose all that is to be measured, small runs first.

    Raises
    ------
    ConfigError
        There are not so many batches, or workers are requested of a scheduler that has its own.
    """
    usual_plan = plans[0]
    total, usual_workers = len(usual_plan.batches), config.cluster.workers
    if config.cluster.scheduler not in (None, LOCAL):
        if request.workers:
            raise ConfigError(
                "--workers: a scheduler has the workers that it has; leave it out, the study forecasts other numbers."
            )
        workers = [0]
    elif request.workers:
        workers = sorted(set(request.workers))
    else:
        most = usual_workers if isinstance(usual_workers, int) and usual_workers else os.cpu_count() or 1
        workers = sorted({1, most})
    batches = sorted(set(request.batches)) or sorted(
        {min(max(part, 2), total) for part in (total // 16, total // 4, total)}
    )
    for count in batches:
        take_prefix(usual_plan, count)  # refuses what cannot be had before the first run
    lanes = list(dict.fromkeys(request.lanes)) or [config.train.lanes]
    settings = [Setting(n, w, k) for n in batches for w in workers for k in lanes]
    middle = batches[-2] if len(batches) > 1 else batches[-1]
    rows = sum(batch.rows for batch in take_prefix(usual_plan, middle).batches)
    for cut, plan in enumerate(plans[1:], 1):  # about the same rows in batches of another size
        rows_per_batch = sum(batch.rows for batch in plan.batches) / len(plan.batches)
        count = min(max(round(rows / rows_per_batch), 2), len(plan.batches))
        settings.append(Setting(count, workers[-1], lanes[0], cut))
    return settings


def take_prefix(plan: Plan, count: int) -> Plan:
    """Plan a run of ``count`` batches.

    If rows are split by time, the batches are spread over all of it. Otherwise they are the first ones; of train and
    test batches, in the proportion that all have, if whole batches are one or the other: with ``split.path`` those of
    the data and those of its test set.

    Raises
    ------
    ConfigError
        There are not so many, or no batch of train or test would be among them.
    """
    batches = plan.batches
    if count > len(batches):
        raise ConfigError(
            f"--batches {count}: the data has {len(batches):,} batches; give smaller ones (--batch-rows)."
        )
    if plan.test_from is not None:
        chosen = [batches[i * len(batches) // count] for i in range(count)]
    else:
        chosen = []
        sides: dict[bool | None, list[Batch]] = {}
        for batch in batches:
            sides.setdefault(batch.test, []).append(batch)
        if count < len(sides):
            raise ConfigError(f"--batches {count}: too few for both sides of the split; give more.")
        left, remaining = count, len(batches)
        for i, side in enumerate(sides.values(), 1):
            others = len(sides) - i  # each needs a batch, and has not more than there are
            share = min(max(round(left * len(side) / remaining), 1, left - (remaining - len(side))), left - others)
            chosen += side[:share]
            left, remaining = left - share, remaining - len(side)
    chosen.sort(key=lambda batch: batch.number)
    return replace(plan, batches=tuple(_renumber(chosen)), is_part=count < len(batches))


def _renumber(batches: Sequence[Batch]) -> Iterator[Batch]:
    """Number batches from 0; those of one row group are read together only where they are neighbours."""
    row_group_id, previous = -1, None
    for i, batch in enumerate(batches):
        if previous is None or (batch.number - 1, batch.row_group_id) != (previous.number, previous.row_group_id):
            row_group_id += 1
        yield replace(batch, number=i, row_group_id=row_group_id)
        previous = batch


def with_lanes(plan: Plan, lanes: int) -> Plan:
    """Plan the same run with another number of lanes."""
    train = structs.replace(plan.config.train, lanes=lanes)
    return replace(plan, config=structs.replace(plan.config, train=train))
