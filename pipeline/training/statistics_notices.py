"""What the statistics show and a person should know: of the split, of texts, of features and the label."""

from pipeline.data_quality.finding import merge_findings, to_notices
from pipeline.data_quality.label_dependence import dependences
from pipeline.data_quality.training_rows import findings_in_statistics, label_notices, unparsed_dates
from pipeline.notices import Notice
from pipeline.planning.plan import Plan
from pipeline.statistics.summary import Summary
from pipeline.training.row_checks import replaced_text_notices
from pipeline.training.split_checks import split_notices


def statistics_notices(summary: Summary, plan: Plan) -> tuple[Notice, ...]:
    """Return what every run tells of its merged statistics, whether it trains a new model or one further."""
    return (
        *split_notices(summary, plan),
        *replaced_text_notices(summary),
        *_quality_notices(summary, plan),
    )


def _quality_notices(summary: Summary, plan: Plan) -> tuple[Notice, ...]:
    """A line for each thing that looks wrong, by first rows and statistics together.

    The features of a model that is trained further are what they are.
    """
    if not plan.is_new_model:
        return to_notices(unparsed_dates(summary, plan.features.columns))
    depends = dependences(summary.sample, plan.features.task == "regression")
    found = findings_in_statistics(summary, plan.features.columns, plan.packing_scale, plan.config, depends)
    return (*label_notices(summary, plan.config.data.label), *to_notices(merge_findings(plan.findings, found)))
