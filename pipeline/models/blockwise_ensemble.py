"""Ensembles of models that learned from some batches each, for an estimator that cannot learn batch by batch.

As dask-ml's `BlockwiseVotingClassifier` and `BlockwiseVotingRegressor`, in a form that predicts without Dask.
"""

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from pipeline.models.group_estimator import ReadBatches


class _BlockwiseEnsemble(BaseEstimator):
    """What classifier and regressor have in common, a `GroupEstimator`."""

    def __init__(self, estimator: Any = None):
        self.estimator = estimator

    def fit(self, X: Any, y: Any) -> Self:
        """Fit a single member to all rows."""
        y, classes = np.asarray(y), None
        if isinstance(self, ClassifierMixin):
            classes, y = np.unique(y, return_inverse=True)
        self.estimators_ = [self.fit_group(lambda: iter([(X, y)]), classes)]
        if classes is not None:
            self.classes_ = classes
        self.n_features_in_ = X.shape[1]
        return self

    def groups(self, numbers: Sequence[int], count: int) -> list[list[int]]:
        """Return the batches of each member: one batch each or, for ``count`` > 1 members, every ``count``-th."""
        count = len(numbers) if count == 1 else min(count, len(numbers))
        return [list(numbers[k::count]) for k in range(count)]

    def fit_group(self, read: ReadBatches, classes: np.ndarray | None = None, scratch: str | None = None) -> Any:
        """Return the member of a group of batches; None without a row."""
        batches = [batch for batch in read() if len(batch[1])]
        if not batches:
            return None
        stack = sp.vstack if sp.issparse(batches[0][0]) else np.concatenate
        X, y = stack([rows for rows, _ in batches]), np.concatenate([targets for _, targets in batches])
        member = clone(self.estimator)
        if classes is None:
            return member.fit(X, y)
        if len(np.unique(y)) == 1:  # many an estimator refuses a single class
            member = DummyClassifier()
        # Class numbers, not labels: those that a member has seen are its columns of the vote.
        return member.fit(X, y)

    def combine_members(self, members: Sequence[Any], classes: np.ndarray | None = None) -> Self:
        """Return the ensemble of the members, ``None`` left out."""
        ensemble: Any = copy.copy(self)
        ensemble.estimators_ = [member for member in members if member is not None]
        if classes is not None:
            ensemble.classes_ = classes
        return ensemble

    @property
    def n_members(self) -> int:
        """The number of members."""
        check_is_fitted(self, "estimators_")
        return len(self.estimators_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.estimator is not None:
            tags.input_tags = get_tags(self.estimator).input_tags
        return tags


class BlockwiseClassifier(ClassifierMixin, _BlockwiseEnsemble):
    """Classifiers of some batches each, which vote by the mean of their probabilities, or of their predictions.

    Attributes
    ----------
    estimators_ : list of fitted classifiers of class numbers, in the order of their batches
    classes_ : labels in sorted order
    """

    def _votes(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "estimators_")
        votes = np.zeros((X.shape[0], len(self.classes_)))
        for member in self.estimators_:
            if hasattr(member, "predict_proba"):
                votes[:, member.classes_] += member.predict_proba(X)
            else:
                votes[np.arange(len(votes)), member.predict(X)] += 1.0
        return votes / len(self.estimators_)

    @available_if(lambda self: hasattr(self.estimator, "predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the mean of the members' probabilities, float64 (n, n_classes)."""
        return self._votes(X)

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of the most votes, (n,)."""
        return self.classes_[self._votes(X).argmax(axis=1)]


class BlockwiseRegressor(RegressorMixin, _BlockwiseEnsemble):
    """Regressors of some batches each; their mean predicts.

    Attributes
    ----------
    estimators_ : list of fitted regressors, in the order of their batches
    """

    def predict(self, X: Any) -> np.ndarray:
        """Return the mean of the members' predictions, float64 (n,)."""
        check_is_fitted(self, "estimators_")
        return np.mean([member.predict(X) for member in self.estimators_], axis=0)
