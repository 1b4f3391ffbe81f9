"""What `pipeline check` prints: the rows, the label, a line for each column, and what looks wrong."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.reporting.data_description import shown_columns
from pipeline.reporting.formatting import format_cell, shorten
from pipeline.reporting.terminal import show_facts, show_notices, show_table

# Columns with a line of their own in the terminal.
MAX_COLUMNS = 60
MAX_CLASSES = 6
MAX_LEFT_OUT = 5
# Characters of a name, and of a value.
MAX_NAME, MAX_VALUE = 32, 20
# A value of a number that fills so much of the column is worth a mention beside the quantiles.
FREQUENT_SHARE = 0.1
# A table that is not printed on a terminal is as wide as it needs to be, up to this.
MAX_WIDTH = 240


def show_data(console: Console, checked: Mapping[str, Any], where: str) -> None:
    """Print what `check` found.

    Parameters
    ----------
    checked
        What `data_description.check_results` returned.
    where
        Where all of it is, for what does not fit.
    """
    rows, label, columns = checked["rows"], checked["data"]["label"], checked["columns"]
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in rows["rejected_by_reason"].items())
    facts = {
        "rows": f"{rows['read']:,}, {rows['rejected']:,} of them rejected" + (f": {reasons}" if reasons else ""),
        "label": f"{label}: {label_text(checked)}",
    }
    left_out = [f"{shorten(name)} ({why})" for name, why in checked["left_out"].items()]
    if left_out:
        more = f", {len(left_out) - MAX_LEFT_OUT:,} more in {where}" if len(left_out) > MAX_LEFT_OUT else ""
        facts["left out"] = ", ".join(left_out[:MAX_LEFT_OUT]) + more
    show_facts(console, facts)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("column")
    table.add_column("type")
    for heading in ("missing", "distinct", "predicts"):
        table.add_column(heading, justify="right")
    table.add_column("min | 25% | 50% | 75% | max, or most frequent values")
    names = shown_columns(columns, MAX_COLUMNS)
    for name in names:
        column = columns[name]
        power = "" if column["predicts"] is None else f"{column['predicts']:.3f}"
        distinct = f"{'' if column['distinct_exact'] else '>'}{column['distinct']:,}"
        cells = [shorten(name, MAX_NAME), column["type"], f"{column['missing']:.1%}", distinct, power]
        table.add_row(*map(Text, (*cells, values_text(column))))
    show_table(console, table, MAX_WIDTH)
    if len(names) < len(columns):
        console.print(f"{len(columns) - len(names):,} more columns in {where}")
    show_notices(console, checked["notices"], where)


def label_text(checked: Mapping[str, Any]) -> str:
    """The label's classes with their shares, the most frequent first, or its quantiles."""
    label = checked["label"]
    if checked["task"] == "regression":
        return "a number, " + " | ".join(
            format_cell(label[key]) for key in ("min", "25%", "50%", "75%", "max") if key in label
        )
    shown = [f"{shorten(value, MAX_VALUE)} {_share(share)}" for value, share in list(label.items())[:MAX_CLASSES]]
    more, single = checked["classes"] - len(shown), checked["single"]
    alone = f"{single:,} of them of one row each, as an identifier has: " if single > checked["classes"] / 2 else ""
    return f"{checked['classes']:,} classes: {alone}" + ", ".join(shown) + (f", {more:,} more" if more > 0 else "")


def values_text(column: Mapping[str, Any]) -> str:
    """A column's quantiles, or its most frequent values with their shares."""
    quantiles = column.get("quantiles")
    if not quantiles:
        return ", ".join(f"{shorten(value, MAX_VALUE)} {_share(share)}" for value, share in column["top"])
    text = " | ".join(value if isinstance(value, str) else format_cell(value) for value in quantiles.values())
    frequent = [f"{_value(value)} {_share(share)}" for value, share in column["top"] if share >= FREQUENT_SHARE]
    return f"{text}  ({', '.join(frequent)})" if frequent else text


def _value(value: Any) -> str:
    return value if isinstance(value, str) else format_cell(value)


def _share(share: float) -> str:
    return f"{share:.1%}"
