"""Linear models that need no tuning: one pass, adaptive rates, compiled, mergeable."""

from pipeline.adaptive.linear import AdaptiveClassifier, AdaptiveRegressor
from pipeline.adaptive.share import AdaptiveShare

__all__ = ["AdaptiveClassifier", "AdaptiveRegressor", "AdaptiveShare"]
