"""The flow: read, statistics, encode, train, evaluate. Dask's collections and futures appear here."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dask
import dask.dataframe as dd
import numpy as np
from distributed import Client, Future
from sklearn.pipeline import Pipeline

from pipeline import evaluate, statistics
from pipeline.aggregate import merge_all, tree
from pipeline.cluster import Session
from pipeline.encode import make_encoder
from pipeline.errors import DataError
from pipeline.evaluate import Target
from pipeline.ledger import Ledger
from pipeline.metrics import metrics_for
from pipeline.models import make, target_scale
from pipeline.plan import Plan
from pipeline.progress import Monitor, Stage
from pipeline.report import Outcome
from pipeline.stages import encode_batch, load_batch, summarise_batch
from pipeline.statistics import Summary
from pipeline.train import Lane, batch_order, fitted, progress, start, train_batch

# A scheduler likes a few thousand tasks at a time, not a million.
WINDOW = 1_000
# Part of the workers' memory that kept batches may take: the rest is for the work itself.
KEEP_SHARE = 0.5


class Job:
    """One run on a session; each stage takes what the one before it made."""

    def __init__(self, plan: Plan, session: Session, monitor: Monitor):
        self.plan, self.session, self.monitor = plan, session, monitor
        self.client: Client = session.client
        self.recipe = plan.recipe
        self.keep = _decide_keep(plan, session)
        self._run = uuid.uuid4().hex[:8]  # keys of two runs on one scheduler must not meet

    def execute(self) -> Outcome:
        """Run all stages.

        Raises
        ------
        DataError
            The data cannot be trained on, or the ledger does not balance.
        """
        plan = self.plan
        with dask.config.set({"dataframe.convert-string": False}):  # would turn any Python object into text
            frames = dd.from_map(
                load_batch, plan.batches, recipe=self.recipe, meta=plan.meta, enforce_metadata=False, label="read"
            )
        if self.keep:
            frames = self.client.persist(frames)
        summary = self._summarise(frames)
        ledger, target = understand(summary, plan)
        encoder = make_encoder(summary, plan.features, plan.config.features.max_categories)
        remote_encoder = self._send(encoder)
        encoded = self._map(frames, encode_batch, self.recipe, dask.delayed(remote_encoder), target.classes)
        if self.keep:
            encoded = self.client.persist(encoded)
        lane, progressive = self._train(encoded, target)
        del frames  # not before: a release may overtake the graph that still needs it
        model = fitted(lane, target)
        metrics = self._evaluate(encoded, model, target)
        artefact = Pipeline([("preprocess", encoder), ("model", model)])
        return Outcome(ledger, len(plan.batches), metrics, progressive, artefact, self.keep)

    def _map(self, frames: dd.DataFrame, stage: Callable[..., Any], *args: Any) -> dd.DataFrame:
        """``stage`` of every partition; what it returns need not be a DataFrame."""
        return frames.map_partitions(stage, *args, meta=self.plan.meta, enforce_metadata=False)

    def _send(self, value: Any) -> Future:
        """Put a value on every worker once, not into each task; under a key that nothing else has."""
        return self.client.scatter([value], broadcast=True, hash=False)[0]

    def _compute(self, partitions: dd.DataFrame, numbers: Sequence[int]) -> list[Future]:
        return list(self.client.compute(partitions.partitions[list(numbers)].to_delayed()))

    def _reduce(self, futures: Sequence[Future], merge: Callable[[Any, Any], Any], name: str) -> Any:
        """Merge in a tree of fixed shape on the workers; the result comes to the client."""

        held: list[Future] = []  # a release may overtake the graph that still needs the future

        def call(group: list[Future], level: int, index: int) -> Future:
            key = f"merge_{name}-{self._run}-{level}-{index}"
            held.append(self.client.submit(merge_all, group, merge, key=key, priority=10))
            return held[-1]

        return tree(futures, self.plan.config.aggregate.fan_in, call).result()

    def _rows(self, numbers: Sequence[int]) -> list[int]:
        return [self.plan.batches[i].rows for i in numbers]

    def _summarise(self, frames: dd.DataFrame) -> Summary:
        summaries = self._map(frames, summarise_batch, self.recipe)
        merged = self._map_reduce(summaries, self._all, statistics.merge, "statistics")
        assert isinstance(merged, Summary)
        return merged

    @property
    def _all(self) -> list[int]:
        return list(range(len(self.plan.batches)))

    def _map_reduce(self, parts: dd.DataFrame, numbers: list[int], merge: Callable[[Any, Any], Any], name: str) -> Any:
        """Compute ``parts`` a window at a time and merge them in a tree."""
        futures: list[Future] = []
        with self.monitor.stage(name, len(numbers)) as stage:
            for window in chunks(numbers, WINDOW):
                futures += stage.wait(self._compute(parts, window), self._rows(window))
            return self._reduce(futures, merge, name)

    def _train(self, encoded: dd.DataFrame, target: Target) -> tuple[Lane, list[dict[str, float]]]:
        """One lane through all epochs, a round's graph at a time; the next round is encoded meanwhile."""
        config = self.plan.config
        numbers = [b.number for b in self.plan.batches if b.test is not True]
        rounds = [
            part
            for epoch in range(config.train.epochs)
            for part in chunks(batch_order(numbers, epoch, config.train.seed), config.train.round_batches)
        ]
        remote_target = self._send(target)
        lane = self._send(start(make(config.model, self.plan.features.task, config.train.seed)))
        curve: list[dict[str, float]] = []
        with self.monitor.stage("train", sum(map(len, rounds))) as stage:
            ready = self._compute(encoded, rounds[0])
            for i, numbers in enumerate(rounds):
                following = self._compute(encoded, rounds[i + 1]) if i + 1 < len(rounds) else []
                lane = self._train_round(lane, ready, numbers, i, remote_target, stage, curve)
                ready = following
            return lane.result(), curve

    def _train_round(
        self,
        lane: Future,
        ready: list[Future],
        numbers: list[int],
        index: int,
        target: Future,
        stage: Stage,
        curve: list[dict[str, float]],
    ) -> Future:
        chain, losses = [], []
        for batch, number in zip(ready, numbers, strict=True):
            lane = self.client.submit(train_batch, lane, batch, target, key=f"train-{self._run}-{index}-{number}")
            chain.append(lane)
            losses.append(self.client.submit(progress, lane, key=f"progress-{self._run}-{index}-{number}"))
        stage.wait(chain, self._rows(numbers))
        curve.extend(point for point in self.client.gather(losses) if point)
        return lane

    def _evaluate(self, encoded: dd.DataFrame, model: Any, target: Target) -> dict[str, float]:
        plan = self.plan
        metrics = metrics_for(plan.features.task, plan.expected_test_rows, plan.config.evaluate.exact_rows)
        judge = self._send((model, target, metrics))
        states = self._map(encoded, evaluate.evaluate_batch, dask.delayed(judge))
        numbers = [b.number for b in plan.batches if b.test is not False]
        return evaluate.results(self._map_reduce(states, numbers, evaluate.merge, "evaluate"))


def understand(summary: Summary, plan: Plan) -> tuple[Ledger, Target]:
    """The ledger and the target that a merged summary determines.

    Raises
    ------
    DataError
        No rows to train on or to test on, a label without values or with one value only, or a
        ledger that does not account for every row.
    """
    label = plan.config.data.label
    ledger = Ledger.of(summary).balanced(plan.rows)
    if ledger.labelled == 0:
        raise DataError(f"{plan.config.data.path}: label {label!r} has no value in any row; name a column that has.")
    if ledger.train == 0:
        raise DataError(f"{plan.config.data.path}: no rows left for training ({ledger}); lower split.test or add data.")
    if plan.features.task == "regression":
        if summary.label.m2 == 0:
            raise DataError(
                f"{plan.config.data.path}: label {label!r} has a single value; nothing can be learned from it."
            )
        target = Target(None, *target_scale(plan.config.model, summary.label))
    else:
        classes = summary.train_labels.values.sort_index().index
        if len(classes) < 2:
            raise DataError(
                f"{plan.config.data.path}: label {label!r} has the single class {classes[0]} in the training rows; "
                "two are needed."
            )
        target = Target(classes.to_numpy() if classes.dtype.kind in "ib" else np.array(classes, dtype=object))
    if ledger.test == 0:
        raise DataError(f"{plan.config.data.path}: no rows left for testing ({ledger}); raise split.test or add data.")
    return ledger, target


def _decide_keep(plan: Plan, session: Session) -> bool:
    """Whether batches stay in the workers' memory between the stages, or are read again for each."""
    if plan.config.data.keep != "auto":
        return plan.config.data.keep == "memory"
    return not session.memory or plan.frame_bytes() + plan.encoded_bytes() <= KEEP_SHARE * session.memory


def chunks(items: list[int], size: int) -> Iterator[list[int]]:
    """Consecutive pieces of at most ``size``."""
    return (items[i : i + size] for i in range(0, len(items), size))
