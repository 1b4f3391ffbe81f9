"""Dates written as text, read by a given format."""

import pandas as pd

ISO = "ISO8601"


def parse_dates(texts: pd.Series, form: str) -> pd.Series:
    """The dates of texts, NaT for those of another form; a time with an offset is in UTC."""
    dates = pd.to_datetime(texts.str.strip(), format=form, errors="coerce", utc=True)
    return dates.dt.tz_localize(None)


def as_dates(values: pd.Series, form: str | None) -> pd.Series:
    """A datetime column as it is, and one of texts parsed, each distinct text once."""
    if form is None or (not isinstance(values.dtype, pd.CategoricalDtype | pd.StringDtype) and values.dtype != object):
        return values
    codes, texts = pd.factorize(values)
    dates = parse_dates(pd.Series(pd.Index(texts).astype("str")), form)
    return pd.Series(dates.reindex(codes).to_numpy(), index=values.index, name=values.name)
