import ast
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.preparation.expression_parser import (
    MAX_CHARS,
    MAX_DEPTH,
    as_written,
    in_backticks,
    parse,
    shortened,
)

KEY = "prepare.derive.d"


def test_quoted_columns_are_names_and_quoted_in_messages():
    expression = parse("`two words` * x", KEY)
    assert expression.columns == {"two words", "x"}
    assert expression.text_of(expression.tree) == "`two words` * x"
    assert str(expression.refusal("a part")) == (
        "prepare.derive.d: '`two words` * x' holds a part, which an expression may not; use prepare.function."
    )


def test_the_signs_of_pandas_bind_less_than_comparisons_and_stay_in_strings():
    tree = parse("a == 1 & b == 'x & `y`'", KEY).tree
    assert isinstance(tree, ast.BoolOp)
    assert ast.unparse(tree) == "a == 1 and b == 'x & `y`'"


def test_column_may_have_the_name_of_a_function():
    assert parse("abs(abs) + log(x)", KEY).columns == {"abs", "x"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x.__class__", "holds .__class__"),
        ("x._mgr", "holds ._mgr"),
        ("@x", "is not an expression"),
        ("1" * (MAX_CHARS + 1), f"holds {MAX_CHARS + 1} characters, more than the {MAX_CHARS}"),
        ("x\ny", "holds several lines"),
        ("-" * MAX_DEPTH + "x", f"holds too many levels, more than {MAX_DEPTH}"),
        ("(" * 300 + "x" + ")" * 300, "holds too many levels|is not an expression"),
        ("x +", "is not an expression"),
        ("", "is not an expression"),
        ("x = 1", "is not an expression"),
        ("\0", "is not an expression"),
    ],
)
def test_what_cannot_be_parsed_is_refused_with_its_key(text, reason):
    with pytest.raises(ConfigError, match=f"^prepare.derive.d: .*({reason})"):
        parse(text, KEY)


def test_a_long_text_is_shortened():
    assert shortened("x" * 100) == "x" * 100
    assert shortened("x" * 101) == "x" * 99 + "…"


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("order__amount > 0", {"order__amount"}),
        ("__a + b__ + _", {"__a", "b__", "_"}),
        ("`order__amount` + `__0` + column_0_ + column__", {"order__amount", "__0", "column_0_", "column__"}),
        (
            "`class` + `2nd` + `a b` + `a.b` + `it's` + `@` + `x\ny` + ``",
            {"class", "2nd", "a b", "a.b", "it's", "@", "x\ny", ""},
        ),
        ("`back``tick` > 1", {"back`tick"}),
        ("`zählwert [€/m²]` + größe", {"zählwert [€/m²]", "größe"}),
        ("\ufb01x + fix", {"\ufb01x", "fix"}),  # the ligature, which Python takes for two letters
        ("`&` | `|` & email.str.contains('@')", {"&", "|", "email"}),
    ],
)
def test_every_name_can_be_written(text, columns):
    assert parse(text, KEY).columns == columns


@pytest.mark.parametrize(
    ("text", "example"),
    [("class > 0", "`class`"), ("from == 'x'", "`from`"), ("2nd > 1e5", "`2nd`"), ("my column > 0", "`two words`")],
)
def test_a_name_that_python_does_not_know_is_to_be_written_in_backticks(text, example):
    with pytest.raises(
        ConfigError, match=f"is not an expression .* in backticks where it is no plain word, as {example}"
    ):
        parse(text, KEY)


@given(st.text(max_size=12))
def test_any_name_in_backticks_is_that_column(name):
    expression = parse(f"{in_backticks(name)} > column_ + _", KEY)
    assert expression.columns == {name, "column_", "_"}
    assert parse(f"{as_written(name)} + 1", KEY).columns == {name} or unicodedata.normalize("NFKC", name) != name
