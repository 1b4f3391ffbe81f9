"""A search: the best of many settings, by brackets of rungs on which fewer and fewer settings train on more and more.

All trials share the packed batches and, if they agree in preprocessing, the statistics. No trial sees a test row. The
winner is then trained and evaluated as any run.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from pipeline.engine.batch_source import open_source
from pipeline.engine.cluster.session import Session
from pipeline.engine.failure_diagnosis import diagnose_failures
from pipeline.engine.memory_policy import should_keep_batches
from pipeline.engine.stage import Stage, run_stage
from pipeline.errors import ClusterError, StorageError
from pipeline.io.run_folder import RunFolder
from pipeline.model_selection.search_checkpoint import SearchCheckpoint
from pipeline.model_selection.search_result import SearchResult
from pipeline.model_selection.shared_trial_data import SharedTrialData, packing_key, subsample
from pipeline.model_selection.successive_halving import Rung, ranked
from pipeline.model_selection.trial import Trial, TrialScore
from pipeline.model_selection.trial_metric import TrialMetric
from pipeline.model_selection.trial_runner import TrialRunner
from pipeline.model_selection.trial_settings import TrialSetting, brackets_of, settings_to_try
from pipeline.monitoring.progress import Monitor
from pipeline.planning.plan import Plan
from pipeline.training.run_context import RunContext
from pipeline.training.statistics_stage import with_revised_plan


class HyperparameterSearch:
    """One search on a session; its scores are in ``folder`` after every rung.

    Parameters
    ----------
    on_rung
        Called after every rung; what it raises ends the search.
    """

    def __init__(self, plan: Plan, session: Session, monitor: Monitor, folder: RunFolder, on_rung: Callable[[], None]):
        self._session, self._monitor, self._on_rung = session, monitor, on_rung
        self.plan = plan
        """That of the search; after it, for the task that all rows have shown."""
        self._checkpoint = SearchCheckpoint(folder, plan.config.train.checkpoint_seconds)

    def run(self) -> SearchResult:
        """Train and score the settings, and return the best.

        Raises
        ------
        DataError
            No setting could be trained, or there are too few rows.
        """
        try:
            return with_revised_plan(self.plan, self._monitor, self._run)
        except (KeyboardInterrupt, ClusterError):
            with contextlib.suppress(StorageError):  # the end of the run will report it
                self._checkpoint.flush()
            raise

    def _run(self, plan: Plan) -> SearchResult:
        context, self.plan = RunContext.of(plan, self._session, self._monitor), plan
        settings = settings_to_try(plan)
        brackets = brackets_of(plan, len(settings))
        epochs = max(setting.plan.config.train.epochs for setting in settings)
        work = _batches_to_train(context.training_batches, brackets, epochs)
        with run_stage(context.monitor, "search", work) as stage, _open_trials(context, settings, stage) as trials:
            metric = TrialMetric.of(plan.config.search.metric, trials, plan.config.evaluate.exact_rows)
            runner, scores = TrialRunner(context.tasks, metric, context.session.threads), self._checkpoint.load()
            if scores:
                context.monitor.print(f"resuming    the search after {len(scores)} scores")
            _emit_scores(context.monitor, scores, metric)
            start = 0
            for rungs in brackets:
                ranking = list(range(start, start + rungs[0].count))
                start += rungs[0].count
                for rung in rungs:
                    of_rung = [s for s in scores if (s.bracket, s.share) == (rung.bracket, rung.share)]
                    if not of_rung and ranking:
                        remaining = [trials[number] for number in ranking[: rung.count]]
                        of_rung = _with_earlier_rows(runner.run_rung(remaining, rung, epochs, stage), scores)
                        scores = [*scores, *of_rung]
                        self._checkpoint.record(scores)
                        _emit_scores(context.monitor, of_rung, metric)
                        self._on_rung()
                    ranking = ranked({score.trial: metric.loss(score.score) for score in of_rung})
        return SearchResult.of(scores, metric, plan.config.search.method)


@contextlib.contextmanager
def _open_trials(context: RunContext, settings: Sequence[TrialSetting], stage: Stage) -> Iterator[list[Trial]]:
    """Return the trial of each setting; those whose batches are packed alike share their data."""
    plans_by_packing: dict[Any, list[Plan]] = {}
    for setting in settings:
        plans_by_packing.setdefault(packing_key(setting.plan.features.columns), []).append(setting.plan)
    session, monitor = context.session, context.monitor
    keep = should_keep_batches(context.plan, session, len(plans_by_packing) + 1)
    with contextlib.ExitStack() as stack:
        data = {}
        for key, plans in plans_by_packing.items():
            recipe = plans[0].recipe
            split = replace(
                recipe.split,
                validation_fraction=context.plan.config.train.validation_fraction,
                folds=max(plan.recipe.split.folds for plan in plans),
                bootstrap=False,
            )
            recipe = replace(recipe, split=split, slices=())
            source = open_source(plans[0], recipe, session, keep, monitor.events.run)
            stack.enter_context(diagnose_failures(source, plans[0].batches, session, monitor))
            columns = [plan.features.columns for plan in plans]
            data[key] = SharedTrialData.collect(plans[0], recipe, source, context.tasks, columns, stage, session)
        yield [
            Trial(number, setting.values, setting.plan, data[packing_key(setting.plan.features.columns)])
            for number, setting in enumerate(settings)
        ]


def _with_earlier_rows(new: Sequence[TrialScore], earlier: Sequence[TrialScore]) -> list[TrialScore]:
    """Return the new scores with the rows of all rungs so far."""
    rows = {score.trial: score.rows for score in earlier}
    return [replace(score, rows=score.rows + rows.get(score.trial, 0)) for score in new]


def _emit_scores(monitor: Monitor, scores: Sequence[TrialScore], metric: TrialMetric) -> None:
    for score in scores:
        monitor.events.emit("trial_scored", metric=metric.name, loss=metric.loss(score.score), **asdict(score))


def _batches_to_train(numbers: list[int], brackets: Sequence[Sequence[Rung]], epochs: int) -> int:
    """Return about how many batches all trials train on together; which trials reach a later rung is not known."""
    count = 0
    for rung in (rung for rungs in brackets for rung in rungs):
        passes = math.ceil(rung.share * epochs)
        count += rung.count * passes * len(subsample(numbers, rung.share * epochs / passes, 0).numbers)
    return count
