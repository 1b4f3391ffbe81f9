"""Trials: settings that train side by side on the same rows, and how well each does on rows kept aside."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import Future

from pipeline import evaluate
from pipeline.encode import Coding, Rows
from pipeline.errors import DataError, PipelineError
from pipeline.evaluate import States, Target
from pipeline.metrics import Accuracy, Errors, LogLoss, Metric, Prediction, metrics_for
from pipeline.models import learns_whole, make
from pipeline.pack import PackedBatch
from pipeline.plan import Plan
from pipeline.pool import Pool
from pipeline.progress import Stage
from pipeline.rounds import SEGMENT
from pipeline.space import Values
from pipeline.split import VALIDATION
from pipeline.tasks import Tasks, chunks
from pipeline.train import Lane, batch_order, fitted, merge_shares, merged_lane, share_of, start, train_batches
from pipeline.whole import fit_group, trained

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

# Trials that one task scores at most: enough to encode the rows once, few enough for all workers to have some.
TOGETHER = 8


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
class Failed:
    """In place of a result: why there is none."""

    reason: str


@dataclass(frozen=True)
class Scoring:
    """By which figure trials are compared, and the metrics that give it."""

    name: str
    metrics: tuple[type[Metric], ...]

    @classmethod
    def of(cls, name: str, trials: Sequence[Trial], exact_rows: int) -> "Scoring":
        """For ``"auto"`` what training is watched by."""
        task = trials[0].plan.features.task
        if name == "auto":
            sure = all(hasattr(trial.estimator, "predict_proba") for trial in trials)
            name = "mean_squared_error" if task == "regression" else "log_loss" if sure else "accuracy"
        alone: dict[str, tuple[type[Metric], ...]] = {"log_loss": (LogLoss,), "accuracy": (Accuracy,)}
        alone["mean_squared_error"] = (Errors,)
        rows = trials[0].plan.rows
        return cls(name, alone.get(name) or metrics_for(task, rows, exact_rows))

    def value(self, states: States) -> float:
        """The figure.

        Raises
        ------
        DataError
            The metrics have no such figure.
        """
        figures = evaluate.results(states)
        if self.name not in figures:
            known = ", ".join(figures) or "none of these models has it"
            raise DataError(f"search.metric: no figure {self.name!r} of these models; there are {known}.")
        return figures[self.name]

    def loss(self, score: float | None) -> float | None:
        """What gets smaller as trials get better."""
        return score if score is None or self.name not in GREATER else -score


def guarded(function: Callable[..., Any], *arguments: Any) -> Any:
    """What ``function`` gives, or why a setting cannot be trained or scored: the search goes on without it."""
    for argument in arguments:
        for one in argument if isinstance(argument, list) else [argument]:
            if isinstance(one, Failed):
                return one
    try:
        return function(*arguments)
    except (PipelineError, ArithmeticError, TypeError) as error:
        return Failed(str(error))


@dataclass(frozen=True)
class Coded:
    """What trials that encode alike have in common."""

    coding: Coding
    target: Target


def train_some(lane: Lane, batches: Sequence[PackedBatch], coded: Coded) -> Lane:
    """The lane after some batches."""
    return train_batches(lane, batches, coded.coding, coded.target, watched=False)


def train_whole(estimator: Any, batches: Sequence[PackedBatch], coded: Coded) -> Any:
    """The model of a group of batches, as `whole.fit_group` gives it."""
    return fit_group(estimator, batches, coded.coding, coded.target)


def join_whole(estimator: Any, parts: list[Any], coded: Coded) -> Lane:
    """The lane of what the groups' models are together."""
    return trained(estimator, parts, coded.target)


def score_lanes(
    lanes: Sequence[Lane | Failed], batches: Sequence[PackedBatch], coded: Coded, metrics: tuple[type[Metric], ...]
) -> list[Any]:
    """The metrics of each model on the rows kept aside, which are encoded once for all of them."""
    parts: list[list[Any]] = [[] for _ in lanes]
    for batch in batches:
        rows = coded.coding.rows(batch, VALIDATION)
        for lane, found in zip(lanes, parts, strict=True):
            found.append(guarded(_states, lane, rows, coded.target, metrics))
    return [merge_scored(found) for found in parts]


def _states(lane: Lane, rows: Rows, target: Target, metrics: tuple[type[Metric], ...]) -> States:
    if lane.estimator is None:
        raise DataError("there was no row to train on")
    nothing = np.zeros(0, dtype=rows.y.dtype)
    prediction = Prediction(nothing, nothing)
    if len(rows):
        classes = metrics != (LogLoss,)
        prediction = evaluate.predict(fitted(lane, target), rows.X, rows.y, target, classes=classes)
    return evaluate.states_of(metrics, prediction)


def merge_scored(parts: list[Any]) -> Any:
    """As `evaluate.merge_states`, of results that may have failed."""
    return guarded(evaluate.merge_states, parts)


def merge_shared(parts: list[Any]) -> Any:
    """As `merge_shares`, of results that may have failed."""
    return guarded(merge_shares, parts)


@dataclass
class _Under:
    """A trial under way: what was sent for it, its lane, and the rounds that it has left."""

    trial: Trial
    coded: Future
    lane: Future
    step: int
    rounds: list[list[int]]


class Racing:
    """Trains and scores trials side by side; everything merges by its place, never by its arrival."""

    def __init__(self, tasks: Tasks, scoring: Scoring):
        self._tasks, self._scoring = tasks, scoring

    def race(self, trials: Sequence[Trial], share: float, epochs: int, stage: Stage) -> None:
        """Train ``trials`` from the beginning as a run would, with a ``share`` of the work, and score them.

        All the work is all training rows in ``epochs`` epochs. Less of it is fewer epochs first, then fewer rows:
        what is good for few rows is often not good for many.

        Raises
        ------
        DataError
            There is no such metric.
        """
        sent: dict[Any, Future] = {}
        under = [self._begun(trial, share * epochs, sent) for trial in trials]
        while any(one.rounds for one in under):
            self._step(under, stage)
        for trial, score in zip(trials, self._score(under, stage), strict=True):
            bad = isinstance(score, Failed)
            trial.share, trial.failed = share, score.reason if bad else ""
            trial.score = None if bad else self._scoring.value(score)

    def _begun(self, trial: Trial, passes: float, sent: dict[Any, Future]) -> _Under:
        key = trial.pool, repr(trial.plan.features.columns)
        if key not in sent:
            encoder, target = trial.pool.encoder(trial.plan)
            sent[key] = self._tasks.send(Coded(Coding(encoder, target.classes, trial.plan.config.train.seed), target))
        train = trial.plan.config.train
        if learns_whole(trial.estimator):
            return self._begun_whole(trial, sent[key], passes)
        epochs = min(train.epochs, math.ceil(passes - 1e-9))
        part = trial.pool.part(min(passes / epochs, 1.0))
        lane = self._tasks.send(start(trial.estimator))
        return _Under(trial, sent[key], lane, part.step, trial.pool.rounds(part, train, epochs))

    def _begun_whole(self, trial: Trial, coded: Future, passes: float) -> _Under:
        """A trial whose model does not learn batch by batch: all of it is trained in one go, on fewer rows."""
        pool, train = trial.pool, trial.plan.config.train
        part, estimator = pool.part(min(passes, 1.0)), trial.estimator
        numbers = [n for n in batch_order(pool.numbers, 0, train.seed) if n in part.numbers]
        sent = self._tasks.send(estimator)
        one = _Under(trial, coded, sent, part.step, [])
        parts = [
            self._guarded(one, "trial", train_whole, sent, pool.training(group, part.step), coded)
            for group in estimator.groups(numbers, train.lanes)
        ]
        trial.rows += sum(pool.rows(n, part.step) for n in numbers)
        one.lane = self._guarded(one, "trial", join_whole, sent, parts, coded)
        return one

    def _step(self, under: Sequence[_Under], stage: Stage) -> None:
        """One round of every trial that has one left: the batches of one are in memory at a time, and no more."""
        going = [one for one in under if one.rounds]
        wanted = {(one.trial.pool, one.step): dict[int, Future]() for one in going}
        for (pool, step), ready in wanted.items():
            rounds = [one.rounds[0] for one in going if one.trial.pool is pool and one.step == step]
            numbers = list(dict.fromkeys(n for some in rounds for n in some))
            ready |= dict(zip(numbers, pool.training(numbers, step), strict=True))
        futures = [future for ready in wanted.values() for future in ready.values()]
        sizes = [(0, 0)] * len(futures)
        for one in going:
            pool, numbers, ready = one.trial.pool, one.rounds.pop(0), wanted[one.trial.pool, one.step]
            lanes: list[Future] = []
            count = min(one.trial.plan.config.train.lanes, len(numbers))
            for k in range(count):
                lane = one.lane
                for some in chunks(numbers[k::count], SEGMENT):
                    rows = sum(pool.rows(n, one.step) for n in some)
                    one.trial.rows += rows
                    lane = self._guarded(one, "trial", train_some, lane, [ready[n] for n in some], one.coded)
                    futures.append(lane)
                    sizes.append((len(some), rows))
                lanes.append(lane)
            if one.trial.plan.config.train.lanes > 1:
                one.lane = self._merged(one, lanes)
                futures.append(one.lane)
                sizes.append((0, 0))
            else:
                one.lane = lanes[0]
        stage.wait(futures, sizes)

    def _guarded(self, one: _Under, name: str, function: Callable[..., Any], *arguments: Any) -> Future:
        return self._tasks.submit(f"{name}-{one.trial.number}", guarded, function, *arguments)

    def _merged(self, one: _Under, lanes: Sequence[Future]) -> Future:
        shares = [self._guarded(one, "merge-share", share_of, lane, one.lane) for lane in lanes]
        share = self._tasks.reduce(shares, merge_shared, f"lanes-{one.trial.number}")
        return self._guarded(one, "merge-hand_over", merged_lane, one.lane, share, list(lanes))

    def _score(self, under: Sequence[_Under], stage: Stage) -> list[Any]:
        alike: dict[Any, list[int]] = {}
        for i, one in enumerate(under):
            alike.setdefault((one.trial.pool, one.coded), []).append(i)
        parts: list[list[Future]] = [[] for _ in under]
        for pool in dict.fromkeys(pool for pool, _ in alike):
            for numbers in pool.validation(SEGMENT):
                batches = pool.scored(numbers)
                found = []
                for (of, coded), group in alike.items():
                    for some in chunks(group, TOGETHER) if of is pool else ():
                        lanes = [under[i].lane for i in some]
                        scored = self._tasks.submit(
                            f"score-{some[0]}", score_lanes, lanes, batches, coded, self._scoring.metrics
                        )
                        picked = [
                            self._tasks.submit(f"score-{i}", list.__getitem__, scored, k) for k, i in enumerate(some)
                        ]
                        found += [scored, *picked]
                        for i, future in zip(some, picked, strict=True):
                            parts[i].append(future)
                stage.wait([*batches, *found])
        merged = [self._tasks.reduce(some, merge_scored, f"score-{i}") for i, some in enumerate(parts)]
        stage.wait(merged)
        return list(self._tasks.client.gather(merged))
