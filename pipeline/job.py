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
        source = Source(self, encoded)
        lane, progressive = self._train(source, target)
        del frames  # not before: a release may overtake the graph that still needs it
        model = fitted(lane, target)
        metrics = self._evaluate(source, model, target)
        artefact = Pipeline([("preprocess", encoder), ("model", model)])
        return Outcome(ledger, len(plan.batches), metrics, progressive, artefact, self.keep)

    def _map(self, frames: dd.DataFrame, stage: Callable[..., Any], *args: Any) -> dd.DataFrame:
        """``stage`` of every partition; what it returns need not be a DataFrame."""
        return frames.map_partitions(stage, *args, meta=self.plan.meta, enforce_metadata=False)

    def _send(self, value: Any) -> Future:
        """Put a value on every worker once, not into each task; under a key that nothing else has."""
        return self.client.scatter([value], broadcast=True, hash=False)[0]

    def compute(self, partitions: dd.DataFrame, numbers: Sequence[int]) -> list[Future]:
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
        numbers = [b.number for b in self.plan.batches]
        merged = self._map_reduce(
            lambda window: self.compute(summaries, window), numbers, statistics.merge, "statistics"
        )
        assert isinstance(merged, Summary)
        return merged

    def _map_reduce(
        self,
        start: Callable[[list[int]], list[Future]],
        numbers: list[int],
        merge: Callable[[Any, Any], Any],
        name: str,
    ) -> Any:
        """Start the tasks of ``numbers`` a window at a time and merge their results in a tree."""
        futures: list[Future] = []
        with self.monitor.stage(name, len(numbers)) as stage:
            for window in chunks(numbers, WINDOW):
                futures += stage.wait(start(window), self._rows(window))
            return self._reduce(futures, merge, name)

    def order(self, epoch: int) -> list[int]:
        """The numbers of the batches that train, in the order of an epoch."""
        numbers = [b.number for b in self.plan.batches if b.test is not True]
        return batch_order(numbers, epoch, self.plan.config.train.seed)

    def _train(self, source: "Source", target: Target) -> tuple[Lane, list[dict[str, float]]]:
        """One lane through all epochs, a round's graph at a time; the next round is encoded meanwhile."""
        config = self.plan.config
        epochs = range(config.train.epochs)
        rounds = [part for epoch in epochs for part in chunks(self.order(epoch), config.train.round_batches)]
        remote_target = self._send(target)
        lane = self._send(start(make(config.model, self.plan.features.task, config.train.seed)))
        curve: list[dict[str, float]] = []
        with self.monitor.stage("train", sum(map(len, rounds))) as stage:
            ready = source.batches(rounds[0])
            for i, numbers in enumerate(rounds):
                following = source.batches(rounds[i + 1]) if i + 1 < len(rounds) else []
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
            # The chain is the critical path: it goes before the encoding of batches to come.
            key = f"{self._run}-{index}-{number}"
            lane = self.client.submit(train_batch, lane, batch, target, key=f"train-{key}", priority=10)
            chain.append(lane)
            losses.append(self.client.submit(progress, lane, key=f"progress-{key}", priority=10))
        stage.wait(chain, self._rows(numbers))
        curve.extend(point for point in self.client.gather(losses) if point)
        return lane

    def _evaluate(self, source: "Source", model: Any, target: Target) -> dict[str, float]:
        plan = self.plan
        metrics = metrics_for(plan.features.task, plan.expected_test_rows, plan.config.evaluate.exact_rows)
        judge = self._send((model, target, metrics))

        def start(window: list[int]) -> list[Future]:
            return [
                self.client.submit(evaluate.evaluate_batch, batch, judge, key=f"evaluate-{self._run}-{n}", priority=10)
                for n, batch in zip(window, source.batches(window), strict=True)
            ]

        numbers = [b.number for b in plan.batches if b.test is not False]
        return evaluate.results(self._map_reduce(start, numbers, evaluate.merge, "evaluate"))


class Source:
    """Where training and evaluation get encoded batches from: the workers' memory, or the files again."""

    def __init__(self, job: Job, encoded: dd.DataFrame):
        self._job, self._encoded = job, encoded
        self._kept: dict[int, Future] = {}
        if job.keep:
            # In the order in which training will ask for them, then what only tests.
            order = list(dict.fromkeys([*job.order(0), *(b.number for b in job.plan.batches)]))
            self._kept = dict(zip(order, job.compute(encoded, order), strict=True))

    def batches(self, numbers: list[int]) -> list[Future]:
        """The encoded batches of these numbers."""
        return [self._kept[n] for n in numbers] if self._kept else self._job.compute(self._encoded, numbers)


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
