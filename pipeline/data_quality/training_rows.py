"""What the statistics of all training rows show: leaks, identifiers, empty and constant columns, heavy tails, order."""

from collections.abc import Iterator, Mapping

import numpy as np

from pipeline import config as cfg
from pipeline.data_quality.column_names import is_identifier_name
from pipeline.data_quality.extreme_numbers import extreme_numbers
from pipeline.data_quality.finding import Finding
from pipeline.data_quality.first_rows import (
    EXCLUDE,
    EXCLUDE_ALL,
    MIN_ROWS,
    identifier,
    is_repeated,
    repeated_identifier,
)
from pipeline.data_quality.label_dependence import Dependence, measured_classes
from pipeline.notices import Notice
from pipeline.preparation.columns import Columns
from pipeline.preparation.packing_scale import PackingScale
from pipeline.statistics.counts import MAX_EXACT_VALUES, Counts
from pipeline.statistics.moments import NumericStats
from pipeline.statistics.summary import Summary

# A column of this power (ROC AUC 0.975) by itself probably is the label in disguise.
LEAK_POWER = 0.95
# A column that has a value, or has none, for one class alone tells that class: so many rows of the others would be
# expected among those with a value, and so few of them may be.
MIN_EXPECTED_OTHERS, MAX_OTHERS_SHARE = 20.0, 0.05
# Hardly a category occurs twice.
UNIQUE_SHARE = 0.9
# A vocabulary that is mostly of values with a few rows each.
MANY_CATEGORIES, MAX_ROWS_PER_CATEGORY = 2_000, 20
# Standard deviations from the mean to the farthest value. Of a million normal values it is 5, of a million exponential
# ones 14; a log-normal column reaches it in a few thousand rows.
TAIL = 30.0
MIN_TAIL_ROWS = 2_000
# The standard deviation of a label, in ranges of the middle half of its values: of heavy-tailed amounts it is 10.
EXTREME_SPREAD = 1_000
# Numbers of rows fill their range but for this factor; amounts that do are drawn twice in a sample.
MAX_GAPS = 2.0
# The part of the rows that would have to change between the first and the last batch; and standard deviations.
SORTED_SHARES, SORTED_DEVIATIONS = 0.5, 1.2
MIN_END_ROWS = 100


def findings_in_statistics(
    summary: Summary, columns: Columns, scale: PackingScale, config: cfg.Config, depends: Mapping[str, Dependence]
) -> tuple[Finding, ...]:
    """What looks wrong with the features, by the statistics of all training rows.

    Parameters
    ----------
    depends
        What `label_dependence.dependences` found in the sample.
    """
    found: list[Finding] = [*extreme_numbers(summary, columns, scale)]
    for name, stats in summary.numeric.items():
        found += _number(name, stats, columns)
    for name, counts in summary.categorical.items():
        if name in columns.categorical:
            found += _category(name, counts, summary.rows["train"] - counts.missing, columns, config)
    found += _leaks(summary, columns, depends)
    return (*found, *unparsed_dates(summary, columns))


def unparsed_dates(summary: Summary, columns: Columns) -> tuple[Finding, ...]:
    """The texts that are no dates, of columns that are read as dates."""
    rows = sum(summary.rows.values())
    return tuple(
        Finding(
            "unparsed dates",
            name,
            f'{count:,} of {rows:,} rows have a text that is no date by "{columns.treatment(name).format}"; they are '
            "missing",
            f"if they are dates, write all alike, or give another features.columns.{name}.format",
            "have texts that are no dates by their formats; they are missing",
            "if they are dates, write all alike, or give another features.columns.NAME.format",
        )
        for name, count in summary.unparsed.items()
    )


def label_notices(summary: Summary, label: str) -> tuple[Notice, ...]:
    """What the values of the label, and their order, say of it."""
    return (*_unique_labels(summary, label), *_extreme_labels(summary, label), *_sorted_labels(summary, label))


def _unique_labels(summary: Summary, label: str) -> Iterator[Notice]:
    """Whether a number to predict numbers the rows: whole, each once, and named like an identifier or without gaps."""
    if summary.sample is None or not summary.label.count or len(summary.sample.label) < MIN_ROWS:
        return
    values = np.sort(summary.sample.label)
    if not (np.diff(values) >= 1).all() or not np.array_equal(values, np.floor(values)):
        return
    if is_identifier_name(label) or values[-1] - values[0] < MAX_GAPS * summary.label.count:
        yield Notice(
            f"label {label!r}",
            f"none of {len(values):,} sampled rows has the whole number of another: an identifier?",
            "if it is one, name another column in data.label",
        )


def _extreme_labels(summary: Summary, label: str) -> Iterator[Notice]:
    """Whether a few values of a label that is a number are so far from the others that they alone are learned."""
    if summary.sample is None or not summary.label.count or len(summary.sample.label) < MIN_ROWS:
        return
    first, third = np.quantile(summary.sample.label, (0.25, 0.75))
    with np.errstate(over="ignore"):
        middle = third - first
    if 0 < middle * EXTREME_SPREAD < summary.label.std:
        yield Notice(
            f"label {label!r}",
            f"half of its values are between {first:.4g} and {third:.4g}, and its standard deviation is "
            f"{summary.label.std:.4g}: a few extreme values outweigh the others",
            "if they are errors, leave them out with prepare.filter; or predict a logarithm that prepare.derive makes",
        )


def _sorted_labels(summary: Summary, label: str) -> tuple[Notice, ...]:
    ends = summary.label_ends
    if ends is None or min(ends.first.rows, ends.last.rows) < MIN_END_ROWS:
        return ()
    distance, is_number = ends.distance(summary.label), bool(summary.label.count)
    if distance < (SORTED_DEVIATIONS if is_number else SORTED_SHARES):
        return ()
    found = (
        f"the last batch's mean is {distance:.1f} standard deviations from the first's"
        if is_number
        else f"{distance:.0%} of the last batch's rows would need another class to be like the first"
    )
    advice = "shuffle the rows when you write them, or train in several lanes (train.lanes), which see several parts"
    return (Notice(f"label {label!r}", f"the files are sorted by it: {found}", advice),)


def _number(name: str, stats: NumericStats, columns: Columns) -> Iterator[Finding]:
    count, moments = int(stats.histogram.sum()), stats.moments
    if not count:
        yield _empty(name)
    elif stats.low == stats.high:
        yield from _constant(name, stats.missing)
    options = columns.treatment(name)
    treated = options.log1p or options.clip or options.bins or options.scale == "robust"
    if treated or count < MIN_TAIL_ROWS or not moments.std:
        return
    high, low, mean = (value / moments.std for value in (stats.high, stats.low, moments.mean))
    farthest = max(high - mean, mean - low)
    if farthest > TAIL:
        log = "log1p = true, " if stats.low > -1 else ""
        yield Finding(
            "heavy tail",
            name,
            f"a value is {farthest:,.0f} standard deviations from the mean, and a few rows outweigh the others",
            f'try {log}clip or scale = "robust" in features.columns.{name}',
            f"have values more than {TAIL:g} standard deviations from their means, and a few rows outweigh the others",
            'try log1p = true, clip or scale = "robust" in features.columns.NAME',
        )


def _category(name: str, counts: Counts, rows: int, columns: Columns, config: cfg.Config) -> Iterator[Finding]:
    distinct = MAX_EXACT_VALUES if counts.short else len(counts.values)  # at least
    if not rows:
        yield _empty(name)
    elif distinct == 1:
        yield from _constant(name, counts.missing)
    if rows < MIN_ROWS:
        return
    options = columns.treatment(name)
    if distinct > UNIQUE_SHARE * rows or (counts.short and is_identifier_name(name)):
        yield identifier(name)
    elif not counts.short and is_repeated(name, distinct, rows):
        yield repeated_identifier(name, distinct, f"{rows:,}", config)
    elif (
        distinct > MANY_CATEGORIES
        and (counts.short or distinct * MAX_ROWS_PER_CATEGORY > rows)
        and options.encode == "onehot"
        and options.hash_above is None
        and options.min_frequency == 1
    ):
        more = "more than " if counts.short else ""
        yield Finding(
            "many categories",
            name,
            f"has {more}{distinct:,} categories in {rows:,} rows, hardly enough of each to learn from",
            "put rare ones together with features.min_frequency, hash them with features.hash_above, or use "
            'encode = "target"',
            "have thousands of categories, with hardly enough rows of each to learn from",
        )


def _empty(name: str) -> Finding:
    return Finding("empty", name, "no value at all", EXCLUDE, "have no value at all", EXCLUDE_ALL)


def _constant(name: str, missing: int) -> Iterator[Finding]:
    if not missing:  # otherwise it tells whether there is a value
        yield Finding("constant", name, "constant", EXCLUDE, "are constant", EXCLUDE_ALL)


def _leaks(summary: Summary, columns: Columns, depends: Mapping[str, Dependence]) -> Iterator[Finding]:
    classes = measured_classes(summary.sample) if summary.sample is not None and not summary.label.count else None
    for name, power in powers(columns, depends).items():
        if power > LEAK_POWER:
            auc = f"its ROC AUC by itself is {(1 + power) / 2:.3f}"
            figure = f"it explains {power:.1%} of the variance" if classes is None else auc
            yield Finding(
                "leak",
                name,
                f"predicts the label almost perfectly: {figure}; is it known beforehand?",
                f"if not, {EXCLUDE}",
                "predict the label almost perfectly, each by itself: are they known beforehand?",
                f"if not, {EXCLUDE_ALL}",
            )
        elif classes is not None and name in depends:
            told = _told_by_presence(summary, depends[name].present, classes)
            if told:
                yield Finding(
                    "leak by missing values",
                    name,
                    f"{told}: is it known beforehand?",
                    f"if not, {EXCLUDE}",
                    "have a value for one class of the label alone: are they known beforehand?",
                    f"if not, {EXCLUDE_ALL}",
                )


def _told_by_presence(summary: Summary, present: np.ndarray, classes: np.ndarray) -> str:
    """What class the rows with a value, or those without one, belong to, if to one alone; empty if not."""
    counts = summary.train_labels.values.reindex(classes).to_numpy(dtype=np.float64)
    others_share = 1 - counts / summary.train_labels.count
    for shares, what in ((present, "has a value"), (1 - present, "is missing")):
        rows = shares * counts
        total = rows.sum()
        expected, found = total * others_share, total - rows
        k = int(np.argmax(np.where(expected >= MIN_EXPECTED_OTHERS, 1 - found / np.maximum(expected, 1), -np.inf)))
        if expected[k] >= MIN_EXPECTED_OTHERS and found[k] <= MAX_OTHERS_SHARE * expected[k]:
            return f"{what} in rows of the class {classes[k]} almost alone ({rows[k] / total:.1%})"
    return ""


def powers(columns: Columns, depends: Mapping[str, Dependence]) -> dict[str, float]:
    """By column of the DataFrame and cross, the power of its best packed column: a time has several."""
    best: dict[str, float] = {}
    for packed, dependence in depends.items():
        name = columns.parts[packed].column if packed in columns.parts else packed
        best[name] = max(best.get(name, 0.0), dependence.power)
    return best
