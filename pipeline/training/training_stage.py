"""The training stage: from encoded batches to a trained model, calibrated if the config says so."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.encoding.batch_encoder import BatchEncoder
from pipeline.engine.batch_schedule import restrict_to
from pipeline.engine.batch_source import BatchSource, FoldSource
from pipeline.engine.memory_policy import fits_one_worker
from pipeline.engine.stage import run_stage
from pipeline.engine.task_graph import Aggregation
from pipeline.errors import DataError
from pipeline.evaluation.evaluator import Evaluator, calibration_curves
from pipeline.models.calibration import CalibratedModel, Curves, merge_curves
from pipeline.models.factory import needs_full_batches
from pipeline.models.target import TargetSpec
from pipeline.training.group_trainer import BatchReader, GroupTrainer
from pipeline.training.lane import Lane, fitted
from pipeline.training.run_context import RunContext
from pipeline.training.trainer import Trainer, Training, TrainingData


def train_model(
    run: RunContext,
    source: BatchSource | FoldSource,
    batch_encoder: BatchEncoder,
    target: TargetSpec,
    training: Training,
    expected_rows: Mapping[int, int],
    on_round: Callable[[], None],
) -> None:
    """Continue ``training`` to its end, and call ``on_round`` after each round.

    Parameters
    ----------
    expected_rows
        The training rows that the statistics counted, by batch number.

    Raises
    ------
    DataError
        The model refuses to train, or a batch has other rows than the statistics counted.
    """
    config, numbers = run.plan.config.train, run.training_batches
    data = TrainingData(run.plan.batches, expected_rows)
    estimator = run.new_estimator()
    if needs_full_batches(estimator):
        fits = fits_one_worker(run.plan, run.session, len(estimator.groups(numbers, config.lanes)))
        fold = source.number if isinstance(source, FoldSource) else None

        def reader_of(group: list[int]) -> BatchReader:
            return BatchReader(tuple(run.plan.batches[number] for number in group), run.recipe, fold)

        group_trainer = GroupTrainer(run.tasks, estimator, data, source.batches if fits else reader_of)
        with run_stage(run.monitor, "train", len(numbers)) as stage:
            group_trainer.run(training, config.lanes, batch_encoder, target, stage)
        on_round()
        return
    trainer = Trainer(run.tasks, config, data, source.futures_for, batch_encoder, target)
    with run_stage(run.monitor, "train", len(numbers) * config.epochs) as stage:
        trainer.run(training, stage, lambda _: on_round())


def make_evaluator(
    run: RunContext, source: BatchSource | FoldSource, lane: Lane, batch_encoder: BatchEncoder, target: TargetSpec
) -> Evaluator:
    """Return the evaluator of the trained model, which is calibrated first if the config says so.

    Raises
    ------
    DataError
        There are no rows to calibrate on.
    """
    config, model = run.plan.config, fitted(lane, target)
    if config.model.calibrate:
        curves = _calibration_curves(run, source, model, batch_encoder)
        model = CalibratedModel(model, config.model.calibrate).fit_curves(curves)
    return Evaluator(model, batch_encoder, target, run.metrics(target), config.evaluate.threshold)


def _calibration_curves(
    run: RunContext, source: BatchSource | FoldSource, model: Any, batch_encoder: BatchEncoder
) -> Curves:
    """Return the model's scores on the validation rows, and how often each was right."""
    arguments, numbers = (run.tasks.broadcast(model), run.tasks.broadcast(batch_encoder)), set(run.training_batches)
    segments = restrict_to(run.segments, numbers)
    with run_stage(run.monitor, "calibrate", len(numbers)) as stage:
        calibrate = Aggregation("calibrate", calibration_curves, merge_curves, arguments)
        merged: Curves = run.tasks.map_reduce_batches(stage, calibrate, segments, source.futures_for)
    if not len(merged[0].rows):
        raise DataError(f"{run.plan.config.data.path_text}: no rows to calibrate on; raise train.validation_fraction.")
    return merged
