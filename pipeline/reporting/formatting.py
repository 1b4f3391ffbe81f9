"""How numbers, intervals and names are written, in the terminal, on the page and in the model card."""

from collections.abc import Callable, Sequence

MAX_NAME_CHARS = 40


def format_value(value: float) -> str:
    """Format a figure with four decimals, or with four significant digits if it is large or tiny.

    >>> format_value(0.72871), format_value(0.000123456), format_value(123456.7)
    ('0.7287', '0.0001235', '1.235e+05')
    """
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.4g}"


def format_cell(value: float) -> str:
    """Format a number of the data with five digits, or whole and with commas if it is too large for a year.

    >>> format_cell(1997), format_cell(57872.3), format_cell(0.123456)
    ('1997', '57,872', '0.12346')
    """
    if 10_000 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.5g}"


def format_difference(value: float) -> str:
    """Format a difference with its sign, and one digit more than `format_value`."""
    return f"{value:+.5f}" if abs(value) < 100 else f"{value:+.5g}"


def format_interval(interval: Sequence[float] | None, format_bound: Callable[[float], str] = format_value) -> str:
    """Format an interval in brackets; empty if there is none.

    >>> format_interval([0.71, 0.74])
    '[0.7100, 0.7400]'
    """
    return f"[{format_bound(interval[0])}, {format_bound(interval[1])}]" if interval else ""


def shorten(text: str, max_chars: int = MAX_NAME_CHARS) -> str:
    """Cut a text from the data to ``max_chars``, and replace line breaks and other unprintable characters.

    >>> shorten("a name that is long", 10)
    'a name th…'
    """
    text = "".join(c if c.isprintable() else "�" for c in text[: max_chars + 1])
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"
