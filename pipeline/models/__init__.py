"""Models: estimators, how those of several lanes merge, and how a model is saved.

Belongs here: what has `fit` or `partial_fit`, and what wraps it. `factory` makes an estimator from a config,
`merging` makes one model of those of several lanes, `persistence` writes and reads model.skops.

May import: `errors`, `notices`, `io`, `config`, `preparation`, `statistics`, `data_quality`, `encoding`.

To add a built-in estimator, write a file as `xgboost` is, name its class in `factory` and in `persistence.TRUSTED`.
An estimator that learns from whole groups of batches has the methods of `group_estimator.GroupEstimator`. To let
another kind of estimator merge, add a class to `merging`. Any class with `partial_fit` or `fit` works by its import
path, without a change here.
"""
