"""The Poisson bootstrap: intervals from one pass.

The hash that splits the data puts each row into one of `pipeline.preparation.split.N_BOOTSTRAP_GROUPS` groups, and each
resample weighs a group by a Poisson number of mean 1, drawn from the seed. The weight thus depends on the row's
identity alone, not on its batch. With fewer rows than groups this is the Poisson bootstrap of N. Chamandy et al.,
*Estimating Uncertainty for Massive Data Streams* (Google, 2012). With more rows, groups of rows are drawn, and their
sums vary as much. Rows of one group of ``split.by = "group"`` have one hash and are drawn together.
"""

import numpy as np

from pipeline.metrics.intervals import LEVEL
from pipeline.preparation.split import N_BOOTSTRAP_GROUPS


def poisson_weights(replicates: int, seed: int) -> np.ndarray:
    """Return how often each resample has the rows of each group, float64 (replicates, N_BOOTSTRAP_GROUPS)."""
    rng = np.random.default_rng([seed, N_BOOTSTRAP_GROUPS])
    return rng.poisson(1.0, (replicates, N_BOOTSTRAP_GROUPS)).astype(np.float64)


def interval(replicates: np.ndarray) -> tuple[float, float] | None:
    """Return the bounds of the middle 95% of the replicates, (b,); None if less than half of them are defined."""
    defined = replicates[np.isfinite(replicates)]
    if len(defined) < max(2, len(replicates) // 2):
        return None
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
