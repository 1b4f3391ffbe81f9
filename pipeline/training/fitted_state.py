"""What the statistics told: all that the stages after them need to know of the training rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline.encoding.batch_encoder import make_encoder
from pipeline.encoding.encoder import Encoder
from pipeline.evaluation import drift_profile
from pipeline.evaluation.slices import Slicing
from pipeline.models.target import TargetSpec
from pipeline.planning.plan import Plan
from pipeline.preparation.slice_columns import keys_of
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.summary import Summary
from pipeline.training.target import target_to_profile, understand


@dataclass(frozen=True)
class FittedState:
    """The ledger, what there is to predict, the fitted encoder and the slices.

    ``unmatched`` are the rows without a match, by joined table.
    """

    ledger: Ledger
    target: TargetSpec
    encoder: Encoder
    slicing: Slicing
    unmatched: Mapping[str, int]
    drift: Mapping[str, Any] = field(default_factory=dict)
    """How far the rows are from those that a model was trained on before, if it is trained on."""

    @classmethod
    def of(cls, summary: Summary, plan: Plan, folds: int) -> "FittedState":
        """From the merged statistics of all batches.

        Raises
        ------
        DataError
            The data cannot be trained on, or the ledger does not balance.
        """
        ledger, target = understand(summary, plan)
        columns = plan.features.columns
        encoder = make_encoder(summary, columns, plan.reference, target.classes, folds)
        encoder.profile_ = drift_profile.profile(summary, columns) | {"label": target_to_profile(target)}
        return cls(ledger, target, encoder, slicing_of(summary, plan), dict(summary.unmatched))

    def to_dict(self) -> dict[str, Any]:
        """As values that a checkpoint can hold; `loaded` takes them back."""
        return {
            "ledger": json.dumps(self.ledger.to_dict()),
            "target": vars(self.target),
            "encoder": self.encoder,
            "slicing": {
                "keys": [list(key) for key in self.slicing.keys],
                "values": [[np.asarray(known) for known in values] for values in self.slicing.values],
            },
            "unmatched": dict(self.unmatched),
            "drift": json.dumps(dict(self.drift)),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "FittedState":
        """What `dumped` gave."""
        slicing = values["slicing"]
        return cls(
            Ledger.from_dict(json.loads(values["ledger"])),
            TargetSpec(**values["target"]),
            values["encoder"],
            Slicing(
                tuple(tuple(key) for key in slicing["keys"]),
                tuple(tuple(pd.Index(known) for known in some) for some in slicing["values"]),
            ),
            values["unmatched"],
            json.loads(values["drift"]),
        )


def slicing_of(summary: Summary, plan: Plan) -> Slicing:
    """The slices that the config asks for, by what there is in the data."""
    counts = {name: count.values for name, count in summary.slices.items()}
    return Slicing.of(keys_of(plan.config.evaluate.slices), counts, plan.slices)
