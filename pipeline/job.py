"""The flow: read, statistics, encode, train, evaluate. Dask's collections and futures appear here."""

from dataclasses import replace
from typing import Any

import dask
import dask.dataframe as dd
import pandas as pd
from distributed import Client, Future
from sklearn.pipeline import Pipeline

from pipeline import artefact, drift, evaluate, statistics
from pipeline.baselines import Constant, former
from pipeline.cluster import Session
from pipeline.columns import Columns
from pipeline.cut import spans
from pipeline.encode import Coding, make_encoder
from pipeline.errors import DataError
from pipeline.evaluate import Baseline, Evaluated, Judge, Target, importance_of
from pipeline.findings import Findings, find
from pipeline.importance import Sample, features_of
from pipeline.label import described, remembered, target_of, understand
from pipeline.ledger import Ledger
from pipeline.metrics import Metric, comparable_metrics, metrics_for, own_metrics
from pipeline.models import make
from pipeline.plan import Plan
from pipeline.progress import Monitor, Stage
from pipeline.report import Outcome
from pipeline.rounds import Trainer, Training
from pipeline.slices import Slicing, keys_of
from pipeline.split import TEST, TRAIN
from pipeline.stages import pack_span, summarise_batch
from pipeline.statistics import Summary
from pipeline.supply import Fold, Source
from pipeline.tasks import Tasks, chunks
from pipeline.train import Lane, fitted, start

# Columns whose importance one task works out.
COLUMNS = 4
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
        self.folds = self.recipe.folds if plan.features.columns.needs_folds else 1
        self.rows = [batch.rows for batch in plan.batches]

    def execute(self) -> Outcome:
        """Run all stages.

        Raises
        ------
        DataError
            The data cannot be trained on, or the ledger does not balance.
        """
        plan = self.plan
        source = self._source()
        summary = self._summarise(source)
        ledger, target = understand(summary, plan)
        judge, training = self._learn(source, summary, target)
        findings = self._examine(source, judge, summary)
        folds = [self._fold(source, fold) for fold in range(plan.config.split.folds or 0)]
        judge.coding.encoder.profile_ = drift.profile(summary, plan.features.columns) | {"label": described(target)}
        artefact = Pipeline([("preprocess", judge.coding.encoder), ("model", judge.model)])
        return Outcome(
            ledger,
            len(plan.batches),
            findings,
            training,
            artefact,
            self.keep,
            plan.dataset.pruned,
            dict(summary.unmatched),
            folds,
        )

    def _fold(self, source: Source, fold: int) -> dict[str, float]:
        """The figures on one fold of the training rows, of statistics and a model learned from the others."""
        held = Fold(self.tasks, source, fold)
        summary = self._summarise(held)
        judge, _ = self._learn(held, summary, target_of(summary, self.plan))
        return evaluate.results(self._evaluate(held, judge).metrics)

    def _learn(self, source: Source | Fold, summary: Summary, target: Target) -> tuple[Judge, Training]:
        """Encoder and model, as they judge other rows, and how training went."""
        plan = self.plan
        encoder = make_encoder(summary, plan.features.columns, plan.reference, target.classes, self.folds)
        coding = Coding(encoder, target.classes, plan.config.train.seed)
        training = self._train(source, coding, target)
        lane: Lane = training.lane.result()
        threshold = plan.config.evaluate.threshold
        return Judge(fitted(lane, target), coding, target, self._metrics(), threshold), training

    def _source(self) -> Source:
        plan = self.plan
        with dask.config.set({"dataframe.convert-string": False}):  # would turn any Python object into text
            # What a partition holds is no DataFrame: what to read, then what was read, packed.
            meta = {"meta": plan.meta, "enforce_metadata": False}
            partitions = dd.from_map(list, spans(plan.batches), label="read", **meta)
        packed = partitions.map_partitions(pack_span, self.recipe, **meta)
        return Source(self.client, packed, plan.batches, self.keep)

    def assess(self, model: Pipeline) -> tuple[Ledger, Findings, dict[str, Any]]:
        """Evaluate a model that exists: the ledger, what is found on the rows that test, and their drift.

        Raises
        ------
        DataError
            The rows are none, or so far from the training data that figures would mean nothing.
        """
        encoder, estimator = model.named_steps["preprocess"], model.named_steps["model"]
        source = self._source()
        summary = self._summarise(source, TEST)
        classes = getattr(estimator, "classes_", None)
        ledger = Ledger.of(summary, None if classes is None else pd.Index(classes)).balanced(self.plan.rows)
        if not ledger.test:
            raise DataError(f"{self.plan.config.data.path}: no rows to evaluate on ({ledger}); give --all.")
        found = drift.compare(encoder.profile_, encoder.categories_, summary)
        problem = drift.severe(found)
        if problem and self.plan.config.evaluate.on_drift == "fail":
            raise DataError(f'{problem}; is it the right table? set evaluate.on_drift = "report" to go on.')
        coding = Coding(encoder, classes, self.plan.config.train.seed)
        threshold = self.plan.config.evaluate.threshold
        if threshold is not None and (len(classes if classes is not None else ()) != 2 or not _has_proba(estimator)):
            raise DataError("evaluate.threshold: the model has no probabilities of two classes; drop it.")
        target = remembered(encoder.profile_["label"], classes)
        judge = Judge(estimator, coding, target, self._metrics(), threshold)
        return ledger, self._examine(source, judge, summary), found

    def explore(self) -> Summary:
        """The statistics of all rows, as far as they have a label."""
        return self._summarise(self._source())

    def _summarise(self, source: Source | Fold, side: int = TRAIN) -> Summary:
        recipe = self.tasks.send(self.recipe)

        def begin(window: list[int]) -> list[Future]:
            named = zip(window, source.batches(window), strict=True)
            return [self.tasks.submit(f"summarise-{n}", summarise_batch, batch, recipe, side) for n, batch in named]

        with self.monitor.stage("statistics", len(self.rows)) as stage:
            sizes = {number: (1, rows) for number, rows in enumerate(self.rows)}
            merged = self.tasks.map_reduce(stage, sizes, begin, statistics.merge, "statistics")
        assert isinstance(merged, Summary)
        return merged

    def _train(self, source: Source | Fold, coding: Coding, target: Target) -> Training:
        config = self.plan.config
        numbers = [b.number for b in self.plan.batches if b.test is not True]
        lane = start(make(config.model, self.plan.features.task, config.train.seed))
        trainer = Trainer(self.tasks, config.train, source.batches, coding, target, self.rows)
        with self.monitor.stage("train", len(numbers) * config.train.epochs) as stage:
            return trainer.run(lane, numbers, stage)

    def _metrics(self) -> tuple[type[Metric], ...]:
        plan = self.plan
        own = own_metrics(plan.config.evaluate.metrics)
        return metrics_for(plan.features.task, plan.expected_test_rows, plan.config.evaluate.exact_rows) + own

    def _examine(self, source: Source, judge: Judge, summary: Summary) -> Findings:
        """Evaluation with all that makes a figure worth trusting: intervals, baselines, slices, what matters."""
        how, plan = self.plan.config.evaluate, self.plan
        counts = {name: count.values for name, count in summary.slices.items()}
        judge = replace(
            judge,
            slicing=Slicing.of(keys_of(how.slices), counts, plan.slices),
            grouped=bool(how.bootstrap),
            baselines=self._baselines(judge),
            sampled=min(how.importance_rows / max(summary.rows["test"], 1), 1.0),
        )
        evaluated = self._evaluate(source, judge)
        return find(evaluated, judge, how.bootstrap, plan.config.train.seed, how.slice_rows)

    def _baselines(self, judge: Judge) -> dict[str, Baseline]:
        plan, target, folder = self.plan, judge.target, self.plan.config.evaluate.baseline
        metrics = comparable_metrics(judge.metrics)
        beside: dict[str, Baseline] = {"constant": Constant(target, comparable_metrics(judge.metrics, True))}
        if folder is not None:
            model = artefact.load(folder)
            beside[folder] = former(model, plan.features.columns, plan.reference, target, metrics, folder)
        return beside

    def _importance(self, sample: Sample, columns: Columns, judge: Future, stage: Stage) -> dict[str, dict[str, float]]:
        """How much each column matters, worked out for some at a time."""
        sent = self.tasks.send(sample)
        futures = [
            self.tasks.submit(f"importance-{i}", importance_of, sent, judge, part)
            for i, part in enumerate(chunks(features_of(columns), COLUMNS))
        ]
        stage.wait(futures)
        return {name: rise for part in self.client.gather(futures) for name, rise in part.items()}

    def _evaluate(self, source: Source | Fold, judge: Judge) -> Evaluated:
        sent = self.tasks.send(judge)
        without = isinstance(source, Fold)  # whole batches that test have no rows of a fold, and the other way round
        sizes = {batch.number: (1, batch.rows) for batch in self.plan.batches if batch.test is not without}

        def begin(window: list[int]) -> list[Future]:
            named = zip(window, source.batches(window), strict=True)
            return [self.tasks.submit(f"evaluate-{n}", evaluate.evaluate_batch, batch, sent) for n, batch in named]

        with self.monitor.stage("evaluate", len(sizes)) as stage:
            merged: Evaluated = self.tasks.map_reduce(stage, sizes, begin, evaluate.merge, "evaluate")
            if merged.sample is None:
                return merged
            columns = judge.coding.encoder.columns
            return replace(merged, rises=self._importance(merged.sample, columns, sent, stage))


def _has_proba(estimator: Any) -> bool:
    return hasattr(estimator, "predict_proba")


def _decide_keep(plan: Plan, session: Session) -> bool:
    """Whether batches stay in the workers' memory between the stages, or are read again for each."""
    if plan.config.data.keep != "auto":
        return plan.config.data.keep == "memory"
    return not session.memory or plan.packed_bytes() <= KEEP_SHARE * session.memory
