"""The fitted state of a run: what the stages after the statistics need to know of the training rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.encoding.encoder import Encoder
from pipeline.evaluation import drift_profile
from pipeline.evaluation.slices import Slicing
from pipeline.models.target import TargetSpec
from pipeline.notices import Notice
from pipeline.planning.plan import Plan
from pipeline.preparation.feature_inference import LearningTask
from pipeline.preparation.slice_columns import keys_of
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.summary import Summary
from pipeline.training.class_limits import check_class_rows, check_label_values
from pipeline.training.label import target_of, target_to_profile
from pipeline.training.row_checks import training_ledger
from pipeline.training.statistics_notices import statistics_notices


@dataclass(frozen=True)
class FittedState:
    """The ledger, what there is to predict, the fitted encoder and the slices."""

    ledger: Ledger
    target: TargetSpec
    encoder: Encoder
    slicing: Slicing
    unmatched: Mapping[str, int]
    """Rows without a match, by joined table."""
    drift: Mapping[str, Any] = field(default_factory=dict)
    """How far the rows are from a model's earlier training data, by column, if that model is trained further."""
    notices: tuple[Notice, ...] = ()
    """What the statistics show and a person should know."""

    @property
    def task(self) -> LearningTask:
        """What the label turned out to be."""
        return "regression" if self.target.classes is None else "classification"

    @classmethod
    def of(cls, summary: Summary, plan: Plan, folds: int) -> "FittedState":
        """Fit to the merged statistics of all batches; ``folds`` are those that target encoding is learned across.

        Raises
        ------
        DataError
            The data cannot be trained on, or the ledger does not balance.
        """
        check_label_values(summary, plan)
        ledger, target = training_ledger(summary, plan), target_of(summary, plan)
        about_classes = check_class_rows(summary, plan)
        columns = plan.features.columns
        encoder = Encoder.for_columns(columns)
        encoder.fit_statistics(summary, plan.packing_scale, target.classes, folds)
        label = target_to_profile(target) | {"rows": ledger.train}
        profile = drift_profile.profile(summary, columns, encoder.categories_) | {"label": label}
        split = plan.split_revision.to_profile() if plan.split_revision else {}
        encoder = encoder.with_profile(profile | {"types": drift_profile.types_to_profile(plan.columns)} | split)
        slicing, unmatched = slicing_of(summary, plan), dict(summary.unmatched)
        notices = (*about_classes, *statistics_notices(summary, plan))
        return cls(ledger, target, encoder, slicing, unmatched, notices=notices)

    def to_dict(self) -> dict[str, Any]:
        """Return values that a checkpoint can hold; `from_dict` restores them."""
        return {
            "ledger": json.dumps(self.ledger.to_dict()),
            "target": vars(self.target),
            "encoder": self.encoder,
            "slicing": {
                "keys": [list(key) for key in self.slicing.keys],
                "values": [[np.asarray(index) for index in indexes] for indexes in self.slicing.values],
            },
            "unmatched": dict(self.unmatched),
            "drift": json.dumps(dict(self.drift)),
            "notices": [notice.to_dict() for notice in self.notices],
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "FittedState":
        """Restore what `to_dict` returned."""
        slicing = values["slicing"]
        return cls(
            Ledger.from_dict(json.loads(values["ledger"])),
            TargetSpec(**values["target"]),
            values["encoder"],
            Slicing(
                tuple(tuple(key) for key in slicing["keys"]),
                tuple(tuple(pd.Index(values) for values in arrays) for arrays in slicing["values"]),
            ),
            values["unmatched"],
            json.loads(values["drift"]),
            tuple(Notice.from_dict(notice) for notice in values["notices"]),
        )


def slicing_of(summary: Summary, plan: Plan) -> Slicing:
    """Return the slices that the config names, with the values that occur in the training rows."""
    counts = {name: count.values for name, count in summary.slices.items()}
    return Slicing.of(keys_of(plan.config.evaluate.slices), counts, plan.slices)
