"""What names and first rows show: identifiers that are numbers, weights, codes, dates and numbers written as text."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from pipeline import config as cfg
from pipeline.data_quality.column_names import is_code_name, is_identifier_name, is_owner_name, is_weight_name
from pipeline.data_quality.finding import Finding
from pipeline.preparation.columns import Columns, number_values
from pipeline.preparation.date_formats import OFFER_SHARE, distinct_texts, find_date_format

# So many of the first rows are looked at, and fewer of thousands of columns: a plan must not take seconds.
MAX_ROWS, MAX_VALUES = 10_000, 4_000_000
# Of fewer rows nothing is said: in a small table all sorts of numbers occur once.
MIN_ROWS = 100
# Hardly a value occurs twice: this share of the rows have a value of their own ...
UNIQUE_SHARE = 0.98
# ... and chance would have given at least so many repetitions if the values were drawn from their range: amounts of a
# million different cents do not repeat in a thousand rows either.
MIN_EXPECTED_REPETITIONS = 20.0
# In so many rows numbers that do not repeat are given out, too, if they fill their range evenly: the median is in the
# middle. Amounts and populations are crowded at one end.
MANY_ROWS, MIDDLE = 5_000, (0.3, 0.7)
# An owner has so many rows at most, and there are so many owners at least; a group of thousands of rows is a category.
MAX_ROWS_PER_OWNER, MIN_OWNERS = 50, 50
# A code has more values than a flag and fewer than an identifier.
MIN_CODES, MAX_CODES = 3, 1_000
# Numbers as text with fewer values are as good as categories.
MIN_TEXT_NUMBERS = 50
# Fewer distinct values may look like dates by chance.
MIN_DATES = 3
EXCLUDE, EXCLUDE_ALL = "exclude it with features.exclude", "exclude them with features.exclude"


def findings_in_first_rows(head: pd.DataFrame, columns: Columns, config: cfg.Config) -> tuple[Finding, ...]:
    """What looks wrong with the features, as far as their names and first rows tell."""
    rows = min(MAX_ROWS, max(MAX_VALUES // max(len(columns.names), 1), MIN_ROWS))
    head = head.iloc[:rows]
    names = columns.names
    found: list[Finding] = []
    for name in columns.numeric:
        numbers = number_values(head[name])
        found += _weight(name, numbers, names)
        if columns.treatment(name).bins is None and not pd.api.types.is_bool_dtype(head[name].dtype):
            found += _whole_numbers(name, numbers, config)
    for name in columns.categorical:
        found += _texts(name, head[name])
    return tuple(found)


def _weight(name: str, numbers: np.ndarray, names: Sequence[str]) -> Iterator[Finding]:
    if not is_weight_name(name, names):
        return
    present = numbers[~np.isnan(numbers)]
    # Zero is a weight, too: that of a row that was left out.
    if len(present) and present.min() >= 0 and (present > 0).mean() > 0.5:
        yield Finding(
            "weight",
            name,
            "is named like a weight of rows and is taken as a feature; weights of rows are not supported yet",
            f"if it is one, {EXCLUDE}",
        )


def _whole_numbers(name: str, numbers: np.ndarray, config: cfg.Config) -> Iterator[Finding]:
    if len(numbers) < MIN_ROWS or not _are_whole(numbers[:MIN_ROWS]):
        return
    numbers = numbers[np.isfinite(numbers)]
    if len(numbers) < MIN_ROWS or not _are_whole(numbers):
        return
    distinct, n = len(np.unique(numbers)), len(numbers)
    if distinct > UNIQUE_SHARE * n:
        low, span = numbers.min(), np.ptp(numbers) + 1
        dense = n * n / (2 * span) >= MIN_EXPECTED_REPETITIONS
        even = n >= MANY_ROWS and MIDDLE[0] < (np.median(numbers) - low) / span < MIDDLE[1]
        if is_identifier_name(name) or dense or even:
            yield identifier(name)
    elif is_repeated(name, distinct, n):
        yield repeated_identifier(name, distinct, f"the first {n:,}", config)
    elif MIN_CODES <= distinct <= MAX_CODES and is_code_name(name):
        yield Finding(
            "code",
            name,
            f"is a number of {distinct} values with the name of a code, and is taken as a quantity",
            f'if its order means nothing, make it a category with features.columns.{name}.encode = "onehot"',
            "are numbers of few values with the names of codes, and are taken as quantities",
            'where the order means nothing, make it a category with features.columns.NAME.encode = "onehot"',
        )


def _are_whole(numbers: np.ndarray) -> bool:
    """Whether all numbers that are there are whole."""
    return bool((np.isnan(numbers) | (numbers == np.floor(numbers))).all())


def _texts(name: str, values: pd.Series) -> Iterator[Finding]:
    if not isinstance(values.dtype, pd.CategoricalDtype | pd.StringDtype):
        return
    texts = distinct_texts(values)
    if len(texts) < MIN_DATES:
        return
    date = find_date_format(texts)
    if date is not None and date.share >= OFFER_SHARE:
        forms = f'"{date.text}"' + (f' or "{date.other}", whichever it is' if date.other else "")
        yield Finding(
            "dates",
            name,
            f"has dates as text, such as {texts.iloc[0]!r}, and each date is a category of its own",
            f"have it read as a time with features.columns.{name}.format = {forms}, or by features.datetime",
            "have dates as text, and each date is a category of its own",
            "have them read as times by features.datetime, or with features.columns.NAME.format",
        )
    elif len(texts) >= MIN_TEXT_NUMBERS and _are_numbers(texts) and not is_identifier_name(name):
        yield Finding(
            "numbers as text",
            name,
            f"has numbers as text, such as {texts.iloc[0]!r}, and each is a category of its own",
            "if it is a quantity, write it as a number, or convert it in prepare.function",
            "have numbers as text, and each is a category of its own",
        )


def _are_numbers(texts: pd.Series) -> bool:
    """Whether texts are plain decimals; a leading zero makes a code of them."""
    return bool(texts.str.fullmatch(r"[+-]?(0|[1-9]\d*)?(\.\d+)?").mean() >= OFFER_SHARE)


def is_repeated(name: str, distinct: int, rows: int) -> bool:
    """Whether a column looks like the identifier of owners that have several rows each."""
    return is_owner_name(name) and distinct >= MIN_OWNERS and distinct < rows <= MAX_ROWS_PER_OWNER * distinct


def identifier(name: str) -> Finding:
    """The finding that a column's values are all different."""
    advice = EXCLUDE
    if is_owner_name(name):
        advice += (
            f', or, if values repeat, keep their rows together with split.by = "group" and split.column = "{name}"'
        )
    return Finding(
        "identifier",
        name,
        "hardly a value occurs twice: an identifier?",
        advice,
        "hardly have a value that occurs twice: identifiers?",
        EXCLUDE_ALL,
    )


def repeated_identifier(name: str, distinct: int, rows: str, config: cfg.Config) -> Finding:
    """The finding that a column names owners of several rows each."""
    keep = f'keep the rows of one value together with split.by = "group", split.column = "{name}", or '
    return Finding(
        "repeated identifier",
        name,
        f"looks like an identifier that repeats, with {distinct:,} values in {rows} rows: rows of one value are in "
        "training and in test",
        f"{keep if config.split.by != 'group' else ''}{EXCLUDE}",
        "look like identifiers that repeat: rows of one value are in training and in test",
        'keep the rows of one value together with split.by = "group", or ' + EXCLUDE_ALL,
    )
