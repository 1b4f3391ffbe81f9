import ast

import pytest

from pipeline.errors import ConfigError
from pipeline.preparation.expression_parser import MAX_CHARS, MAX_DEPTH, parse, shortened

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
        ("x.__class__", "holds @ or __"),
        ("@x", "holds @ or __"),
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
