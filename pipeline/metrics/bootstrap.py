"""The Poisson bootstrap: intervals from one pass.

Each row belongs to one of `pipeline.preparation.split.N_BOOTSTRAP_GROUPS` groups by the hash that splits the data,
and each resample weighs a group by a Poisson number of mean 1 drawn from the seed: the weights are a function of the
row's identity alone, whatever batch it stands in. With fewer rows than groups this is the Poisson bootstrap of N.
Chamandy et al., *Estimating Uncertainty for Massive Data Streams* (Google, 2012); with more, it is the same over
groups of rows, whose sums vary as much. Rows of one `split.by = "group"` hash alike and so are drawn together.
"""

import numpy as np

from pipeline.preparation.split import N_BOOTSTRAP_GROUPS

LEVEL = 0.95
# The standard errors on either side of a mean that as many samples lie within.
NORMAL = 1.959964


def poisson_weights(replicates: int, seed: int) -> np.ndarray:
    """float64 (replicates, GROUPS)."""
    return (
        np.random.default_rng([seed, N_BOOTSTRAP_GROUPS])
        .poisson(1.0, (replicates, N_BOOTSTRAP_GROUPS))
        .astype(np.float64)
    )


def interval(replicates: np.ndarray) -> tuple[float, float] | None:
    """The middle 95% of the replicates; None where too many are undefined."""
    some = replicates[np.isfinite(replicates)]
    if len(some) < max(2, len(replicates) // 2):
        return None
    low, high = np.quantile(some, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
