"""Training in rounds: lanes train in parallel, merge, and go on from what they merged to; one graph for each round."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline import config as cfg
from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.engine.batch_schedule import restrict_to, segments_of
from pipeline.engine.stage import Stage
from pipeline.engine.task_graph import Aggregation
from pipeline.engine.task_handle import FuturesFor, TaskHandle
from pipeline.engine.task_runner import TaskRunner
from pipeline.errors import DataError
from pipeline.evaluation.evaluator import Evaluator, evaluate_batch
from pipeline.io.batching import Batch
from pipeline.metrics.states import MetricStates, merge_states
from pipeline.models.target import TargetSpec
from pipeline.monitoring.events import Events
from pipeline.preparation.packing import PackedBatch
from pipeline.preparation.split import VALIDATION
from pipeline.training.lane import Lane, Loss, loss_metric, loss_value
from pipeline.training.round import Round, Segment, read_round, rounds_of, submit_round


@dataclass
class Training:
    """The state of a training.

    The next round depends on nothing else. Training that continues from a copy, in another process and on another
    cluster, ends with the same bits.
    """

    lane: Lane
    rounds: int = 0
    """Finished rounds, over all epochs."""
    epochs: int = 0
    """Finished epochs."""
    rows: int = 0
    progressive: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)
    best: Lane | None = None
    """The lane after the epoch with the least loss, if validation decides."""
    best_loss: float = float("inf")
    still: int = 0
    """Epochs in a row without improvement."""
    epoch_losses: list[tuple[int, float]] = field(default_factory=list)
    """Rows and loss of each batch of this epoch so far, the loss before the batch was trained on."""
    ended: bool = False

    def copy(self) -> "Training":
        """The state as it is now; lanes are never changed."""
        curves: dict[str, Any] = {name: list(getattr(self, name)) for name in ("progressive", "validation")}
        return replace(self, epoch_losses=list(self.epoch_losses), **curves)

    def add_losses(self, losses: Sequence[Loss]) -> None:
        """Add a point to the learning curve for every batch that was predicted."""
        for rows, metric in losses:
            self.rows += rows
            if metric is not None:
                self.progressive.append({"rows": self.rows, **metric.result()})
            loss = loss_value(metric)
            if loss is not None:
                self.epoch_losses.append((rows, loss))


class TrainingEventEmitter:
    """Emits the events of a training. A resumed one emits the whole curve again, which a new listener needs."""

    def __init__(self, events: Events, training: Training):
        self._events, self._points, self._epochs = events, 0, 0
        if training.rounds:
            self.emit(training)

    def emit(self, training: Training) -> None:
        """Emit what is new since the last call."""
        new = training.progressive[self._points :]
        self._points = len(training.progressive)
        self._events.emit("round_finished", rounds=training.rounds, rows=training.rows, progressive=new)
        for point in training.validation[self._epochs :]:
            self._events.emit("epoch_validated", figures={"rows": training.rows, **point})
        self._epochs = len(training.validation)


@dataclass(frozen=True)
class TrainingData:
    """The batches of a run, by number, and the rows of each that are to be trained on."""

    batches: Sequence[Batch]
    expected_rows: Mapping[int, int]

    @property
    def numbers(self) -> list[int]:
        """The batches that may have rows to train on."""
        return [batch.number for batch in self.batches if batch.test is not True]

    def check_rows(self, rows: Mapping[int, int]) -> None:
        """Compare the rows that batches were trained on with those expected.

        Raises
        ------
        DataError
            A batch has other rows than the statistics saw in it.
        """
        for n, count in rows.items():
            expected = self.expected_rows.get(n, 0)
            if count != expected:
                raise DataError(
                    f"batch {n} ({self.batches[n]}): {count:,} rows to train on, {expected:,} when it was read before; "
                    "have prepare.function give the same rows each time."
                )


class Trainer:
    """Trains one lane or several through all epochs; the batches of the next round are read meanwhile.

    Everything merges by its position in the round, so the bits do not depend on which worker did what or when.

    Parameters
    ----------
    futures_for
        Gives the tasks whose results are the packed batches of segments.
    """

    def __init__(
        self,
        tasks: TaskRunner,
        config: cfg.TrainConfig,
        data: TrainingData,
        futures_for: FuturesFor,
        batch_encoder: BatchEncoder,
        target: TargetSpec,
    ):
        self._tasks, self._config, self._data, self._futures_for = tasks, config, data, futures_for
        self._encoder, self._target = tasks.broadcast(batch_encoder), tasks.broadcast(target)

    def run(self, training: Training, stage: Stage, on_round: Callable[[Training], None]) -> Training:
        """Go on from ``training`` through all epochs, and call ``on_round`` after each round.

        Raises
        ------
        DataError
            The model refuses to train, or a batch has other rows than the statistics saw in it.
        """
        rounds = rounds_of(self._data.numbers, self._config)
        stage.skip(sum(len(finished.numbers) for finished in rounds[: training.rounds]))
        lanes = self._read(rounds[training.rounds]) if not training.ended else []
        while not training.ended:
            current = rounds[training.rounds]
            following = rounds[training.rounds + 1] if training.rounds + 1 < len(rounds) else None
            current_lanes, lanes = lanes, self._read(following) if following else []
            training.lane, losses = self._train(training.lane, current, current_lanes, stage)
            training.rounds += 1
            training.add_losses(losses)
            if following is None or following.epoch > current.epoch:
                training.epochs = current.epoch + 1
                training.ended = self._stops_early(training, stage) or following is None
                training.epoch_losses = []
            if training.ended and training.best is not None:
                training.lane, training.best = training.best, None
            on_round(training)
        if training.epochs < self._config.epochs:
            stage.end(f"stopped after {training.epochs} of {self._config.epochs} epochs")
        return training

    def _read(self, round_: Round) -> list[list[Segment[TaskHandle]]]:
        return read_round(round_, self._config.lanes, self._futures_for)

    def _train(
        self, start: Lane, round_: Round, lanes: list[list[Segment[TaskHandle]]], stage: Stage
    ) -> tuple[Lane, list[Loss]]:
        """Train all lanes on their segments; the lane that they merge to, and the losses in order of the batches.

        The lane comes to the client and is sent from there. So workers that are lost in a round cost that round at
        most, and none before it.
        """
        tasks, sent = self._tasks, self._tasks.broadcast(start)
        fan_in = tasks.fan_in if self._config.lanes > 1 else None
        submitted = submit_round(tasks.submit_all, round_.name, sent, lanes, self._encoder, self._target, fan_in)
        stage.wait(submitted.trained, tasks.sizes_of(submitted.trained))
        stage.wait([submitted.merged])
        lane, losses = tasks.gather([submitted.merged, submitted.losses])
        loss_of: dict[int, Loss] = {}
        for task, of_segment in zip(submitted.trained, losses, strict=True):
            loss_of.update(zip(task.batch_numbers, of_segment, strict=True))
        self._data.check_rows({n: rows for n, (rows, _) in loss_of.items()})
        return replace(lane, losses=()), [loss_of[n] for n in round_.numbers]

    def _stops_early(self, training: Training, stage: Stage) -> bool:
        """Whether the epoch that has ended was one too many."""
        config = self._config
        if config.early_stopping == "off":
            return False
        by_rows = config.early_stopping == "validation"
        loss = self._validate(training, stage) if by_rows else _mean(training.epoch_losses)
        is_better = training.best_loss - loss >= config.tol * abs(training.best_loss)
        training.still = 0 if is_better else training.still + 1
        if loss < training.best_loss:
            training.best, training.best_loss = training.lane if by_rows else None, loss
        return training.still >= config.n_iter_no_change

    def _validate(self, training: Training, stage: Stage) -> float:
        """The loss on the rows kept out of training; it also becomes a point of the validation curve."""
        lane = self._tasks.broadcast(training.lane)
        segments = restrict_to(segments_of(self._data.batches, self._config), set(self._data.numbers))
        arguments = lane, self._encoder, self._target
        validate = Aggregation(f"validate-{training.epochs}", validate_batch, merge_states, arguments)
        merged: MetricStates = self._tasks.map_reduce_batches(
            stage, validate, segments, self._futures_for, counted=False
        )
        loss = loss_value(merged[0])
        assert loss is not None, "the ledger has seen validation rows"
        training.validation.append({"epoch": training.epochs, **merged[0].result()})
        return loss


def validate_batch(batch: PackedBatch, lane: Lane, batch_encoder: BatchEncoder, target: TargetSpec) -> MetricStates:
    """The `loss_metric` of the validation rows of a batch."""
    model = target.unscaled(lane.estimator)
    evaluator = Evaluator(model, batch_encoder, target, (loss_metric(model, target),))
    return evaluate_batch(batch, evaluator, VALIDATION).metrics


def _mean(losses: Sequence[tuple[int, float]]) -> float:
    """The mean loss, weighted by rows."""
    return sum(rows * loss for rows, loss in losses) / max(sum(rows for rows, _ in losses), 1)
