"""Rows that boosted trees learn from: an interaction of two columns, and a sparse form of them."""

import numpy as np
import scipy.sparse as sp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3_000, 6)).astype(np.float32)
X[:, 5] = RNG.random(3_000) < 0.3
MARGIN = X[:, 0] * X[:, 1] + X[:, 2]
Y = (MARGIN + RNG.normal(size=3_000) > 0).astype(int)
SPARSE = sp.csr_array(np.where(np.abs(X) > 0.5, X, 0).astype(np.float32))
