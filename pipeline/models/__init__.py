"""Models: estimators, how those of several lanes merge, and how a model is saved.

Belongs here: what has `fit` or `partial_fit`, and what wraps it. `factory` makes an estimator from a config,
`merging` knows how two trained copies become one, `persistence` writes and reads model.skops.

May import: `errors`, `io`, `config`, `preparation`, `statistics`, `encoding`.

To add a default or a built-in estimator, write it here and name it in `factory`; to let another kind of estimator
merge, add a class to `merging`. Any class with `partial_fit` works by its import path, without a change.
"""
