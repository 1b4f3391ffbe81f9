import pytest

from pipeline import config as cfg
from tests.builders import make_config


def test_transform_for_prefers_the_keys_of_the_column():
    features = cfg.FeatureConfig(scale="robust", clip=(0.1, 0.9), columns={"x": {"scale": "none"}})
    assert features.transform_for("x").non_defaults() == {"scale": "none", "clip": (0.1, 0.9)}
    assert features.transform_for("z").non_defaults() == {"scale": "robust", "clip": (0.1, 0.9)}


@pytest.mark.parametrize("keys", [{"impute": "median"}, {"scale": "robust"}, {"clip": (0.0, 0.5)}, {"bins": 4}])
def test_needs_quantiles_for_what_is_ranked(keys):
    assert cfg.ColumnTransform(**keys).needs_quantiles
    assert not cfg.ColumnTransform(log1p=True).needs_quantiles


def test_needs_validation_rows_to_stop_early_or_to_calibrate():
    assert not make_config("d").needs_validation_rows
    assert not make_config("d", train={"early_stopping": "progressive"}).needs_validation_rows
    assert make_config("d", train={"early_stopping": "validation"}).needs_validation_rows
    assert make_config("d", model={"calibrate": "sigmoid"}).needs_validation_rows
