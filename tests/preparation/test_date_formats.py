"""Formats of dates written as text."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.preparation.columns import Columns
from pipeline.preparation.date_formats import FORMATS, dates_of_frame, find_date_format, with_date_formats
from pipeline.preparation.text_dates import ISO, as_dates, parse_dates

TIMES = st.datetimes(pd.Timestamp("1950-01-01").to_pydatetime(), pd.Timestamp("2049-12-31").to_pydatetime())


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["2026-01-31", "2026-02-01"], ISO),
        (["2026-01-31 10:00:00", "2026-01-31T10:00:00.5Z"], ISO),
        (["2026-01"], ISO),
        (["9999-12-31", "2026-01-31"], ISO),
        (["13/04/2026", "01/02/2026"], "%d/%m/%Y"),
        (["04/13/2026", "01/02/2026"], "%m/%d/%Y"),
        (["31.12.2025"], "%d.%m.%Y"),
        (["20260131"], "%Y%m%d"),
        (["01-JAN-2020", "02-feb-2020"], "%d-%b-%Y"),
        (["May 3, 2020"], "%b %d, %Y"),
        (["1/22/2026 10:11 PM"], "%m/%d/%Y %I:%M %p"),
    ],
)
def test_the_format_is_found(texts, form):
    found = find_date_format(pd.Series(texts))
    assert (found.text, found.share, found.other) == (form, 1, "")


@pytest.mark.parametrize("texts", [["abc"], ["12345", "99501"], ["1.5", "2.3"], ["2026"], ["1-2-3-4"], [], [None]])
def test_other_texts_have_none(texts):
    assert find_date_format(pd.Series(texts, dtype="str")) is None


@pytest.mark.parametrize("texts", [["03/04/2026", "05/06/2026"], ["05-05-2026"], ["01/02/99", "11/12/98"]])
def test_days_that_may_be_months_have_both(texts):
    found = find_date_format(pd.Series(texts))
    assert {found.text.replace("%d", "%m"), found.other.replace("%d", "%m")} == {found.text.replace("%d", "%m")}
    assert found.text != found.other


@given(st.lists(TIMES, min_size=1, max_size=20), st.sampled_from(FORMATS[1:]))
def test_what_is_written_in_a_format_is_read_by_it(times, form):
    wanted = pd.Series([pd.to_datetime(time.strftime(form), format=form) for time in times])
    texts = pd.Series([time.strftime(form) for time in times])
    pd.testing.assert_series_equal(parse_dates(texts, form), wanted, check_dtype=False)
    found = find_date_format(texts)
    assert found is not None
    assert found.share == 1


def test_dates_stay_as_they_are_and_texts_keep_their_rows():
    times = pd.Series(pd.date_range("2026-01-01", periods=3), name="t")
    assert as_dates(times, ISO) is times
    for dtype in (object, "str", "category"):
        texts = pd.Series(["2026-01-02", None, "x", "2026-01-01"], dtype=dtype, name="t", index=[7, 8, 9, 3])
        parsed = as_dates(texts, ISO)
        assert (parsed.name, parsed.index.tolist()) == ("t", [7, 8, 9, 3])
        assert parsed.isna().tolist() == [False, True, True, False]


def test_unparsed_texts_are_counted_and_the_frame_stays():
    columns = Columns(datetime=("t", "u"), options={"t": {"format": ISO}})
    frame = pd.DataFrame({"t": ["2026-01-02", "x", None], "u": pd.date_range("2026-01-01", periods=3)})
    parsed, unparsed = dates_of_frame(frame, columns)
    assert unparsed == {"t": 1}
    assert frame["t"].tolist()[:2] == ["2026-01-02", "x"]
    assert parsed["t"].dtype.kind == "M"
    same, none = dates_of_frame(frame, Columns(datetime=("u",)))
    assert same is frame
    assert none == {}


def test_formats_become_options_and_are_dropped_where_there_are_dates():
    head = pd.DataFrame({"t": ["2026-01-02"], "u": pd.date_range("2026-01-01", periods=1)})
    columns, reasons = with_date_formats(Columns(datetime=("t", "u"), options={"u": {"format": "%d"}}), head)
    assert columns.options == {"t": {"format": ISO}}
    assert list(reasons) == ["t"]
    with pytest.raises(ConfigError, match=r"column 't' has texts such as 'x' that no known format reads"):
        with_date_formats(Columns(datetime=("t",)), pd.DataFrame({"t": ["x"] * 3}))
    assert np.array_equal(head["t"], ["2026-01-02"])
