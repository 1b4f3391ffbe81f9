"""The plan in lines for a person, as ``pipeline run --plan`` prints it."""

from pipeline.data_quality.finding import to_notices
from pipeline.io.batching import auto_batch_rows
from pipeline.models import factory
from pipeline.planning.plan import Plan
from pipeline.preparation.feature_inference import FEATURE_KINDS
from pipeline.preparation.slice_columns import keys_of


def describe_plan(plan: Plan) -> list[str]:
    """The plan in lines for a person."""
    config, features = plan.config, plan.features
    test_rows = f"path {config.split.path_text}" if config.split.path else f"{config.split.test:g} by {config.split.by}"
    if plan.boundary is not None:
        share = plan.boundary.share
        about = "" if share is None else f", about {share:.2g} of them {plan.boundary.source}"
        test_rows = f"rows with {plan.boundary.column} >= {plan.boundary.first_test}{about}"
    if config.split.folds:
        test_rows += f", and {config.split.folds} folds of the training rows"
    if plan.boundary is not None and plan.boundary.fold_starts:
        starts = ", ".join(map(str, plan.boundary.fold_starts))
        test_rows += f", from {starts} on, each predicted by a model of the rows before it"
    estimator = factory.make(config.model, features.task, config.train.seed)
    count = sum(batch.test is not True for batch in plan.batches)
    training_note = factory.training_note(estimator, count, config.train.lanes)
    lines = [
        f"data        {config.data.path_text}: {plan.rows:,} rows in {len(plan.dataset.files)} files"
        + (f" of {plan.dataset.version}" if plan.dataset.table else "")
        + (f", {plan.dataset.pruned:,} more pruned by data.filters" if plan.dataset.filters else ""),
        *(f"quarantined {file.reason}" for file in plan.sources.quarantined_files),
        f"batches     {len(plan.batches)} of {min(b.rows for b in plan.batches):,} to "
        f"{max(b.rows for b in plan.batches):,} rows: {_batch_size_reason(plan)}",
        f"columns     {len(plan.columns)} read",
        f"prepare     {len(config.data.join)} joins, {len(config.prepare.derive)} derived columns, "
        f"{len(config.prepare.filter)} conditions, function {config.prepare.function or 'none'}",
        f"label       {config.data.label}: {features.task}, because {plan.task_reason}",
        f"test        {test_rows}, seed {config.train.seed}",
        f"model       {config.model.estimator}, {config.train.epochs} epochs, "
        f"early stopping {config.train.early_stopping}",
        *([f"training    {training_note}"] if training_note else []),
        f"lanes       {config.train.lanes}, merged after every {config.train.round_batches} batches, "
        f"in trees of fan-in {config.aggregate.fan_in}",
        *(f"shuffle     {j.path_text}: both tables, by {j.on}" for j in config.data.join if j.large is True),
        f"evaluate    {_evaluation(plan)}",
        "features",
    ]
    kinds = {n: k for k in FEATURE_KINDS for n in getattr(features.columns, k)}
    kinds |= dict.fromkeys(features.columns.crosses, "cross")
    lines += [f"  {name:<20} {kinds.get(name, '-'):<12} {why}" for name, why in features.reasons.items()]
    return lines + [
        f"notice      {notice}" for notice in (*plan.sources.notices, *plan.notices, *to_notices(plan.findings))
    ]


def _evaluation(plan: Plan) -> str:
    evaluate = plan.config.evaluate
    keys = [" by ".join(key) for key in keys_of(evaluate.slices)]
    cut = [f"{column.name} at {', '.join(column.cuts)}" for column in plan.slices if column.edges]
    return (
        (f"intervals from {evaluate.bootstrap} resamples" if evaluate.bootstrap else "no intervals")
        + (f", sliced by {', '.join(keys)}" if keys else "")
        + (f" (the first rows' quartiles cut {'; '.join(cut)})" if cut else "")
        + (f", beside {evaluate.baseline}" if evaluate.baseline else "")
    )


def _batch_size_reason(plan: Plan) -> str:
    rule = plan.config.data.batch_rows
    if rule != "auto":
        return f"data.batch_rows = {rule}"
    width, rows = plan.dataset.row_bytes(plan.columns), auto_batch_rows(plan.dataset, plan.columns)
    return f"about {rows:,}, or {rows * width / 2**20:.1f} MiB of {width} bytes a row, suit {plan.rows:,} rows"
