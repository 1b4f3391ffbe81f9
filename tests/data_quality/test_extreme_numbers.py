import numpy as np
import pandas as pd

from pipeline.data_quality.extreme_numbers import extreme_numbers
from pipeline.preparation.columns import Columns
from pipeline.statistics.summary import summarise_frame


def findings(options=None, **values):
    frame = pd.DataFrame(values)
    columns = Columns(tuple(values), options=options or {})
    summary, scale, _ = summarise_frame(frame, None, columns)
    return {(each.kind, each.column): each.message for each in extreme_numbers(summary, columns, scale)}


def test_infinite_values_are_counted_by_column():
    ordinary = np.random.default_rng(0).normal(size=500)
    infinite = np.where(np.arange(500) % 100, ordinary, -np.inf)
    assert findings(x=ordinary, i=infinite) == {("infinite values", "i"): "5 values are infinite and count as missing"}


def test_values_that_hide_all_others_are_found_unless_the_treatment_keeps_them_apart():
    values = np.random.default_rng(0).normal(size=500)
    values[7] = 1e15
    [((kind, column), message)] = findings(x=values, y=-values[::-1] % 9).items()
    assert (kind, column) == ("extreme values", "x")
    assert "1e+15" in message
    assert not findings({"x": {"scale": "robust"}}, x=values)
    assert not findings(x=np.random.default_rng(0).lognormal(0, 2, 500))
