"""Search: the best of many settings, by successive halving over the lanes that train every model here.

All trials share the packed batches and, where they agree in preprocessing, the statistics. Rows that test are not
among what any trial sees; the winner is then trained and evaluated as any run.
"""

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from msgspec import structs

from pipeline import config as cfg
from pipeline.engine.batch_schedule import batches_per_task, segments_of, share_row_groups
from pipeline.engine.batch_source import open_source
from pipeline.engine.cluster.session import Session
from pipeline.engine.failure_diagnosis import diagnose_failures
from pipeline.engine.memory_policy import should_keep_batches
from pipeline.engine.stage import Stage, run_stage
from pipeline.engine.task_runner import TaskRunner
from pipeline.errors import ClusterError, ConfigError, DataError, StorageError
from pipeline.io.run_folder import UNFINISHED, RunFolder
from pipeline.model_selection.search_space import Values, draw, read_space, with_values
from pipeline.model_selection.shared_data import Pool, packing_of, part_of
from pipeline.model_selection.successive_halving import Rung, best, brackets
from pipeline.model_selection.trial_runner import GREATER, Trial, TrialMetric, TrialRunner
from pipeline.models.factory import make, needs_full_batches
from pipeline.models.merging import delta_class
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan, make_plan
from pipeline.preparation.feature_inference import choose_features

Line = dict[str, Any]
FILE = "trials.csv"
SAVED = f"{UNFINISHED}/search.json"
# Fewer rows tell nothing about a setting.
LEAST = 1_000


@dataclass(frozen=True)
class SearchResult:
    """The winner's values, and what report.json says of the search."""

    values: Values
    report: dict[str, Any]

    def config(self, config: cfg.Config) -> cfg.Config:
        """The config that is run in the end: the winner's, without the search."""
        return without_search(with_values(config, self.values))

    def table(self) -> bytes:
        """trials.csv: a line for each trial."""
        lines = [{**trial, **trial["values"]} for trial in self.report["trials"]]
        return pd.DataFrame(lines).drop(columns="values").to_csv(index=False).encode()


def without_search(config: cfg.Config) -> cfg.Config:
    """The config without its search."""
    return structs.replace(config, search=cfg.SearchConfig())


def settings_to_try(plan: Plan) -> list[tuple[Values, Plan]]:
    """Every trial's values and plan.

    Raises
    ------
    ConfigError
        The space is wrong, or a setting changes which rows train and test.
    """
    how = plan.config.search
    drawn = draw(read_space(how.space), how.trials, how.seed, how.method == "grid")
    return [(values, plan_of(plan, values)) for values in drawn]


def plan_of(plan: Plan, values: Values) -> Plan:
    """The plan of one setting, from that of the config: files and footers are the same.

    Raises
    ------
    ConfigError
        It cannot be run, or not be compared with the others.
    """
    said = ", ".join(f"{key} = {value!r}" for key, value in values.items())
    try:
        config = without_search(with_values(plan.config, values))
        estimator = make(config.model, plan.features.task, config.train.seed)
        if config.train.lanes > 1 and not needs_full_batches(estimator):
            delta_class(estimator)
        features = choose_features(plan.meta, config, plan.features.task)
        found = replace(plan, config=config, features=features)
        if features.columns.numbers != plan.features.columns.numbers:
            found = make_plan(config)
    except ConfigError as error:
        raise ConfigError(f"search.space: with {said}: {error}") from None
    if found.identity != plan.identity:
        raise ConfigError(
            f"search.space: with {said} other columns tell the rows apart, and other rows would test; have the same "
            "columns in all trials, and compare runs with others by `pipeline report`."
        )
    return found


def describe(plan: Plan) -> list[str]:
    """What would be searched, in lines for a person."""
    how, tried = plan.config.search, settings_to_try(plan)
    lines = [f"search      {how.method}: {len(tried)} settings, by {how.metric} on rows kept out of training"]
    for count, rungs in brackets(how.method, len(tried), how.eta, _parts(plan)):
        steps = ", ".join(f"{rung.count} on {rung.share:.1%}" for rung in rungs)
        lines.append(f"            {count} settings: {steps} of the training")
    return lines + [f"  {key:<20} {choices}" for key, choices in read_space(how.space).items()]


def _parts(plan: Plan) -> int:
    """Parts of the training rows that are large enough to tell good settings from bad ones."""
    return sum(batch.rows for batch in plan.batches if batch.test is not True) // LEAST


class HyperparameterSearch:
    """One search on a session; its state is in ``folder`` after every rung.

    Parameters
    ----------
    heed
        Called where a search may stop: what it raises ends it.
    """

    def __init__(self, plan: Plan, session: Session, monitor: Monitor, folder: RunFolder, heed: Callable[[], None]):
        self._plan, self._session, self._monitor, self._heed = plan, session, monitor, heed
        config, segments = plan.config, segments_of(plan.batches, plan.config.train)
        self._saved = SearchCheckpoint(folder, config.train.checkpoint_seconds)
        self._tasks = TaskRunner(
            session.client,
            config.aggregate.fan_in,
            config.cluster.retries,
            monitor.events.run,
            [batch.rows for batch in plan.batches],
            batches_per_task(
                segments, session.threads, should_keep_batches(plan, session), share_row_groups(plan.batches)
            ),
        )

    def run(self) -> SearchResult:
        """Race all trials, and give the best.

        Raises
        ------
        DataError
            No setting could be trained, or the rows are too few.
        """
        try:
            return self._run()
        except (KeyboardInterrupt, ClusterError):
            with contextlib.suppress(StorageError):  # of which the run's own end will tell
                self._saved.flush()
            raise

    def _run(self) -> SearchResult:
        how, tried = self._plan.config.search, settings_to_try(self._plan)
        heats = brackets(how.method, len(tried), how.eta, _parts(self._plan))
        epochs = max(plan.config.train.epochs for _, plan in tried)
        work = _work(self._plan, heats, epochs)
        with run_stage(self._monitor, "search", work) as stage, self._pooled(tried, stage) as trials:
            scoring = TrialMetric.of(how.metric, trials, self._plan.config.evaluate.exact_rows)
            runner, lines = TrialRunner(self._tasks, scoring, self._session.threads), self._saved.load(trials)
            if lines:
                self._monitor.say(f"resuming    the search after {len(lines)} scores")
            self._tell(lines, scoring)
            first = 0
            for count, rungs in heats:
                going = list(range(first, first + count))
                first += count
                for rung, following in zip(rungs, [*rungs[1:], None], strict=True):
                    known = {line["trial"]: line["score"] for line in lines if _is_of(line, rung)}
                    if not known and going:
                        runner.run_trials([trials[n] for n in going], rung.share, epochs, stage)
                        new = [_line(trials[n], rung) for n in going]
                        lines = [*lines, *new]
                        self._saved.note(lines)
                        self._tell(new, scoring)
                        self._heed()
                        known = {n: trials[n].score for n in going}
                    losses = {n: scoring.loss(score) for n, score in known.items()}
                    going = best(losses, following.count if following else 1)
        return self._found(trials, lines, scoring)

    @contextlib.contextmanager
    def _pooled(self, tried: Sequence[tuple[Values, Plan]], stage: Stage) -> Iterator[list[Trial]]:
        """The trials, each with the pool that it learns from."""
        alike: dict[Any, list[Plan]] = {}
        for _, plan in tried:
            alike.setdefault(packing_of(plan.features.columns), []).append(plan)
        keep, train = should_keep_batches(self._plan, self._session, len(alike) + 1), self._plan.config.train
        with contextlib.ExitStack() as stack:
            pools = {}
            for key, plans in alike.items():
                recipe = replace(
                    plans[0].recipe,
                    validation=train.validation_fraction,
                    folds=max(plan.recipe.folds for plan in plans),
                    grouped=False,
                    slices=(),
                )
                source = open_source(plans[0], recipe, self._session, keep, self._monitor.events.run)
                stack.enter_context(diagnose_failures(source, plans[0].batches, self._session, self._monitor))
                pools[key] = Pool(plans[0], recipe, source, self._tasks)
                pools[key].learn([plan.features.columns for plan in plans], stage)
            yield [
                Trial(number, values, plan, pools[packing_of(plan.features.columns)])
                for number, (values, plan) in enumerate(tried)
            ]

    def _tell(self, lines: Sequence[Line], scoring: TrialMetric) -> None:
        for line in lines:
            self._monitor.events.emit("trial_scored", metric=scoring.name, loss=scoring.loss(line["score"]), **line)

    def _found(self, trials: Sequence[Trial], lines: Sequence[Line], scoring: TrialMetric) -> SearchResult:
        last = {line["trial"]: line for line in lines}
        whole = max((line["share"] for line in lines if line["score"] is not None), default=1.0)
        losses = {n: scoring.loss(line["score"]) for n, line in last.items() if line["share"] == whole}
        winner = best(losses, 1)
        if not winner:
            why = next((line["failed"] for line in lines if line["failed"]), "none was scored")
            raise DataError(f"search.space: no setting could be trained; the first says: {why.rstrip('.')}.")
        report = {
            "method": self._plan.config.search.method,
            "metric": scoring.name,
            "greater_is_better": scoring.name in GREATER,
            "best": winner[0],
            "values": trials[winner[0]].values,
            "rows_trained": sum(line["rows"] for line in last.values()),
            "trials": [last[n] for n in sorted(last)],
        }
        return SearchResult(trials[winner[0]].values, report)


class SearchCheckpoint:
    """The state of a search in the run folder: every score so far."""

    def __init__(self, folder: RunFolder, seconds: float):
        self._folder, self._seconds = folder, seconds
        self._written, self._unwritten = time.monotonic(), b""

    def note(self, lines: Sequence[Line]) -> None:
        """Remember a state to go on from, and write it if the last is so many seconds old.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        self._unwritten = json.dumps(list(lines)).encode()
        if time.monotonic() - self._written >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Write what was noted last, if it is not written yet.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        if self._unwritten:
            self._folder.write(SAVED, self._unwritten)
            self._written, self._unwritten = time.monotonic(), b""

    def load(self, trials: Sequence[Trial]) -> list[Line]:
        """The scores so far, none if nothing was saved; ``trials`` are as they were after the last."""
        if not self._folder.exists(SAVED):
            return []
        lines: list[Line] = json.loads(self._folder.read(SAVED))
        for line in lines:
            trial = trials[line["trial"]]
            trial.rows, trial.score, trial.share, trial.failed = (line[k] for k in ("rows", "score", "share", "failed"))
        return lines


def _line(trial: Trial, rung: Rung) -> Line:
    """What is told of a trial after a rung."""
    return {
        "trial": trial.number,
        "bracket": rung.bracket,
        "share": rung.share,
        "score": trial.score,
        "rows": trial.rows,
        "failed": trial.failed,
        "values": trial.values,
    }


def _is_of(line: Line, rung: Rung) -> bool:
    return line["bracket"] == rung.bracket and line["share"] == rung.share


def _work(plan: Plan, heats: Sequence[tuple[int, Sequence[Rung]]], epochs: int) -> int:
    """Batches that all trials train on together, about: which of them go on is not known."""
    numbers, work = [batch.number for batch in plan.batches if batch.test is not True], 0
    for _, rungs in heats:
        for rung in rungs:
            passes = math.ceil(rung.share * epochs)
            work += rung.count * passes * len(part_of(numbers, rung.share * epochs / passes, 0).numbers)
    return work
