"""Blockwise: an estimator that cannot learn batch by batch, as an ensemble of which each member has some batches.

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

from pipeline.models.boosting import Batches


class _Blockwise(BaseEstimator):
    """What classifier and regressor have in common; ``estimators_`` are the members, in order of their batches."""

    def __init__(self, estimator: Any = None):
        self.estimator = estimator

    def fit(self, X: Any, y: Any) -> Self:
        """One member, of all rows."""
        y, classes = np.asarray(y), None
        if isinstance(self, ClassifierMixin):
            classes, y = np.unique(y, return_inverse=True)
        self.estimators_ = [self.fit_group(lambda: iter([(X, y)]), classes)]
        if classes is not None:
            self.classes_ = classes
        self.n_features_in_ = X.shape[1]
        return self

    def groups(self, numbers: Sequence[int], count: int) -> list[list[int]]:
        """The batches of each member: one, or, for ``count`` members, every so many-th."""
        count = len(numbers) if count == 1 else min(count, len(numbers))
        return [list(numbers[k::count]) for k in range(count)]

    def fit_group(self, batches: Batches, classes: np.ndarray | None = None, scratch: str | None = None) -> Any:
        """The member of some batches; None if they have no row."""
        parts = [part for part in batches() if len(part[1])]
        if not parts:
            return None
        stacked = sp.vstack if sp.issparse(parts[0][0]) else np.concatenate
        X, y = stacked([some for some, _ in parts]), np.concatenate([some for _, some in parts])
        member = clone(self.estimator)
        if classes is None:
            return member.fit(X, y)
        if len(np.unique(y)) == 1:  # many an estimator refuses a single class
            member = DummyClassifier()
        # Class numbers, not labels: those that a member has seen say which columns of the vote are its own.
        return member.fit(X, y)

    def joined(self, parts: Sequence[Any]) -> Any:
        """The ensemble of some members, ``None`` left out."""
        whole: Any = copy.copy(self)
        whole.estimators_ = [part for part in parts if part is not None]
        return whole

    @property
    def n_members(self) -> int:
        """How many members vote."""
        check_is_fitted(self, "estimators_")
        return len(self.estimators_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self.estimator is not None:
            tags.input_tags = get_tags(self.estimator).input_tags
        return tags


class BlockwiseClassifier(ClassifierMixin, _Blockwise):
    """Classifiers of some batches each, which vote: by the mean of their probabilities, or of their choices.

    Attributes
    ----------
    estimators_ : fitted classifiers of class numbers
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
        """Mean of the members' probabilities, float64 (n, n_classes)."""
        return self._votes(X)

    def predict(self, X: Any) -> np.ndarray:
        """The class of the most votes, (n,)."""
        return self.classes_[self._votes(X).argmax(axis=1)]


class BlockwiseRegressor(RegressorMixin, _Blockwise):
    """Regressors of some batches each; the mean of what they say.

    Attributes
    ----------
    estimators_ : fitted regressors
    """

    def predict(self, X: Any) -> np.ndarray:
        """Mean of the members' predictions, float64 (n,)."""
        check_is_fitted(self, "estimators_")
        return np.mean([member.predict(X) for member in self.estimators_], axis=0)
