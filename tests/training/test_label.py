"""The label: what a model remembers of its target is enough to restore it."""

import numpy as np

from pipeline.models.target import TargetSpec
from pipeline.training.label import target_from_profile, target_to_profile


def test_profile_of_classes_restores_their_shares():
    classes = np.array(["no", "yes"], dtype=object)
    restored = target_from_profile(target_to_profile(TargetSpec(classes, shares=np.array([0.25, 0.75]))), classes)
    assert restored.classes is classes
    np.testing.assert_array_equal(restored.shares, [0.25, 0.75])


def test_target_from_profile_restores_mean_and_deviation_not_scale():
    profile = target_to_profile(TargetSpec(centre=3.0, scale=2.0, mean=3.0, std=2.0))
    restored = target_from_profile(profile, None)
    assert (restored.mean, restored.std) == (3.0, 2.0)
    assert (restored.centre, restored.scale) == (0.0, 1.0)
