"""The histogram of a numeric column: counts of packed values in ranges that are the same for every batch.

Packed values lie about zero with a spread of about one. The ranges are narrow there and grow with the distance from
zero, so that both the bulk of a column and a tail a million times as long are resolved: an eighth of an octave from
1/8 to 4, an octave from there on and below, and all that is nearer than 2**-12 or farther than 2**21 together. Counts
in fixed ranges merge without loss.
"""

import numpy as np
from numba import njit

# Exponents of two: of the octaves that have ranges at all, and of those that are cut into eight.
FIRST_OCTAVE, LAST_OCTAVE = -12, 20
FIRST_FINE_OCTAVE, LAST_FINE_OCTAVE = -3, 1
# A float32 without its last 20 bits: sign, exponent and the eighth of the octave.
_SHIFT = 20


def _bin_table() -> np.ndarray:
    """Return the range of every float32 by its first twelve bits, uint8 (4096,), in the order of the values."""
    exponent, eighth = np.divmod(np.arange(2048), 8)
    octave = np.clip(exponent - 127, FIRST_OCTAVE - 1, LAST_OCTAVE + 1)
    fine = (octave >= FIRST_FINE_OCTAVE) & (octave <= LAST_FINE_OCTAVE)
    _, size = np.unique(8 * octave + np.where(fine, eighth, 0), return_inverse=True)
    count = size.max() + 1
    return np.concatenate([count + size, count - 1 - size]).astype(np.uint8)


_BINS = _bin_table()
N_BINS = int(_BINS.max()) + 1


@njit(nogil=True, cache=True)
def bin_of(value: float) -> int:
    """Return the range of a finite packed value."""
    # Zero is added because -0.0 and 0.0 are one value.
    return _BINS[np.float32(value + 0.0).view(np.uint32) >> np.uint32(_SHIFT)]
