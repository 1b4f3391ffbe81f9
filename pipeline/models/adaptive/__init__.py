"""Linear models that need no tuning: one pass, a rate for each coordinate, compiled, mergeable.

`classifier` and `regressor` are scikit-learn estimators over `linear`; `kernels` holds the compiled loops, `delta`
merges lanes.
"""
