"""Formats of dates written as text: found once, from the first rows; every row is read by it."""

import re
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from pipeline.errors import ConfigError
from pipeline.preparation.columns import Columns
from pipeline.preparation.text_dates import ISO, as_dates, parse_dates

# Year, month and day in this order, with or without a time of day and an offset: what pandas' "ISO8601" reads. Without
# the hyphens, plain numbers would be dates.
_ISO_PATTERN = re.compile(r"\d{4}-\d{1,2}(-\d{1,2}([T ]\d{1,2}:\d{2}.*)?)?")
_DAYS: tuple[str, ...] = (
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d.%m.%Y",
    "%d.%m.%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%d %B %Y",
)
_DAYS += ("%B %d, %Y", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
FORMATS = (ISO, *(day + time for day in _DAYS for time in _TIMES))
# What no text of a date of these formats is without.
_LIKE_A_DATE = re.compile(
    r"\d{4}-\d|\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}|(19|20)\d{6}|\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2}"
    r"|[A-Za-z]{3,9} \d{1,2}, \d{4}"
)
# So many distinct values tell the format. A date of every day of ten years has 3,653.
MAX_VALUES = 5_000
_DAY_AND_MONTH = str.maketrans("dm", "md")
# A column offers itself as dates if so many of its values are some, and is read as dates, on request, if half are.
OFFER_SHARE, READ_SHARE = 0.95, 0.5


@dataclass(frozen=True)
class DateFormat:
    """The format that fits most of a column's texts."""

    text: str
    """As `datetime.strptime` takes it, or `ISO`."""
    share: float
    """The part of the distinct values that it fits."""
    other: str = ""
    """The format with day and month the other way round, if it fits as many; empty if not."""
    example: str = ""
    """A text that both formats read, differently if there is one."""


def find_date_format(values: pd.Series) -> DateFormat | None:
    """The format of a column of texts, from its first distinct values; None if none fits a single one.

    >>> find_date_format(pd.Series(["13/02/2026", "01/02/2026"])).text
    '%d/%m/%Y'
    """
    texts = distinct_texts(values)
    if texts.empty or texts.str.match(_LIKE_A_DATE).mean() < READ_SHARE:
        return None
    fitting = {form: parsed for form in FORMATS if (parsed := _parse_if_like(texts, form)).notna().any()}
    if not fitting:
        return None
    counts = {form: int(parsed.notna().sum()) for form, parsed in fitting.items()}
    best = max(counts, key=lambda form: counts[form])  # the first of several
    for form, count in counts.items():
        if form != best and count == counts[best] and form == best.translate(_DAY_AND_MONTH):
            differs = (fitting[form] != fitting[best]).to_numpy()
            return DateFormat(best, count / len(texts), form, str(texts[int(differs.argmax())]))
    return DateFormat(best, counts[best] / len(texts))


def distinct_texts(values: pd.Series) -> pd.Series:
    """The first distinct texts of a column, without missing and empty ones."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.remove_unused_categories().cat.categories.to_series()
    texts = pd.Series(values.dropna().unique()[:MAX_VALUES]).astype(str).str.strip()
    return texts[texts != ""].reset_index(drop=True)


def _parse_if_like(texts: pd.Series, form: str) -> pd.Series:
    """Parsed texts; nothing if the first of them shows already that the format is another."""
    if form == ISO:
        return parse_dates(texts.where(texts.str.fullmatch(_ISO_PATTERN)), ISO)
    if form.startswith("%Y%m%d"):  # every number of four to six digits would do, too
        texts = texts.where(texts.str.fullmatch(r"(19|20)\d{6}( .*|T.*)?"))
    few = texts.iloc[:50]
    if parse_dates(few, form).isna().all() and len(texts) > len(few):
        return pd.Series(pd.NaT, index=texts.index)
    return parse_dates(texts, form)


def dates_of_frame(frame: pd.DataFrame, columns: Columns) -> tuple[pd.DataFrame, dict[str, int]]:
    """The frame with its texts of dates as dates, and by column how many texts are none."""
    parsed: dict[str, pd.Series] = {}
    unparsed: dict[str, int] = {}
    for name in columns.datetime:
        form = columns.treatment(name).format
        if form is not None:
            parsed[name] = as_dates(frame[name], form)
            count = int((parsed[name].isna() & frame[name].notna()).sum())
            unparsed |= {name: count} if count else {}
    return (frame.assign(**parsed) if parsed else frame), unparsed


def with_date_formats(columns: Columns, head: pd.DataFrame) -> tuple[Columns, dict[str, str]]:
    """The columns with the format of each datetime column that is text, and by column what was found, for the plan.

    Raises
    ------
    ConfigError
        No format fits, or two fit equally well and read other days.
    """
    options: dict[str, dict[str, Any]] = {name: dict(own) for name, own in columns.options.items()}
    reasons = {}
    for name in columns.datetime:
        given = columns.treatment(name).format
        if pd.api.types.is_datetime64_any_dtype(head[name].dtype):
            options.get(name, {}).pop("format", None)
            continue
        if given is None:
            options.setdefault(name, {})["format"] = _format_of(head[name])
        reasons[name] = f"text read by {options[name]['format']}" + ("" if given else ", as the first rows have it")
    return replace(columns, options={name: own for name, own in options.items() if own}), reasons


def _format_of(values: pd.Series) -> str:
    found, name = find_date_format(values), values.name
    key = f"features.columns.{name}.format"
    if found is None or found.share < READ_SHARE:
        texts = distinct_texts(values)
        example = f" such as {texts.iloc[0][:40]!r}" if len(texts) else ""
        raise ConfigError(
            f"features.datetime: column {name!r} has texts{example} that no known format reads; write the format in "
            f"{key}, as Python's strptime takes it."
        )
    if found.other:
        days = [f"{parse_dates(pd.Series([found.example]), form)[0]:%d %B %Y}" for form in (found.text, found.other)]
        raise ConfigError(
            f"features.datetime: column {name!r} has texts such as {found.example!r}, which is {days[0]} by "
            f'"{found.text}" and {days[1]} by "{found.other}"; say which in {key}.'
        )
    return found.text
