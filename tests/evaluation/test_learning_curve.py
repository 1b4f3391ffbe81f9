import pandas as pd
import pytest

from pipeline.evaluation.learning_curve import smoothed, sparkline


def test_curve_is_smoothed_over_a_tenth_of_its_points():
    points = [{"rows": 10 * i, "log_loss": float(i % 2)} for i in range(1, 101)]
    name, values, smooth = smoothed(points)
    assert name == "log_loss"
    assert values.tolist() == [p["log_loss"] for p in points]
    pd.testing.assert_series_equal(smooth, values.ewm(span=10).mean())
    assert smooth.iloc[-20:].std() < values.iloc[-20:].std() / 3


@pytest.mark.parametrize("points", [[], [{"rows": 1}]])
def test_curve_without_predictions_is_empty(points):
    name, values, smooth = smoothed(points)
    assert (name, len(values), len(smooth), sparkline(smooth)) == ("", 0, 0, "")


def test_sparkline_is_one_line_of_text():
    assert sparkline(pd.Series([0.0, 1.0, 2.0, 7.0])) == "▁▂▃█"
    assert sparkline(pd.Series([3.0, 3.0])) == "▁▁"
    assert len(sparkline(pd.Series(range(1_000)))) == 24
