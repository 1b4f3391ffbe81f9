"""What an expression computes, and what it cannot reach."""

import builtins
import os
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError, DataError
from pipeline.preparation.expression_parser import MAX_CHARS, MAX_DEPTH
from pipeline.preparation.expressions import FUNCTIONS, METHODS, eval_expression, names_in, row_mask

KEY = "prepare.derive.d"
FRAME = pd.DataFrame(
    {
        "x": pd.array([0.5, -1.5, None, 0.25], "Float64"),
        "i": pd.array([1, 2, 3, None], "Int64"),
        "k": pd.array(["a", "Bc", None, "a.b "], "str"),
        "t": pd.to_datetime(["2026-01-01 05:06:07", "2024-02-29 00:00:00", None, "2026-12-31 23:59:00"]),
        "u": pd.to_datetime(["2026-01-02", "2024-02-28", "2026-01-01", None]),
        "two words": [1, 2, 3, 4],
        "b": [True, False, True, False],
    }
)


@pytest.mark.parametrize(
    "expression",
    [
        "x + i * 2 - -i / 3",
        "i // 2 + i % 2 + x ** 2 + 2 ** i",
        "0.5 < x <= 1",
        "0 < i < 3 != x",
        "i > 1 and not x > 0 or b",
        "i > 1 & ~b | x < 0",
        "b & i == 1",
        "i in [1, 3]",
        "i not in (1, -3)",
        "k in ['a', 'Bc'] and i == [1, 2]",
        "i != [1, 2]",
        "k == 'a & b | `two words`'",
        "k == 'a' or k == \"it's\"",
        "`two words` * 2 > i",
        "(t - u).dt.total_seconds() / 3600",
        "(t - u).dt.days",
        "t > '2025-01-01'",
        "t.dt.year * 100 + t.dt.month + t.dt.day_of_week + t.dt.quarter",
        "k.str.lower().str.len()",
        "k.str.contains('[ab]', case=False)",
        "k.str.contains('a.b', regex=False)",
        "k.str.startswith('a')",
        "k.str.slice(0, stop=1)",
        "k.str.strip().str.endswith('b')",
        "x.isna() or x.notnull()",
        "x.fillna(0)",
        "x.fillna(i)",
        "x.between(-1, i, inclusive='left')",
        "x.clip(lower=0)",
        "x.abs().round(1)",
        "i.isin([1, 2])",
        "arctan2(x, i)",
        *(f"{name}(x)" for name, count in sorted(FUNCTIONS.items()) if count == 1),
    ],
)
def test_allowed_expressions_are_those_of_pandas(expression):
    expected = FRAME.eval(expression, engine="python")
    pd.testing.assert_series_equal(eval_expression(FRAME, expression, KEY), expected, check_names=False)
    assert eval_expression(FRAME.iloc[:0], expression, KEY).empty  # as the plan checks it


def test_texts_are_joined_and_begin_with_one_of_several():  # both of which pandas.eval refuses
    assert eval_expression(FRAME, "k + '-' + k", KEY).dropna().tolist() == ["a-a", "Bc-Bc", "a.b -a.b "]
    assert eval_expression(FRAME, "k.str.startswith(('a', 'B'))", KEY).dropna().tolist()[:2] == [True, True]


def test_what_every_method_is_called():
    for accessor, names in METHODS.items():
        of = {"": FRAME["x"], "str": FRAME["k"].str, "dt": (FRAME["t"] - FRAME["u"]).dt}[accessor]
        assert [name for name in names if not callable(getattr(of, name))] == []


def test_names_are_columns_alone():
    expression = "abs(x) + `two words` + (k == 'y & `z`') + t.dt.hour + (w in ['v'])"
    assert names_in(expression) == {"x", "two words", "k", "t", "w"}


def test_a_column_may_be_called_as_a_function_or_an_index_is():
    frame = pd.DataFrame({"abs": [-1, 2], "index": [5, 6], "if": [7, 8]})
    assert eval_expression(frame, "abs(abs) + index + `if`", KEY).tolist() == [13, 16]
    with pytest.raises(ConfigError, match="no column 'index'"):
        eval_expression(FRAME, "index", KEY)


def test_categories_of_numbers_are_numbers():
    frame = pd.DataFrame({"c": pd.Categorical([1, None, 3])})
    assert eval_expression(frame, "c * 2", KEY).tolist() == [2, pd.NA, 6]


def test_a_missing_condition_is_not_met():
    assert row_mask(FRAME, "x > 0", KEY).tolist() == [True, False, False, True]


def test_decimals_are_multiplied_and_objects_with_texts_are_not():
    frame = pd.DataFrame({"d": [Decimal("1.5"), None], "o": pd.Series(["a", 1], dtype=object)})
    assert eval_expression(frame, "d.fillna(0) * 2", KEY).tolist() == [Decimal("3.0"), 0]
    with pytest.raises(ConfigError, match="holds o \\* 2, which is for numbers alone"):
        eval_expression(frame, "o * 2", KEY)
    with pytest.raises(ConfigError, match="for numbers alone"):  # 9 is an int of any size
        eval_expression(frame, "d.fillna(9) ** 999999999", KEY)


ATTACKS = [
    # files and code
    "x.to_pickle('/tmp/evil')",
    "x.values.tofile('/tmp/evil')",
    "x.to_csv('/tmp/evil')",
    "x.map(abs)",
    "x.apply('sum')",
    "x.agg('mean')",
    "x.pipe(print)",
    "x.eval('1')",
    "open('/tmp/evil', 'w')",
    "print(x)",
    "eval('1')",
    "getattr(x, 'map')",
    "os.system('id')",
    "pd.read_pickle('/tmp/evil')",
    # attributes
    "x.values",
    "x.array",
    "x.str",
    "x.dt",
    "x.isna",
    "x.index",
    "x.attrs",
    "x.real",
    "k.str.cat",
    "k.str.lower",
    "k.str._inferred_dtype",
    "x._mgr",
    "().__class__",
    "__import__('os')",
    "__builtins__.open('/tmp/evil')",
    "`__class__`.mro()",
    "x.str.__init__",
    "x.\uff3f\uff3fclass\uff3f\uff3f",  # NFKC makes underscores of them
    "x.ma\uff50(abs)",
    "x.\uff54o_pickle('/tmp/evil')",
    "\uff4fpen('/tmp/evil')",
    "''.join(['a'])",
    "'{0.real}'.format(x)",
    "'%s' % x",
    "'%s' % 1",
    "'a'.str.lower()",
    "(1).abs()",
    # methods of accessors
    "t.dt.to_pydatetime()",
    "t.dt.strftime('%Y')",
    "t.dt.date",
    "k.str.cat(k)",
    "k.str.replace('a', 'b')",
    "k.str.repeat(1000000000)",
    "k.str.pad(1000000000)",
    "k.str.extract('(a)')",
    "k.str.contains(k)",
    "k.str.contains(pat=[x for x in 'a'])",
    "x.str.dt.year",
    # arguments
    "sin(x, x)",
    "sin(x, out=x)",
    "sin(*[x])",
    "sin(**{'x': x})",
    "abs(np.load)",
    "x.fillna(0, inplace=True)",
    "x.fillna(*[0])",
    "x.clip(**{'lower': 0})",
    "x.isin(i)",
    "x.isin([i])",
    "x.round(i)",
    # syntax
    "lambda: 1",
    "(lambda: 1)()",
    "[y for y in x]",
    "{y for y in x}",
    "{y: y for y in x}",
    "(y for y in x)",
    "(y := 1)",
    "x[0]",
    "x[0:1]",
    "'abc'[0]",
    "f'{x}'",
    "f'{open(1)}'",
    "a=b",
    "a = x",
    "x += 1",
    "del x",
    "import os",
    "x; x",
    "x\nx",
    "(x +\n1)",
    "x\r\nx",
    "1 if b else 2",
    "await x",
    "(yield x)",
    "x is None",
    "x in i",
    "[x] == [x]",
    "[1, 2] == i",
    "i < [1, 2]",
    "[1, 2]",
    "(x, i)",
    "{1: 2}",
    "{1, 2}",
    "...",
    "b'a'",
    "1j",
    "i << 2",
    "i ^ 2",
    "i @ i",
    "@pd.read_pickle('/tmp/evil')",
    "",
    "\x00",
    "\ud800",
    # backticks
    "`x`.`map`(abs)",
    "`x.to_pickle('/tmp/evil')`",
    "``",
    "x`i`",
    "`x` `i`",
    "`x",
    "x.`",
    "'`' + x.to_pickle('/tmp/evil') + '`'",
    "'''`''' + open('/tmp/evil') + '''`'''",
    "`x'`.map('`')",
    "`x` # `\n.map(abs)",
    "`two words`.to_pickle('/tmp/evil')",
    "\uff3f\uff3f0 + `x`.values",
    # sizes
    "9**9**9**9",
    "(9)**(+9)",
    "abs(9)**9",
    "'a'*10**10",
    "'a'*1000000000000",
    "1000000000000*'a'",
    "k*1000000000000",
    "1000000000000*k",
    "(k + k)*1000000000000",
    "'%1000000000000d' % 1",
    "x.round(1000000000000000)",
    "x.round(decimals=-1000000000000000)",
    "k.str.contains('(a+)+$')",
    "k.str.contains('(?=a)(a|a)*$')",
    "k.str.match('" + "a?" * 30 + "')",
    "k.str.count('(a|a)(a|a)')",
    "k.str.contains(regex=True, pat='(a)')",
    "k.str.contains('a', True, 4)",
    "-" * 9000 + "x",
    "not " * 2000 + "x",
    "(" * 4000 + "x" + ")" * 4000,
    "(" * 150 + "x" + ",)" * 150,
    "x" + "+x" * 4000,
    "x" + "**x" * 3000,
    "x" + "+x" * (MAX_DEPTH + 1),
    "x" + ".x" * 4000,
    "x" + "()" * 4000,
    "lambda:" * 1400 + "x",
    "[" * 9000,
    "'" * 9001,
    "x + " + "1" * MAX_CHARS,
    "1" * 5000 + " + x",
    "x + " * 10**6 + "x",
]


@pytest.mark.parametrize("expression", ATTACKS, ids=range(len(ATTACKS)))
def test_what_is_not_allowed_is_refused_and_nothing_is_executed(expression, monkeypatch):
    def executed(*_, **__):
        raise AssertionError("executed")

    for name in ("to_pickle", "to_csv", "map", "apply", "agg", "pipe"):
        monkeypatch.setattr(pd.Series, name, executed)
    monkeypatch.setattr(pd, "read_pickle", executed)
    monkeypatch.setattr(os, "system", executed)
    monkeypatch.setattr(builtins, "open", executed)
    monkeypatch.setattr(builtins, "eval", executed)
    monkeypatch.setattr(builtins, "print", executed)
    before = FRAME.copy()
    with pytest.raises(ConfigError, match=r"^prepare\.derive\.d: ") as error:
        eval_expression(FRAME, expression, KEY)
    monkeypatch.undo()
    assert len(str(error.value)) < 600
    pd.testing.assert_frame_equal(FRAME, before)


def test_a_refusal_names_the_part_and_what_to_do():
    with pytest.raises(ConfigError) as error:
        eval_expression(FRAME, "1 + `two words`.to_pickle('/tmp/evil') * 2", KEY)
    assert str(error.value) == (
        "prepare.derive.d: \"1 + `two words`.to_pickle('/tmp/evil') * 2\" holds `two words`.to_pickle('/tmp/evil'), "
        "which an expression may not; use prepare.function."
    )


def test_comparisons_in_one_another_are_computed_once():
    expression = "i"
    for _ in range(40):  # 2**40, were the middle computed for both of its sides
        expression = f"(0 < {expression} < 9)"
    assert len(eval_expression(FRAME, expression, KEY)) == len(FRAME)


def test_as_deep_as_allowed_is_computed():
    assert eval_expression(FRAME, "+".join(["i"] * (MAX_DEPTH - 2)), KEY).tolist()[:3] == [98, 196, 294]


WORDS = [
    *"xiktub+-*/%<>&|~()[],.'\"`:=@#\\\né ",
    *("**", "//", "==", " in ", " not ", " and ", " or ", " if ", "1", "0.5", "1e999", "'a'", "None", "`two words`"),
    *(".str", ".dt", ".hour", ".len()", ".map(", "[1]", ".lower()", ".isna()", ".fillna(", ".round(", ".clip("),
    *(".isin(", "abs(", "log(", "lambda", "f'{x}'"),
]


@settings(max_examples=1000)
@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(WORDS), max_size=12).map("".join)))
@example("i ** -1")
@example("1 // 0")
@example("k.str.contains('[')")
@example("k.str.contains()")
@example("x.round('a')")
@example("x.round(None)")
@example("x.clip(1, 2, 3, 4)")
@example("0x" + "f" * 5000)
@example("x.dt.hour")
@example("x.str.len()")
@example("k == k.isna() == None")
def test_any_text_is_a_value_or_a_sentence(text):
    for frame in (FRAME, FRAME.iloc[:0]):
        try:
            value = eval_expression(frame, text, KEY)
        except (ConfigError, DataError) as error:
            assert str(error).startswith(KEY)
        else:
            assert isinstance(value, pd.Series)
            assert len(value) == len(frame)
            assert names_in(text) <= set(frame.columns)
            fewer = eval_expression(frame[list(names_in(text))], text, KEY)
            pd.testing.assert_series_equal(fewer, value)


def test_logarithms_of_zero_are_silent(recwarn):
    assert eval_expression(pd.DataFrame({"x": [0.0]}), "log(x)", KEY).tolist() == [-np.inf]
    assert not recwarn.list


def test_a_column_that_is_no_plain_word_is_suggested_in_backticks():
    frame = pd.DataFrame({"ts": [1], "ts.month": [2], "x-1": [3], "class": [4], "order__amount": [5]})
    assert eval_expression(frame, "order__amount + `ts.month` + `class` + `x-1`", KEY).tolist() == [14]
    with pytest.raises(ConfigError, match=r"holds ts\.month, which is a column with a point; write `ts\.month`"):
        eval_expression(frame, "ts.month >= 0", KEY)
    with pytest.raises(ConfigError, match=r"no column 'x'; .*`x-1`"):
        eval_expression(frame, "x-1 > 0", KEY)
    with pytest.raises(ConfigError, match="no column 'order_amount'; did you mean order__amount"):
        eval_expression(frame, "order_amount > 0", KEY)
