import pytest

from pipeline.errors import ConfigError
from tests.builders import make_config


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"trian": {"epochs": 1}}, "trian: unknown config key; did you mean train"),
        ({"train": {"epoch": 1}}, "train.epoch: unknown config key; did you mean epochs"),
        ({"features": {"columns": {"x": {"clp": 1}}}}, "features.columns.x.clp: unknown config key; did you mean clip"),
        (
            {"features": {"columns": {"x": {"clip": [0.9, 0.1]}}}},
            "features.columns.x.clip: (0.9, 0.1); write the",
        ),
        ({"evaluate": {"bootstrap": 10}}, "evaluate.bootstrap: 10 resamples are too few for a 95% interval"),
        ({"split": {"by": "group"}}, "split.column: missing"),
        ({"split": {"by": "time"}}, "split.column: missing"),
        (
            {"split": {"by": "time", "column": "t", "folds": 3, "path": "x"}},
            'split.folds: with split.by = "time" they need test rows',
        ),
        ({"cluster": {"workers": [5, 2]}}, "cluster.workers: [5, 2] is no range"),
        ({"cluster": {"workers": -1}}, "cluster.workers: -1 is negative"),
        ({"split": {"version": 3}}, "split.version: 3 is that of a test set of its own, but split.path is missing"),
        ({"cluster": {"workers": 0, "scheduler": "tcp://h:1"}}, "cluster.workers: 0 means no cluster, but"),
    ],
)
def test_contradiction_or_unknown_key_is_named(sections, message):
    with pytest.raises(ConfigError) as caught:
        make_config("d", **sections)
    assert message in str(caught.value)


def test_valid_boundaries_pass():
    assert make_config("d", evaluate={"bootstrap": 0}, cluster={"workers": [1, 1]}).cluster.workers == [1, 1]
    assert make_config("d", evaluate={"bootstrap": 50}, cluster={"workers": 0}).evaluate.bootstrap == 50
