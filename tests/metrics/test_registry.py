import pytest

from pipeline.errors import ConfigError
from pipeline.metrics.binned_ranking import BinnedRanking
from pipeline.metrics.constant_ranking import ConstantRanking
from pipeline.metrics.exact_ranking import ExactRanking
from pipeline.metrics.registry import PICTURES, comparable_metrics, metrics_for, user_metrics
from tests.user_code import Positives


def test_scores_are_counted_by_bin_only_beyond_the_limit():
    assert ExactRanking in metrics_for("classification", 100, 100)
    assert BinnedRanking in metrics_for("classification", 101, 100)


@pytest.mark.parametrize("rows", [100, 101])
def test_a_constant_is_compared_without_pictures_and_ranked_by_counts(rows):
    metrics = metrics_for("classification", rows, 100)
    assert not set(PICTURES) & set(comparable_metrics(metrics))
    assert ConstantRanking in comparable_metrics(metrics, constant=True)
    assert not {ExactRanking, BinnedRanking} & set(comparable_metrics(metrics, constant=True))


def test_user_metrics_are_imported():
    assert user_metrics(["tests.user_code:Positives"]) == (Positives,)


@pytest.mark.parametrize(
    ("reference", "message"),
    [("tests.user_code:No", "cannot be imported"), ("no_colon", "write .module:Class"), ("os:sep", "no method 'of'")],
)
def test_user_metrics_that_are_none_are_named(reference, message):
    with pytest.raises(ConfigError, match=rf"evaluate\.metrics: '{reference}' .*{message}"):
        user_metrics([reference])
