"""Rounds: lanes train side by side, merge, and go on from what they merged; a graph for each round."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from distributed import Future

from pipeline import config as cfg
from pipeline import evaluate
from pipeline.encode import Coding
from pipeline.evaluate import Judge, States, Target
from pipeline.pack import PackedBatch
from pipeline.progress import Stage
from pipeline.split import VALIDATION
from pipeline.tasks import Tasks, chunks
from pipeline.train import (
    Lane,
    Loss,
    batch_order,
    loss_metric,
    loss_value,
    losses_of,
    merge_shares,
    merged_lane,
    share_of,
    train_batches,
)

# Batches that one task trains on: enough to hide a hop between workers, few enough to fit beside each other.
SEGMENT = 8

Batches = Callable[[list[int]], list[Future]]


@dataclass
class Training:
    """What training leaves: the lane, its learning curve, and how it ended."""

    lane: Future
    rows: int = 0
    epochs: int = 0
    progressive: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)

    def note(self, losses: Sequence[Loss]) -> None:
        """Go on with the learning curve: a point for every batch that was predicted."""
        for rows, loss in losses:
            self.rows += rows
            if loss is not None:
                self.progressive.append({"rows": self.rows, **loss.result()})


class Trainer:
    """Trains one lane or several through all epochs; the next round's batches are read meanwhile.

    Everything that is merged is merged by its place in the round, so the bits do not depend on which
    worker did what or when.

    Parameters
    ----------
    batches
        Gives the packed batches of some numbers.
    rows
        Rows of each batch, by number.
    """

    def __init__(
        self, tasks: Tasks, config: cfg.Train, batches: Batches, coding: Coding, target: Target, rows: Sequence[int]
    ):
        self._tasks, self._config, self._batches, self._rows = tasks, config, batches, rows
        self._coding, self._target = tasks.send(coding), tasks.send(target)

    def run(self, lane: Lane, numbers: list[int], stage: Stage) -> Training:
        """From ``lane`` through all epochs over the batches of ``numbers``."""
        config = self._config
        done = Training(self._tasks.send(lane))
        best, best_loss, still = done.lane, float("inf"), 0
        rounds = [
            (epoch, i, part)
            for epoch in range(config.epochs)
            for i, part in enumerate(chunks(batch_order(numbers, epoch, config.seed), config.round_batches))
        ]
        ready = self._batches(rounds[0][2])
        epoch_losses: list[Loss] = []
        for (epoch, i, part), following in zip(rounds, [*rounds[1:], None], strict=True):
            here, ready = dict(zip(part, ready, strict=True)), self._batches(following[2]) if following else []
            done.lane, losses = self._round(done.lane, here, f"{epoch}-{i}", stage)
            done.note(losses)
            epoch_losses += losses
            if following and following[0] == epoch:
                continue
            done.epochs = epoch + 1
            if config.early_stopping == "off":
                continue
            if config.early_stopping == "validation":
                loss = self._validate(done, numbers, epoch, stage)
            else:
                loss = _mean(epoch_losses)
            epoch_losses = []
            still = still + 1 if best_loss - loss < config.tol * abs(best_loss) else 0
            if loss < best_loss:
                best, best_loss = done.lane, loss
            if still >= config.n_iter_no_change:
                break
        if config.early_stopping == "validation":
            done.lane = best
        return done

    def _round(self, base: Future, ready: dict[int, Future], name: str, stage: Stage) -> tuple[Future, list[Loss]]:
        """All lanes over their batches of the round, and what they merge to; the losses in order of the batches."""
        numbers, count = list(ready), min(self._config.lanes, len(ready))
        lanes, trained, parts = [], [], []
        for k in range(count):
            lane = base
            for s, part in enumerate(chunks(numbers[k::count], SEGMENT)):
                batches = [ready.pop(n) for n in part]  # held by the task alone, so that it frees them when it is done
                lane = self._tasks.submit(
                    f"train-{name}-{k}-{s}", train_batches, lane, batches, self._coding, self._target
                )
                del batches
                trained.append(lane)
                parts.append(part)
            lanes.append(lane)
        losses = [self._tasks.submit(f"losses-{lane.key}", losses_of, lane) for lane in trained]
        after = self._merge(base, lanes, name) if self._config.lanes > 1 else lanes[0]
        stage.wait(trained, [(len(part), sum(self._rows[n] for n in part)) for part in parts])
        stage.wait([after])
        found = self._tasks.client.gather(losses)
        by_number = {
            n: loss for part, some in zip(parts, found, strict=True) for n, loss in zip(part, some, strict=True)
        }
        return after, [by_number[n] for n in numbers]

    def _merge(self, base: Future, lanes: list[Future], name: str) -> Future:
        shares = [self._tasks.submit(f"share-{name}-{k}", share_of, lane, base) for k, lane in enumerate(lanes)]
        share = self._tasks.reduce(shares, merge_shares, f"lanes-{name}")
        return self._tasks.submit(f"hand_over-{name}", merged_lane, base, share, lanes)

    def _validate(self, done: Training, numbers: list[int], epoch: int, stage: Stage) -> float:
        """The loss on the rows kept out of training, and a point of its curve."""

        def begin(window: list[int]) -> list[Future]:
            named = zip(window, self._batches(window), strict=True)
            arguments = (done.lane, self._coding, self._target)
            return [
                self._tasks.submit(f"validate-{epoch}-{n}", validate_batch, batch, *arguments) for n, batch in named
            ]

        uncounted = dict.fromkeys(numbers, (0, 0))
        merged: States = self._tasks.map_reduce(stage, uncounted, begin, evaluate.merge_states, f"validate-{epoch}")
        loss = loss_value(merged[0])
        assert loss is not None, "the ledger has seen validation rows"
        done.validation.append({"epoch": epoch + 1, **merged[0].result()})
        return loss


def validate_batch(batch: PackedBatch, lane: Lane, coding: Coding, target: Target) -> States:
    """The `loss_metric` of a batch's validation rows."""
    model = target.unscaled(lane.estimator)
    judge = Judge(model, coding, target, (loss_metric(model, target),))
    return evaluate.evaluate_batch(batch, judge, VALIDATION).metrics


def _mean(losses: list[Loss]) -> float:
    """The mean over rows of what was predicted before training."""
    values = [(rows, loss_value(metric)) for rows, metric in losses]
    some = [(rows, value) for rows, value in values if value is not None]
    return sum(rows * value for rows, value in some) / max(sum(rows for rows, _ in some), 1)
