"""Statistics: what the encoding must learn, in one pass over the training rows.

Each statistic is a frozen value with ``of`` (some rows) and ``merge`` (neighbours), exact below a size.
"""

from pipeline.statistics.counts import Counts
from pipeline.statistics.numbers import Moments, Number
from pipeline.statistics.quantiles import Quantiles
from pipeline.statistics.summary import Summary, merge, summarise
from pipeline.statistics.targets import Targets, predictive_power

__all__ = ["Counts", "Moments", "Number", "Quantiles", "Summary", "Targets", "merge", "predictive_power", "summarise"]
