"""The flow: read, statistics, encode, train, evaluate. Dask's collections and futures appear here."""

import dask
import dask.dataframe as dd
import numpy as np
from distributed import Client, Future
from sklearn.pipeline import Pipeline

from pipeline import evaluate, statistics
from pipeline.cluster import Session
from pipeline.encode import Coding, make_encoder
from pipeline.errors import DataError
from pipeline.evaluate import Judge, Target
from pipeline.ledger import Ledger
from pipeline.metrics import Metric, metrics_for
from pipeline.models import make, target_scale
from pipeline.plan import Plan
from pipeline.progress import Monitor
from pipeline.report import Outcome
from pipeline.rounds import Trainer, Training
from pipeline.stages import load_batch, pack_batch, summarise_batch
from pipeline.statistics import Summary
from pipeline.tasks import Tasks
from pipeline.train import Lane, fitted, start

# Part of the workers' memory that kept batches may take: the rest is for the work itself.
KEEP_SHARE = 0.5


class Job:
    """One run on a session; each stage takes what the one before it made."""

    def __init__(self, plan: Plan, session: Session, monitor: Monitor):
        self.plan, self.session, self.monitor = plan, session, monitor
        self.client: Client = session.client
        self.tasks = Tasks(session.client, plan.config.aggregate.fan_in)
        self.recipe = plan.recipe
        self.keep = _decide_keep(plan, session)
        self.rows = [batch.rows for batch in plan.batches]

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
        meta = {"meta": plan.meta, "enforce_metadata": False}  # what a partition holds from here on is no DataFrame
        source = Source(self.client, frames.map_partitions(pack_batch, self.recipe, **meta), self.keep)
        summary = self._summarise(source)
        ledger, target = understand(summary, plan)
        encoder = make_encoder(summary, plan.features, plan.config.features.max_categories, plan.reference)
        coding = Coding(encoder, target.classes, plan.config.train.seed)
        training = self._train(source, coding, target)
        lane: Lane = training.lane.result()
        model = fitted(lane, target)
        metrics = self._evaluate(source, Judge(model, coding, target, self._metrics()))
        artefact = Pipeline([("preprocess", encoder), ("model", model)])
        return Outcome(ledger, len(plan.batches), metrics, training, artefact, self.keep)

    def _summarise(self, source: "Source") -> Summary:
        recipe = self.tasks.send(self.recipe)

        def begin(window: list[int]) -> list[Future]:
            named = zip(window, source.batches(window), strict=True)
            return [self.tasks.submit(f"summarise-{n}", summarise_batch, batch, recipe) for n, batch in named]

        with self.monitor.stage("statistics", len(self.rows)) as stage:
            sizes = {number: (1, rows) for number, rows in enumerate(self.rows)}
            merged = self.tasks.map_reduce(stage, sizes, begin, statistics.merge, "statistics")
        assert isinstance(merged, Summary)
        return merged

    def _train(self, source: "Source", coding: Coding, target: Target) -> Training:
        config = self.plan.config
        numbers = [b.number for b in self.plan.batches if b.test is not True]
        lane = start(make(config.model, self.plan.features.task, config.train.seed))
        trainer = Trainer(self.tasks, config.train, source.batches, coding, target, self.rows)
        with self.monitor.stage("train", len(numbers) * config.train.epochs) as stage:
            return trainer.run(lane, numbers, stage)

    def _metrics(self) -> tuple[type[Metric], ...]:
        plan = self.plan
        return metrics_for(plan.features.task, plan.expected_test_rows, plan.config.evaluate.exact_rows)

    def _evaluate(self, source: "Source", judge: Judge) -> dict[str, float]:
        sent = self.tasks.send(judge)
        sizes = {batch.number: (1, batch.rows) for batch in self.plan.batches if batch.test is not False}

        def begin(window: list[int]) -> list[Future]:
            named = zip(window, source.batches(window), strict=True)
            return [self.tasks.submit(f"evaluate-{n}", evaluate.evaluate_batch, batch, sent) for n, batch in named]

        with self.monitor.stage("evaluate", len(sizes)) as stage:
            return evaluate.results(self.tasks.map_reduce(stage, sizes, begin, evaluate.merge, "evaluate"))


class Source:
    """Where every stage gets packed batches from: the workers' memory, or the files again."""

    def __init__(self, client: Client, packed: dd.DataFrame, keep: bool):
        self._client = client
        self._packed = packed.optimize()  # one task from the file to the packed batch; the frame never leaves it
        self._keep, self._kept = keep, dict[int, Future]()

    def batches(self, numbers: list[int]) -> list[Future]:
        """The packed batches of these numbers, in the same order."""
        wanted = [n for n in numbers if n not in self._kept]
        # Through `to_delayed` for a list of futures: one for each batch, under its own key.
        started = self._client.compute(self._packed.partitions[wanted].to_delayed()) if wanted else []
        fresh = dict(zip(wanted, started, strict=True))
        if self._keep:
            self._kept |= fresh
        return [fresh.get(n) or self._kept[n] for n in numbers]


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
    if plan.recipe.validation and ledger.validation == 0:
        raise DataError(
            f"{plan.config.data.path}: no rows left to stop by ({ledger}); raise train.validation_fraction or add data."
        )
    if ledger.test == 0:
        raise DataError(f"{plan.config.data.path}: no rows left for testing ({ledger}); raise split.test or add data.")
    return ledger, target


def _decide_keep(plan: Plan, session: Session) -> bool:
    """Whether batches stay in the workers' memory between the stages, or are read again for each."""
    if plan.config.data.keep != "auto":
        return plan.config.data.keep == "memory"
    return not session.memory or plan.packed_bytes() <= KEEP_SHARE * session.memory
