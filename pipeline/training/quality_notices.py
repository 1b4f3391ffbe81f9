"""What looks wrong with the data, by first rows and statistics together."""

from pipeline.data_quality.finding import merge_findings, to_notices
from pipeline.data_quality.label_dependence import dependences
from pipeline.data_quality.training_rows import findings_in_statistics, label_notices, unparsed_dates
from pipeline.notices import Notice
from pipeline.planning.plan import Plan
from pipeline.statistics.summary import Summary


def quality_notices(summary: Summary, plan: Plan) -> tuple[Notice, ...]:
    """Return a line for each thing that looks wrong with the features and the label.

    The features of a model that is trained further are what they are.
    """
    if not plan.is_new_model:
        return to_notices(unparsed_dates(summary, plan.features.columns))
    depends = dependences(summary.sample, plan.features.task == "regression")
    found = findings_in_statistics(summary, plan.features.columns, plan.config, depends)
    return (*label_notices(summary, plan.config.data.label), *to_notices(merge_findings(plan.findings, found)))
