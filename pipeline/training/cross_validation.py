"""Cross-validation: each fold of the training rows is predicted by a model that learned from the other folds."""

from collections.abc import Callable, Mapping, Sequence

from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.encoding.encoder import Encoder
from pipeline.engine.batch_source import BatchSource, FoldSource
from pipeline.engine.stage import run_stage
from pipeline.metrics.states import metric_values
from pipeline.notices import Notice
from pipeline.statistics.ledger import Ledger
from pipeline.training.evaluation_stage import evaluate_batches
from pipeline.training.label import target_of
from pipeline.training.lane import new_lane
from pipeline.training.run_context import RunContext
from pipeline.training.statistics_stage import collect_statistics
from pipeline.training.trainer import Training
from pipeline.training.training_stage import make_evaluator, train_model

# Figures that need rows of every class.
OF_CLASSES = ("roc_auc", "recall")


def cross_validate(
    run: RunContext, source: BatchSource, figures: list[dict[str, float]], on_progress: Callable[[], None]
) -> None:
    """Append the figures of each fold that ``figures`` lacks.

    Parameters
    ----------
    on_progress
        Called after each round and each fold.
    """
    for fold in range(len(figures), run.plan.config.split.folds or 0):
        figures.append(evaluate_fold(run, source, fold, on_progress))
        on_progress()


def fold_notices(figures: Sequence[Mapping[str, float]], label: str) -> list[Notice]:
    """Return what to tell of figures that some folds do not have."""
    names = dict.fromkeys(name for fold in figures for name in fold)
    folds_of = {name: sum(name in fold for fold in figures) for name in names}
    return [
        Notice(
            f"label {label!r}",
            f"{name} is of {count} of {len(figures)} folds: the others lack a class",
            "lower split.folds",
        )
        for name, count in folds_of.items()
        if count < len(figures) and name in OF_CLASSES
    ]


def evaluate_fold(run: RunContext, source: BatchSource, fold: int, on_round: Callable[[], None]) -> dict[str, float]:
    """Return the figures on one fold; statistics, encoder and model are learned from the other folds alone."""
    plan, fold_source = run.plan, FoldSource(run.tasks, source, fold)
    summary = collect_statistics(run, fold_source)
    target = target_of(summary, plan)
    encoder = Encoder.for_columns(plan.features.columns)
    encoder.fit_statistics(summary, plan.packing_scale, target.classes, run.encoding_folds)
    batch_encoder = BatchEncoder(encoder, target.classes, plan.config.train.seed)
    training, expected_rows = Training(new_lane(run.new_estimator())), Ledger.from_summary(summary).to_train
    train_model(run, fold_source, batch_encoder, target, training, expected_rows, on_round)
    evaluator = make_evaluator(run, fold_source, training.lane, batch_encoder, target)
    # The rows of a fold are training rows, so they are in the training batches.
    with run_stage(run.monitor, "evaluate", len(run.training_batches)) as stage:
        sent = run.tasks.broadcast(evaluator)
        return metric_values(evaluate_batches(run, fold_source, sent, run.training_batches, stage).metrics)
