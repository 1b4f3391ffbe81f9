"""Trials: settings that train side by side on the same rows, and how well each does on rows kept aside."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline import config as cfg
from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.engine.batch_schedule import SEGMENT_SIZE, batch_order, chunks
from pipeline.engine.stage import Stage
from pipeline.engine.task_handle import TaskHandle
from pipeline.engine.task_runner import TaskRunner
from pipeline.errors import DataError
from pipeline.evaluation.evaluator import States, results
from pipeline.metrics.classification import Accuracy, LogLoss
from pipeline.metrics.registry import Metric, metrics_for
from pipeline.metrics.regression import SquaredAndAbsoluteError
from pipeline.model_selection.batched_trials import (
    EncoderAndTarget,
    Failed,
    join_whole,
    merge_scored_all,
    merge_shares_all,
    merged_all,
    score_all,
    share_all,
    train_some,
    train_whole,
)
from pipeline.model_selection.search_space import Values
from pipeline.model_selection.shared_data import Pool
from pipeline.models.factory import make, needs_full_batches
from pipeline.planning.plan import Plan
from pipeline.training.lane import new_lane

# Figures of which more is better.
GREATER = (
    "accuracy",
    "roc_auc",
    "average_precision",
    "f1",
    "precision",
    "recall",
    "balanced_accuracy",
    "r2",
    "lift_10",
)

# Trials that one task trains or scores at most: their models are in memory together.
TOGETHER = 16
# Tasks for each that can run at a time: with one alone, a worker that has two would be waited for.
CHOICE = 2


@dataclass
class Trial:
    """One setting, and how well it did when it was last trained.

    ``share`` is of the whole training, ``rows`` those that it was trained on over all shares and epochs so far.
    """

    number: int
    values: Values
    plan: Plan
    pool: Pool
    rows: int = 0
    share: float = 0.0
    score: float | None = None
    """Of the metric as it is called; None before the first, and for a trial that failed."""
    failed: str = ""

    @property
    def estimator(self) -> Any:
        """As it begins."""
        config = self.plan.config
        return make(config.model, self.plan.features.task, config.train.seed)


@dataclass(frozen=True)
class TrialMetric:
    """By which figure trials are compared, and the metrics that give it."""

    name: str
    metrics: tuple[type[Metric], ...]

    @classmethod
    def of(cls, name: str, trials: Sequence[Trial], exact_rows: int) -> "TrialMetric":
        """For ``"auto"`` what training is watched by."""
        task = trials[0].plan.features.task
        if name == "auto":
            sure = all(hasattr(trial.estimator, "predict_proba") for trial in trials)
            name = "mean_squared_error" if task == "regression" else "log_loss" if sure else "accuracy"
        alone: dict[str, tuple[type[Metric], ...]] = {"log_loss": (LogLoss,), "accuracy": (Accuracy,)}
        alone["mean_squared_error"] = (SquaredAndAbsoluteError,)
        rows = trials[0].plan.rows
        return cls(name, alone.get(name) or metrics_for(task, rows, exact_rows))

    def value(self, states: States) -> float:
        """The figure.

        Raises
        ------
        DataError
            The metrics have no such figure.
        """
        figures = results(states)
        if self.name not in figures:
            known = ", ".join(figures) or "none of these models has it"
            raise DataError(f"search.metric: no figure {self.name!r} of these models; there are {known}.")
        return figures[self.name]

    def loss(self, score: float | None) -> float | None:
        """What gets smaller as trials get better."""
        return score if score is None or self.name not in GREATER else -score


@dataclass
class _Abreast:
    """Trials under way together: what was sent for them, their lanes, and the rounds that they have left."""

    trials: list[Trial]
    coded: TaskHandle
    lanes: TaskHandle
    step: int
    rounds: list[list[int]]

    @property
    def pool(self) -> Pool:
        return self.trials[0].pool

    @property
    def train(self) -> cfg.TrainConfig:
        return self.trials[0].plan.config.train


class TrialRunner:
    """Trains and scores trials side by side; everything merges by its place, never by its arrival.

    Parameters
    ----------
    width
        How many tasks can run at a time: so that all have work where there are trials enough.
    """

    def __init__(self, tasks: TaskRunner, scoring: TrialMetric, width: int):
        self._tasks, self._scoring, self._width = tasks, scoring, width

    def run_trials(self, trials: Sequence[Trial], share: float, epochs: int, stage: Stage) -> None:
        """Train ``trials`` from the beginning as a run would, with a ``share`` of the work, and score them.

        All the work is all training rows in ``epochs`` epochs. Less of it is fewer epochs first, then fewer rows:
        what is good for few rows is often not good for many.

        Raises
        ------
        DataError
            There is no such metric.
        """
        sent: dict[Any, TaskHandle] = {}
        going = [self._begun(some, share * epochs, sent) for some in self._parted(trials)]
        while any(one.rounds for one in going):
            self._step(going, stage)
        for one, scores in zip(going, self._score(going, stage), strict=True):
            for trial, score in zip(one.trials, scores, strict=True):
                bad = isinstance(score, Failed)
                trial.share, trial.failed = share, score.reason if bad else ""
                trial.score = None if bad else self._scoring.value(score)

    def _parted(self, trials: Sequence[Trial]) -> list[list[Trial]]:
        """The trials by what one task can train at a time; what they are worth does not depend on it."""
        alike: dict[Any, list[Trial]] = {}
        for trial in trials:
            train = trial.plan.config.train
            alone = trial.number if needs_full_batches(trial.estimator) else None
            key = _encoding_of(trial), train.epochs, train.lanes, train.round_batches, alone
            alike.setdefault(key, []).append(trial)
        most = min(max(len(trials) // (CHOICE * self._width), 1), TOGETHER)
        return [some for group in alike.values() for some in chunks(group, _even(len(group), most))]

    def _begun(self, trials: list[Trial], passes: float, sent: dict[Any, TaskHandle]) -> _Abreast:
        trial, key = trials[0], _encoding_of(trials[0])
        train = trial.plan.config.train
        if key not in sent:
            encoder, target = trial.pool.encoder(trial.plan)
            sent[key] = self._tasks.broadcast(
                EncoderAndTarget(BatchEncoder(encoder, target.classes, train.seed), target)
            )
        if needs_full_batches(trial.estimator):
            return self._begun_whole(trial, sent[key], passes)
        epochs = min(train.epochs, math.ceil(passes - 1e-9))
        part = trial.pool.part(min(passes / epochs, 1.0))
        lanes = self._tasks.broadcast([new_lane(one.estimator) for one in trials])
        return _Abreast(trials, sent[key], lanes, part.step, trial.pool.rounds(part, train, epochs))

    def _begun_whole(self, trial: Trial, coded: TaskHandle, passes: float) -> _Abreast:
        """A trial whose model does not learn batch by batch: all of it is trained in one go, on fewer rows."""
        pool, train = trial.pool, trial.plan.config.train
        part, estimator = pool.part(min(passes, 1.0)), trial.estimator
        numbers = [n for n in batch_order(pool.numbers, 0, train.seed) if n in part.numbers]
        sent, name = self._tasks.broadcast(estimator), f"trial-{trial.number}"
        parts = [
            self._tasks.submit(name, train_whole, sent, pool.batches(group), coded, part.step)
            for group in estimator.groups(numbers, train.lanes)
        ]
        trial.rows += sum(pool.rows(n, part.step) for n in numbers)
        return _Abreast([trial], coded, self._tasks.submit(name, join_whole, sent, parts, coded), part.step, [])

    def _step(self, all_of_them: Sequence[_Abreast], stage: Stage) -> None:
        """One round of every trial that has one left: the batches of one are in memory at a time, and no more."""
        going = [one for one in all_of_them if one.rounds]
        wanted = {one.pool: dict[int, TaskHandle]() for one in going}
        for pool, ready in wanted.items():
            numbers = list(dict.fromkeys(n for one in going if one.pool is pool for n in one.rounds[0]))
            ready |= dict(zip(numbers, pool.batches(numbers), strict=True))
        futures = [future for ready in wanted.values() for future in ready.values()]
        sizes = [(0, 0)] * len(futures)
        for one in going:
            pool, numbers, ready = one.pool, one.rounds.pop(0), wanted[one.pool]
            together: list[TaskHandle] = []
            count = min(one.train.lanes, len(numbers))
            name = f"trial-{one.trials[0].number}"
            for k in range(count):
                lanes = one.lanes
                for some in chunks(numbers[k::count], SEGMENT_SIZE * one.step):
                    rows = sum(pool.rows(n, one.step) for n in some)
                    for trial in one.trials:
                        trial.rows += rows
                    lanes = self._tasks.submit(name, train_some, lanes, [ready[n] for n in some], one.coded, one.step)
                    futures.append(lanes)
                    sizes.append((len(some) * len(one.trials), rows * len(one.trials)))
                together.append(lanes)
            if one.train.lanes > 1:
                one.lanes = self._merged(one, together)
                futures.append(one.lanes)
                sizes.append((0, 0))
            else:
                one.lanes = together[0]
        stage.wait(futures, sizes)

    def _merged(self, one: _Abreast, together: Sequence[TaskHandle]) -> TaskHandle:
        number = one.trials[0].number
        shares = self._tasks.map_plain(f"merge-share-{number}", share_all, together, one.lanes)
        share = self._tasks.reduce(shares, merge_shares_all, f"lanes-{number}")
        return self._tasks.submit(f"merge-hand_over-{number}", merged_all, one.lanes, share, list(together))

    def _score(self, going: Sequence[_Abreast], stage: Stage) -> list[list[Any]]:
        parts: list[list[TaskHandle]] = [[] for _ in going]
        for pool in dict.fromkeys(one.pool for one in going):
            for numbers in pool.segments:
                batches = pool.batches(numbers)
                for i, one in enumerate(going):
                    if one.pool is pool:
                        arguments = one.lanes, batches, one.coded, self._scoring.metrics
                        parts[i].append(self._tasks.submit(f"score-{one.trials[0].number}", score_all, *arguments))
                stage.wait([*batches, *(some[-1] for some in parts if some)])
        merged = [self._tasks.reduce(some, merge_scored_all, f"score-{i}") for i, some in enumerate(parts)]
        stage.wait(merged)
        return list(self._tasks.gather(merged))


def _encoding_of(trial: Trial) -> Any:
    """What trials agree in whose rows are encoded alike."""
    return trial.pool, repr(trial.plan.features.columns)


def _even(count: int, most: int) -> int:
    """The size of parts of at most ``most`` that are all about as large."""
    return math.ceil(count / math.ceil(count / most))
