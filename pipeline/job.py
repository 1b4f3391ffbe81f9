"""The flow: read, statistics, encode, train, evaluate. Dask's collections and futures appear here."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
from dask import delayed
from dask.delayed import Delayed
from distributed import Client, Future
from sklearn.pipeline import Pipeline

from pipeline import artefact, drift, evaluate, statistics
from pipeline.baselines import Constant, former
from pipeline.cluster import Session
from pipeline.cut import Batch, spans
from pipeline.encode import Coding, make_encoder
from pipeline.errors import DataError
from pipeline.evaluate import Baseline, Evaluated, Judge, Target
from pipeline.findings import Findings, find
from pipeline.ledger import Ledger
from pipeline.metrics import Metric, comparable_metrics, metrics_for, own_metrics
from pipeline.models import make, target_scale
from pipeline.plan import Plan
from pipeline.progress import Monitor
from pipeline.report import Outcome
from pipeline.rounds import Trainer, Training
from pipeline.slices import Slicing, keys_of
from pipeline.split import TEST, TRAIN
from pipeline.stages import held_out, pack_span, pick, summarise_batch
from pipeline.statistics import Summary
from pipeline.tasks import Tasks
from pipeline.train import Lane, fitted, start

# Batches whose rows tell how much each feature matters.
SAMPLED = 8
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

    def _fold(self, source: "Source", fold: int) -> dict[str, float]:
        """The figures on one fold of the training rows, of statistics and a model learned from the others."""
        held = Fold(self.tasks, source, fold)
        summary = self._summarise(held)
        judge, _ = self._learn(held, summary, target_of(summary, self.plan))
        return evaluate.results(self._evaluate(held, judge).metrics)

    def _learn(self, source: "Source | Fold", summary: Summary, target: Target) -> tuple[Judge, Training]:
        """Encoder and model, as they judge other rows, and how training went."""
        plan = self.plan
        encoder = make_encoder(summary, plan.features.columns, plan.reference, target.classes, self.folds)
        coding = Coding(encoder, target.classes, plan.config.train.seed)
        training = self._train(source, coding, target)
        lane: Lane = training.lane.result()
        threshold = plan.config.evaluate.threshold
        return Judge(fitted(lane, target), coding, target, self._metrics(), threshold), training

    def _source(self) -> "Source":
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
        target = remembered(encoder.profile_.get("label", {}), classes)
        judge = Judge(estimator, coding, target, self._metrics(), self.plan.config.evaluate.threshold)
        return ledger, self._examine(source, judge, summary), found

    def explore(self) -> Summary:
        """The statistics of all rows, as far as they have a label."""
        return self._summarise(self._source())

    def _summarise(self, source: "Source | Fold", side: int = TRAIN) -> Summary:
        recipe = self.tasks.send(self.recipe)

        def begin(window: list[int]) -> list[Future]:
            named = zip(window, source.batches(window), strict=True)
            return [self.tasks.submit(f"summarise-{n}", summarise_batch, batch, recipe, side) for n, batch in named]

        with self.monitor.stage("statistics", len(self.rows)) as stage:
            sizes = {number: (1, rows) for number, rows in enumerate(self.rows)}
            merged = self.tasks.map_reduce(stage, sizes, begin, statistics.merge, "statistics")
        assert isinstance(merged, Summary)
        return merged

    def _train(self, source: "Source | Fold", coding: Coding, target: Target) -> Training:
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

    def _examine(self, source: "Source", judge: Judge, summary: Summary) -> Findings:
        """Evaluation with all that makes a figure worth trusting: intervals, baselines, slices, what matters."""
        how, plan = self.plan.config.evaluate, self.plan
        counts = {name: count.values for name, count in summary.slices.items()}
        judge = replace(
            judge,
            slicing=Slicing.of(keys_of(how.slices), counts, plan.slices),
            grouped=bool(how.bootstrap),
            baselines=self._baselines(judge),
            sampled=self._sampled(),
        )
        evaluated = self._evaluate(source, judge)
        return find(evaluated, judge, how.bootstrap, plan.config.train.seed, how.slice_rows)

    def _baselines(self, judge: Judge) -> dict[str, Baseline]:
        plan, target, folder = self.plan, judge.target, self.plan.config.evaluate.baseline
        metrics = comparable_metrics(judge.metrics)
        beside: dict[str, Baseline] = {}
        if target.shares is not None or target.classes is None:
            beside["constant"] = Constant(target, metrics)
        if folder is not None:
            model = artefact.load(folder)
            beside[folder] = former(model, plan.features.columns, plan.reference, target, metrics, folder)
        return beside

    def _sampled(self) -> dict[int, int]:
        """From which batches so many rows tell the importance of features: spread over the data."""
        wanted = self.plan.config.evaluate.importance_rows
        tests = [batch.number for batch in self.plan.batches if batch.test is not False]
        if not wanted:
            return {}
        chosen = sorted({tests[i * len(tests) // SAMPLED] for i in range(SAMPLED)})
        return dict.fromkeys(chosen, -(-wanted // len(chosen)))

    def _evaluate(self, source: "Source | Fold", judge: Judge) -> Evaluated:
        sent = self.tasks.send(judge)
        sizes = {batch.number: (1, batch.rows) for batch in self.plan.batches if batch.test is not False}

        def begin(window: list[int]) -> list[Future]:
            named = zip(window, source.batches(window), strict=True)
            return [self.tasks.submit(f"evaluate-{n}", evaluate.evaluate_batch, batch, sent) for n, batch in named]

        with self.monitor.stage("evaluate", len(sizes)) as stage:
            return self.tasks.map_reduce(stage, sizes, begin, evaluate.merge, "evaluate")


class Source:
    """Where every stage gets packed batches from: the workers' memory, or the files again."""

    def __init__(self, client: Client, packed: dd.DataFrame, batches: Sequence[Batch], keep: bool):
        self._client, self._run = client, uuid.uuid4().hex[:8]
        self._packed = packed.optimize()  # one task from the files to the packed batches; no frame leaves it
        self._spans = [[batch.number for batch in span] for span in spans(batches)]
        self._span_of = {number: s for s, span in enumerate(self._spans) for number in span}
        self._keep, self._kept = keep, dict[int, Future]()

    def batches(self, numbers: list[int]) -> list[Future]:
        """The packed batches of these numbers, in the same order."""
        wanted = [n for n in numbers if n not in self._kept]
        read = list(dict.fromkeys(self._span_of[n] for n in wanted))
        # Through `to_delayed` for a list of futures: one for each batch, under its own key.
        parts = self._packed.partitions[read].to_delayed() if read else []
        fresh: dict[int, Delayed] = {}
        for s, part in zip(read, parts, strict=True):
            span = self._spans[s]
            for n in span if self._keep else [n for n in wanted if self._span_of[n] == s]:
                key = f"pick-{self._run}-{n}"
                fresh[n] = part if len(span) == 1 else delayed(pick)(part, span.index(n), dask_key_name=key)
        futures = dict(zip(fresh, self._client.compute(list(fresh.values())), strict=True)) if fresh else {}
        if self._keep:
            self._kept |= futures
        return [futures.get(n) or self._kept[n] for n in numbers]


class Fold:
    """The batches of a source as one fold of cross-validation sees them."""

    def __init__(self, tasks: Tasks, source: Source, fold: int):
        self._tasks, self._source, self._fold = tasks, source, fold

    def batches(self, numbers: list[int]) -> list[Future]:
        """The packed batches of these numbers, in the same order, the rows of the fold held out."""
        named = zip(numbers, self._source.batches(numbers), strict=True)
        return [self._tasks.submit(f"fold-{self._fold}-{n}", held_out, batch, self._fold) for n, batch in named]


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
    target = target_of(summary, plan)
    if plan.recipe.validation and ledger.validation == 0:
        raise DataError(
            f"{plan.config.data.path}: no rows left to stop by ({ledger}); raise train.validation_fraction or add data."
        )
    if ledger.test == 0:
        raise DataError(f"{plan.config.data.path}: no rows left for testing ({ledger}); raise split.test or add data.")
    return ledger, target


def target_of(summary: Summary, plan: Plan) -> Target:
    """What there is to predict, by the training rows.

    Raises
    ------
    DataError
        The label has a single value.
    """
    label = plan.config.data.label
    if plan.features.task == "regression":
        if summary.label.m2 == 0:
            raise DataError(
                f"{plan.config.data.path}: label {label!r} has a single value; nothing can be learned from it."
            )
        std = summary.label.std or 1.0
        return Target(None, *target_scale(plan.config.model, summary.label), mean=summary.label.mean, std=std)
    counts = summary.train_labels.values.sort_index()
    classes, shares = counts.index, counts.to_numpy() / counts.sum()
    if len(classes) < 2:
        raise DataError(
            f"{plan.config.data.path}: label {label!r} has the single class {classes[0]} in the training rows; "
            "two are needed."
        )
    if plan.config.evaluate.threshold is not None and len(classes) > 2:
        raise DataError(
            f"evaluate.threshold: label {label!r} has {len(classes)} classes, and a threshold is for two; drop it."
        )
    known = classes.to_numpy() if classes.dtype.kind in "ib" else np.array(classes, dtype=object)
    return Target(known, shares=shares)


def described(target: Target) -> dict[str, Any]:
    """What a model remembers of its label: all that a constant prediction needs."""
    if target.shares is not None:
        return {"shares": target.shares.tolist()}
    return {"mean": float(target.mean), "std": float(target.std)}


def remembered(label: dict[str, Any], classes: np.ndarray | None) -> Target:
    """The target of a model that exists, which answers in the label's own unit."""
    if classes is None:
        return Target(mean=label.get("mean", 0.0), std=label.get("std", 1.0))
    return Target(classes, shares=np.array(label["shares"]) if "shares" in label else None)


def _decide_keep(plan: Plan, session: Session) -> bool:
    """Whether batches stay in the workers' memory between the stages, or are read again for each."""
    if plan.config.data.keep != "auto":
        return plan.config.data.keep == "memory"
    return not session.memory or plan.packed_bytes() <= KEEP_SHARE * session.memory
