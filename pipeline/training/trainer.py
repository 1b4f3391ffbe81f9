"""Rounds: lanes train side by side, merge, and go on from what they merged; a graph for each round."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline import config as cfg
from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.engine.batch_schedule import batch_order, chunks, interleave, lanes_of, restrict_to, segments_of
from pipeline.engine.stage import Stage
from pipeline.engine.task_handle import FuturesFor, TaskHandle
from pipeline.engine.task_runner import TaskRunner
from pipeline.errors import DataError
from pipeline.evaluation.evaluator import Evaluator, States, evaluate_batch, merge_states
from pipeline.io.batching import Batch
from pipeline.models.target import TargetSpec
from pipeline.monitoring.events import Events
from pipeline.preparation.packing import PackedBatch
from pipeline.preparation.split import VALIDATION
from pipeline.training.lane import (
    Lane,
    Loss,
    delta_of,
    loss_metric,
    loss_value,
    losses_of,
    merge_deltas,
    merged_lane,
    train_batches,
)


@dataclass
class Training:
    """How far training has come; what it leaves, at its end.

    Everything is here that the next round depends on: training that goes on from a copy of it, in another
    process and on another cluster, ends with the same bits.
    """

    lane: Lane
    rounds: int = 0
    """Rounds done, over all epochs."""
    epochs: int = 0
    """Epochs done."""
    rows: int = 0
    progressive: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)
    best: Lane | None = None
    """The lane after the epoch with the least loss, where validation decides."""
    best_loss: float = float("inf")
    still: int = 0
    """Epochs in a row that were no better."""
    epoch_losses: list[tuple[int, float]] = field(default_factory=list)
    """Of this epoch's batches so far: rows, and the loss before they were trained on."""
    ended: bool = False

    def copy(self) -> "Training":
        """As it is now; lanes are never changed."""
        curves: dict[str, Any] = {name: list(getattr(self, name)) for name in ("progressive", "validation")}
        return replace(self, epoch_losses=list(self.epoch_losses), **curves)

    def note(self, losses: Sequence[Loss]) -> None:
        """Go on with the learning curve: a point for every batch that was predicted."""
        for rows, metric in losses:
            self.rows += rows
            if metric is not None:
                self.progressive.append({"rows": self.rows, **metric.result()})
            loss = loss_value(metric)
            if loss is not None:
                self.epoch_losses.append((rows, loss))


class TrainingEventEmitter:
    """What of a training has been told as events; told again after a crash is what the curve needs from its begin."""

    def __init__(self, events: Events, training: Training):
        self._events, self._points, self._epochs = events, 0, 0
        if training.rounds:
            self.emit(training)

    def emit(self, training: Training) -> None:
        """What is new since the last time."""
        new = training.progressive[self._points :]
        self._points = len(training.progressive)
        self._events.emit("round_finished", rounds=training.rounds, rows=training.rows, progressive=new)
        for point in training.validation[self._epochs :]:
            self._events.emit("epoch_validated", figures={"rows": training.rows, **point})
        self._epochs = len(training.validation)


class Trainer:
    """Trains one lane or several through all epochs; the next round's batches are read meanwhile.

    Everything that is merged is merged by its place in the round, so the bits do not depend on which
    worker did what or when.

    Parameters
    ----------
    futures_for
        Gives what holds the packed batches of segments.
    plan
        All batches, by number.
    expected
        The rows of each batch that are to be trained on, by number.
    """

    def __init__(
        self,
        tasks: TaskRunner,
        config: cfg.TrainConfig,
        futures_for: FuturesFor,
        batch_encoder: BatchEncoder,
        target: TargetSpec,
        plan: Sequence[Batch],
        expected: Mapping[int, int],
    ):
        self._tasks, self._config, self._futures_for, self._plan = tasks, config, futures_for, plan
        self._coding, self._target, self._expected = tasks.broadcast(batch_encoder), tasks.broadcast(target), expected

    def run(self, done: Training, numbers: list[int], stage: Stage, after: Callable[[Training], None]) -> Training:
        """Go on from ``done`` through all epochs over the batches of ``numbers``, calling ``after`` after each round.

        Raises
        ------
        DataError
            The model refuses to train, or a batch has other rows than the statistics saw in it.
        """
        config = self._config
        rounds = [
            (epoch, i, part)
            for epoch in range(config.epochs)
            for i, part in enumerate(chunks(batch_order(numbers, epoch, config.seed), config.round_batches))
        ]
        stage.skip(sum(len(part) for _, _, part in rounds[: done.rounds]))
        ready = self._read(rounds[done.rounds][2]) if not done.ended else []
        while not done.ended:
            epoch, i, part = rounds[done.rounds]
            following = rounds[done.rounds + 1] if done.rounds + 1 < len(rounds) else None
            here, ready = ready, self._read(following[2]) if following else []
            done.lane, losses = self._round(done.lane, part, here, f"{epoch}-{i}", stage)
            done.rounds += 1
            done.note(losses)
            if following is None or following[0] > epoch:
                done.epochs = epoch + 1
                done.ended = self._enough(done, numbers, stage) or following is None
                done.epoch_losses = []
            if done.ended and done.best is not None:
                done.lane, done.best = done.best, None
            after(done)
        return done

    def _read(self, part: list[int]) -> list[list[list[TaskHandle]]]:
        """For each lane of a round what holds the batches of its segments."""
        lanes = lanes_of(part, self._config.lanes)
        # In turn, so that every lane can begin.
        places = interleave([[(k, s) for s in range(len(lane))] for k, lane in enumerate(lanes)])
        held = dict(zip(places, self._futures_for([lanes[k][s] for k, s in places]), strict=True))
        return [[held[k, s] for s in range(len(lane))] for k, lane in enumerate(lanes)]

    def _enough(self, done: Training, numbers: list[int], stage: Stage) -> bool:
        """Whether the epoch that is over was one too many."""
        config = self._config
        if config.early_stopping == "off":
            return False
        by_rows = config.early_stopping == "validation"
        loss = self._validate(done, numbers, stage) if by_rows else _mean(done.epoch_losses)
        done.still = done.still + 1 if done.best_loss - loss < config.tol * abs(done.best_loss) else 0
        if loss < done.best_loss:
            done.best, done.best_loss = done.lane if by_rows else None, loss
        return done.still >= config.n_iter_no_change

    def _round(
        self, base: Lane, numbers: list[int], ready: list[list[list[TaskHandle]]], name: str, stage: Stage
    ) -> tuple[Lane, list[Loss]]:
        """All lanes over their batches of the round, and what they merge to; the losses in order of the batches.

        The lane comes to the client and is sent from there: workers that are lost in a round cost that round at
        most, and none before it.
        """
        start = self._tasks.broadcast(base)
        lanes, trained = [], []
        for k, segments in enumerate(lanes_of(numbers, self._config.lanes)):
            lane = start
            for s, part in enumerate(segments):
                batches = ready[k].pop(0)  # held by the task alone, so that it frees them when it is done
                lane = self._tasks.submit(
                    f"train-{name}-{k}-{s}",
                    train_batches,
                    lane,
                    batches,
                    self._coding,
                    self._target,
                    batch_numbers=part,
                )
                del batches
                trained.append(lane)
            lanes.append(lane)
        losses = self._tasks.map_plain(f"losses-{name}", losses_of, trained)
        merged = self._merge(start, lanes, name) if self._config.lanes > 1 else lanes[0]
        stage.wait(trained, self._tasks.sizes_of(trained))
        stage.wait([merged])
        after, found = self._tasks.gather([merged, losses])
        by_number = {
            n: loss
            for task, some in zip(trained, found, strict=True)
            for n, loss in zip(task.batch_numbers, some, strict=True)
        }
        for n, (rows, _) in by_number.items():
            if rows != self._expected.get(n, 0):
                raise DataError(
                    f"batch {n} ({self._plan[n]}): {rows:,} rows to train on, {self._expected.get(n, 0):,} when it was "
                    "read before; have prepare.function give the same rows each time."
                )
        return replace(after, losses=()), [by_number[n] for n in numbers]

    def _merge(self, base: TaskHandle, lanes: list[TaskHandle], name: str) -> TaskHandle:
        shares = self._tasks.map_plain(f"merge-share-{name}", delta_of, lanes, base)
        share = self._tasks.reduce(shares, merge_deltas, f"lanes-{name}")
        return self._tasks.submit(f"merge-hand_over-{name}", merged_lane, base, share, lanes)

    def _validate(self, done: Training, numbers: list[int], stage: Stage) -> float:
        """The loss on the rows kept out of training, and a point of its curve."""
        lane, name = self._tasks.broadcast(done.lane), f"validate-{done.epochs}"
        segments = restrict_to(segments_of(self._plan, self._config), set(numbers))

        work, arguments = (validate_batch, merge_states), (lane, self._coding, self._target)
        merged: States = self._tasks.map_reduce_batches(
            stage, name, segments, self._futures_for, *work, *arguments, counted=False
        )
        loss = loss_value(merged[0])
        assert loss is not None, "the ledger has seen validation rows"
        done.validation.append({"epoch": done.epochs, **merged[0].result()})
        return loss


def validate_batch(batch: PackedBatch, lane: Lane, batch_encoder: BatchEncoder, target: TargetSpec) -> States:
    """The `loss_metric` of a batch's validation rows."""
    model = target.unscaled(lane.estimator)
    evaluator = Evaluator(model, batch_encoder, target, (loss_metric(model, target),))
    return evaluate_batch(batch, evaluator, VALIDATION).metrics


def _mean(losses: Sequence[tuple[int, float]]) -> float:
    """The mean over rows of what was predicted before training."""
    return sum(rows * loss for rows, loss in losses) / max(sum(rows for rows, _ in losses), 1)
