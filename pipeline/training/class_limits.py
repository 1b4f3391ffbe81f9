"""Limits of classes: a label that identifies rows, classes that a model or its calibration or its folds cannot take.

All of it is known from the merged statistics, so that it is said before the first row is trained on.
"""

from pipeline.engine.cluster.session import Session
from pipeline.errors import DataError
from pipeline.metrics.intervals import MIN_ROWS
from pipeline.models.factory import BOOSTED_TREES
from pipeline.notices import Notice
from pipeline.planning.checks import is_number
from pipeline.planning.plan import Plan
from pipeline.preparation.label_guess import MAX_CLASS_INTEGERS
from pipeline.statistics.summary import Summary

# With more than this share of the training rows in classes of one row each, in so many rows or more, the label is an
# identifier: a test row's class is hardly ever among those of the training.
IDENTIFIER_SHARE, IDENTIFIER_ROWS = 0.5, 50
# What classes may take of the memory of a worker's thread, and in all, if they are many: a model of so many classes is
# a mistake and not a need.
MAX_MEMORY_SHARE, MANY_CLASSES, MAX_BYTES = 0.5, 1_000, 1 << 30
# For each weight: itself, its sum of squared gradients, and the copy that a task trains on of both.
BYTES_PER_WEIGHT = 2 * 2 * 8
# For each score of a row that is tested: margins, probabilities, their logarithms and their ranks.
BYTES_PER_SCORE = 4 * 8
# Gradient and curvature of each row and class, and the margins, of boosted trees.
BYTES_PER_GRADIENT = 3 * 4


def check_label_values(summary: Summary, plan: Plan) -> None:
    """Check that the label has classes to learn, and no value of its own for each row.

    Raises
    ------
    DataError
        It looks like an identifier, or like a number.
    """
    label, counts = plan.config.data.label, summary.train_labels
    if plan.features.task == "regression" or not len(counts.values):
        return
    rows, own = int(counts.values.sum()), int((counts.values == 1).sum())
    if counts.short:
        raise DataError(
            f"label {label!r}: has more than {len(counts.values):,} values; name a label with fewer"
            f"{_or_regression(plan)}."
        )
    if rows >= IDENTIFIER_ROWS and own > IDENTIFIER_SHARE * rows:
        raise DataError(
            f"label {label!r}: {own:,} of {rows:,} training rows have a value of their own, so it looks like an "
            f"identifier; name another label{_or_regression(plan)}."
        )
    is_float = counts.values.index.dtype.kind == "f"  # whole numbers are integers by now
    if is_float and len(counts.values) > MAX_CLASS_INTEGERS:
        raise DataError(
            f"label {label!r}: has {len(counts.values):,} values that are no whole numbers, so they are no classes; "
            f'{plan.task_reason}: name a regressor, or set model.task = "regression".'
        )


def check_model_size(classes: int, width: int, plan: Plan, session: Session) -> None:
    """Check that a model of so many classes and encoded columns, and its predictions, fit into a worker's memory.

    Raises
    ------
    DataError
        They do not, or are beyond what so many classes may take; the message says how much it would be.
    """
    if classes <= 2:
        return
    config = plan.config
    tested = max((batch.rows * _tested_share(plan, batch.test) for batch in plan.batches), default=0.0)
    weights, scores = classes * width * BYTES_PER_WEIGHT, classes * tested * BYTES_PER_SCORE
    if config.model.estimator in BOOSTED_TREES:
        weights = classes * plan.rows * BYTES_PER_GRADIENT
    per_thread = MAX_MEMORY_SHARE * session.memory / max(session.threads, 1)
    limits = [per_thread] if session.memory else []
    limit = min([*limits, MAX_BYTES] if classes > MANY_CLASSES else limits, default=0.0)
    if limit and weights + scores > limit:
        raise DataError(
            f"label {config.data.label!r}: {classes:,} classes x {width:,} encoded columns would take "
            f"{_gib(weights)} for the model and its copies and {_gib(scores)} for the predictions of a batch, and "
            f"{_gib(limit)} are allowed; name a label with fewer values, put rare ones together in prepare.function, "
            f"lower features.max_categories, or hash columns{_or_regression(plan)}."
        )


def _or_regression(plan: Plan) -> str:
    """What to do besides, if the label is a number."""
    if not is_number(plan.meta[plan.config.data.label].dtype):
        return ""
    return ', or set model.task = "regression" and name a regressor, to predict it as a number'


def _tested_share(plan: Plan, in_test: bool | None) -> float:
    if in_test is not None:
        return float(in_test)
    return plan.config.split.test if plan.test_from is None else 1.0


def _gib(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB"


def check_class_rows(summary: Summary, plan: Plan) -> tuple[Notice, ...]:
    """Check that each class has the rows that calibration and folds need; return what to tell of it.

    Raises
    ------
    DataError
        Of some class there are too few.
    """
    if plan.features.task == "regression":
        return ()
    label, config = plan.config.data.label, plan.config
    train = summary.train_labels.values
    notices = []
    if len(train) > MAX_CLASS_INTEGERS and is_number(plan.meta[label].dtype):
        found = f"{len(train):,} different numbers are taken for classes, because of this: {plan.task_reason}"
        notices.append(Notice(f"label {label!r}", found, "name a regressor to predict it as a number"))
    rare = train[train < MIN_ROWS]
    if len(train) == 2 and len(rare):
        found = f"class {str(rare.idxmin())!r} has {rare.min():,} of {train.sum():,} training rows"
        notices.append(Notice(f"label {label!r}", found, "the model hardly knows it; train on more rows of it"))
    if config.model.calibrate:
        validation = summary.validation_labels.values.reindex(train.index).fillna(0).astype(int)
        if validation.min() < MIN_ROWS:
            raise DataError(
                f"model.calibrate: class {str(validation.idxmin())!r} of label {label!r} has {validation.min():,} of "
                f"the {validation.sum():,} validation rows, and {MIN_ROWS} are needed to calibrate; raise "
                "train.validation_fraction, or drop it."
            )
    folds = config.split.folds
    if not folds or train.min() >= folds:
        return tuple(notices)
    few = train[train < folds]
    found = f"class {str(few.idxmin())!r} has {few.min():,} training rows for {folds} folds"
    if len(train) == 2:
        raise DataError(f"split.folds: {found} of label {label!r}, so some cannot be learned or judged; lower it.")
    more = f", and {len(few) - 1:,} more classes have fewer rows than folds" if len(few) > 1 else ""
    found = f"{found}{more}: folds without them say nothing of them"
    return (*notices, Notice(f"label {label!r}", found, "lower split.folds"))
