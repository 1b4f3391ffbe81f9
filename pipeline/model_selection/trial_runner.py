"""Running trials: they train side by side on the same rows, and are scored on the validation rows."""

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
from pipeline.model_selection.batched_trials import (
    EncoderAndTarget,
    Failed,
    fit_batch_group,
    join_batch_groups,
    lane_deltas,
    merge_lane_deltas,
    merge_lanes,
    merge_scores,
    score_lanes,
    train_lanes,
)
from pipeline.model_selection.shared_trial_data import SharedTrialData
from pipeline.model_selection.successive_halving import Rung
from pipeline.model_selection.trial import Trial, TrialScore
from pipeline.model_selection.trial_metric import TrialMetric
from pipeline.models.factory import needs_full_batches
from pipeline.training.lane import new_lane

# Trials that one task trains or scores, at most: their models are in memory together.
MAX_TRIALS_PER_TASK = 16
# With one task for each thread, a worker that happens to get two would keep all others waiting.
TASKS_PER_THREAD = 2


@dataclass
class TrialGroup:
    """Trials that one task trains together, and how far they have come; it changes as they train."""

    trials: Sequence[Trial]
    encoding: TaskHandle
    """Holds the `EncoderAndTarget` of all of them."""
    lanes: TaskHandle
    """Holds the lane of each."""
    step: int
    """They train on every ``step``-th row."""
    rounds: list[list[int]]
    """The batches of each round that is left."""
    rows: int = 0
    """The rows that each trial was trained on."""

    @property
    def data(self) -> SharedTrialData:
        return self.trials[0].data

    @property
    def train(self) -> cfg.TrainConfig:
        return self.trials[0].plan.config.train

    @property
    def name(self) -> str:
        """What its tasks are called by: the number of the first trial."""
        return str(self.trials[0].number)


class TrialRunner:
    """Trains and scores trials side by side; everything merges by its position, never by its arrival.

    Parameters
    ----------
    threads
        Those of all workers: trials are divided among so many tasks that all threads have work.
    """

    def __init__(self, tasks: TaskRunner, metric: TrialMetric, threads: int):
        self._tasks, self._metric, self._threads = tasks, metric, threads

    def run_rung(self, trials: Sequence[Trial], rung: Rung, epochs: int, stage: Stage) -> list[TrialScore]:
        """Train ``trials`` from the beginning, as a run would, with the rung's share of the training, and score them.

        The whole training is all training rows in ``epochs`` epochs. A share of it is fewer epochs first, then fewer
        rows: what is good for few rows is often not good for many. The scores count the rows of this rung alone.

        Raises
        ------
        DataError
            There is no such metric.
        """
        encodings: dict[Any, TaskHandle] = {}
        groups = [self._start_group(group, rung.share * epochs, encodings) for group in self._grouped(trials)]
        while any(group.rounds for group in groups):
            self._train_round(groups, stage)
        scores = {}
        for group, results in zip(groups, self._score(groups, stage), strict=True):
            for trial, result in zip(group.trials, results, strict=True):
                failed = isinstance(result, Failed)
                scores[trial.number] = TrialScore(
                    trial=trial.number,
                    bracket=rung.bracket,
                    share=rung.share,
                    score=None if failed else self._metric.value(result),
                    rows=group.rows,
                    failed=result.reason if failed else "",
                    values=trial.values,
                )
        return [scores[trial.number] for trial in trials]

    def _grouped(self, trials: Sequence[Trial]) -> list[list[Trial]]:
        """Return the trials by what one task can train at a time; their scores do not depend on it."""
        alike: dict[Any, list[Trial]] = {}
        for trial in trials:
            train = trial.plan.config.train
            alone = trial.number if needs_full_batches(trial.new_estimator()) else None
            key = _encoding_key(trial), train.epochs, train.lanes, train.round_batches, alone
            alike.setdefault(key, []).append(trial)
        max_size = min(max(len(trials) // (TASKS_PER_THREAD * self._threads), 1), MAX_TRIALS_PER_TASK)
        return [part for group in alike.values() for part in chunks(group, _even_size(len(group), max_size))]

    def _start_group(self, trials: list[Trial], passes: float, encodings: dict[Any, TaskHandle]) -> TrialGroup:
        """Send what a group needs for so many passes over the rows; ``encodings`` are those sent so far."""
        trial, data, key = trials[0], trials[0].data, _encoding_key(trials[0])
        train = trial.plan.config.train
        if key not in encodings:
            encoder, target = data.encoder(trial.plan)
            batch_encoder = BatchEncoder(encoder, target.classes, train.seed)
            encodings[key] = self._tasks.broadcast(EncoderAndTarget(batch_encoder, target))
        if needs_full_batches(trial.new_estimator()):
            return self._fit_on_full_batches(trial, passes, encodings[key])
        epochs = min(train.epochs, math.ceil(passes - 1e-9))
        part = data.subsample(min(passes / epochs, 1.0))
        lanes = self._tasks.broadcast([new_lane(trial.new_estimator()) for trial in trials])
        return TrialGroup(trials, encodings[key], lanes, part.step, data.rounds(part, train, epochs))

    def _fit_on_full_batches(self, trial: Trial, passes: float, encoding: TaskHandle) -> TrialGroup:
        """Start a trial whose model learns from full batches: it has no rounds, and less training means fewer rows."""
        data, train, estimator = trial.data, trial.plan.config.train, trial.new_estimator()
        part, name = data.subsample(min(passes, 1.0)), f"trial-{trial.number}"
        numbers = [number for number in batch_order(data.numbers, 0, train.seed) if number in part.numbers]
        sent = self._tasks.broadcast(estimator)
        fitted = [
            self._tasks.submit(name, fit_batch_group, sent, data.batches(group), encoding, part.step)
            for group in estimator.groups(numbers, train.lanes)
        ]
        lanes = self._tasks.submit(name, join_batch_groups, sent, fitted, encoding)
        rows = sum(data.training_rows(number, part.step) for number in numbers)
        return TrialGroup([trial], encoding, lanes, part.step, rounds=[], rows=rows)

    def _train_round(self, groups: Sequence[TrialGroup], stage: Stage) -> None:
        """Train one round of every group that has one left; no batches but those of this round are in memory."""
        running = [group for group in groups if group.rounds]
        batches = _batches_of_round(running)
        futures = [future for by_number in batches.values() for future in by_number.values()]
        sizes = [(0, 0)] * len(futures)
        for group in running:
            numbers, by_number = group.rounds.pop(0), batches[group.data]
            trained = []
            count = min(group.train.lanes, len(numbers))
            for k in range(count):
                lanes = group.lanes
                for part in chunks(numbers[k::count], SEGMENT_SIZE * group.step):
                    inputs = [by_number[number] for number in part]
                    lanes = self._tasks.submit(
                        f"trial-{group.name}", train_lanes, lanes, inputs, group.encoding, group.step
                    )
                    rows = sum(group.data.training_rows(number, group.step) for number in part)
                    group.rows += rows
                    futures.append(lanes)
                    sizes.append((len(part) * len(group.trials), rows * len(group.trials)))
                trained.append(lanes)
            if group.train.lanes > 1:
                group.lanes = self._merge(group.lanes, trained, group.name)
                futures.append(group.lanes)
                sizes.append((0, 0))
            else:
                group.lanes = trained[0]
        stage.wait(futures, sizes)

    def _merge(self, round_start: TaskHandle, trained: Sequence[TaskHandle], name: str) -> TaskHandle:
        deltas = self._tasks.map_plain(f"merge-share-{name}", lane_deltas, trained, round_start)
        merged = self._tasks.reduce(deltas, merge_lane_deltas, f"lanes-{name}")
        return self._tasks.submit(f"merge-hand_over-{name}", merge_lanes, round_start, merged, list(trained))

    def _score(self, groups: Sequence[TrialGroup], stage: Stage) -> list[list[Any]]:
        """Return the merged metrics, or `Failed`, of each trial of each group."""
        parts: list[list[TaskHandle]] = [[] for _ in groups]
        for data in dict.fromkeys(group.data for group in groups):
            for numbers in data.segments:
                batches = data.batches(list(numbers))
                for group, states in zip(groups, parts, strict=True):
                    if group.data is data:
                        inputs = group.lanes, batches, group.encoding, self._metric.metrics
                        states.append(self._tasks.submit(f"score-{group.name}", score_lanes, *inputs))
                stage.wait([*batches, *(states[-1] for states in parts if states)])
        merged = [self._tasks.reduce(states, merge_scores, f"score-{i}") for i, states in enumerate(parts)]
        stage.wait(merged)
        return list(self._tasks.gather(merged))


def _batches_of_round(groups: Sequence[TrialGroup]) -> dict[SharedTrialData, dict[int, TaskHandle]]:
    """Return what holds the batches of the next round of all groups, by number, of each of the data they share."""
    batches: dict[SharedTrialData, dict[int, TaskHandle]] = {group.data: {} for group in groups}
    for data, by_number in batches.items():
        numbers = list(dict.fromkeys(n for group in groups if group.data is data for n in group.rounds[0]))
        by_number |= zip(numbers, data.batches(numbers), strict=True)
    return batches


def _encoding_key(trial: Trial) -> Any:
    """Return what trials agree in if their rows are encoded alike."""
    return trial.data, repr(trial.plan.features.columns)


def _even_size(count: int, max_size: int) -> int:
    """Return the size of parts that are all about as large, and none larger than ``max_size``."""
    return math.ceil(count / math.ceil(count / max_size))
