"""Expression parser: from the text of an expression to a syntax tree of limited size.

The syntax is Python's, with two differences, which `pandas.eval` has, too: a column's name may be quoted in backticks,
and ``&`` and ``|`` mean ``and`` and ``or``, with their low precedence. Backticks hold any name: one with spaces, points
or quotes, one that begins with a digit, a word of Python's such as ``class``; a backtick in it is doubled.
"""

import ast
import keyword
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import ConfigError

MAX_CHARS = 10_000
MAX_DEPTH = 100  # levels of the syntax tree: each takes two of the thousand frames that Python allows
MAX_SHOWN_CHARS = 100

# A string, a column in backticks, or one of the two signs.
_TOKEN = re.compile(r"""('''|\"""|'|")(?:\\.|(?!\1)[^\\])*\1|`((?:[^`]|``)*)`|([&|])""", re.DOTALL)
# Python's words that an expression may hold.
_WORDS = frozenset(("and", "or", "not", "in", "True", "False", "None"))


@dataclass(frozen=True)
class Expression:
    """An expression as a syntax tree, in which every name is a column or a function."""

    text: str
    """As the config has it."""
    key: str
    """The config key that has it."""
    source: str
    """The text that Python parsed."""
    tree: ast.expr
    quoted_columns: Mapping[str, str]
    """The columns in backticks, by the names that stand for them in ``source``."""

    @property
    def columns(self) -> set[str]:
        """The columns that the expression needs."""
        nodes = list(ast.walk(self.tree))
        functions = {node.func for node in nodes if isinstance(node, ast.Call)}
        return {node.id for node in nodes if isinstance(node, ast.Name) and node not in functions}

    def text_of(self, node: ast.expr) -> str:
        """The part of the expression that a node of the tree comes from."""
        source = ast.get_source_segment(self.source, node) or type(node).__name__
        for stand_in, column in self.quoted_columns.items():
            source = in_backticks(column).join(re.split(rf" ?{stand_in} ?", source))
        return shortened(source)

    def refusal(self, part: str, why: str = "which an expression may not", advice: str = "") -> ConfigError:
        """The error for an expression that holds what it must not."""
        return _refusal(self.text, self.key, part, why, advice)


def _refusal(text: str, key: str, part: str, why: str = "which an expression may not", advice: str = "") -> ConfigError:
    return ConfigError(f"{key}: {quoted(text)} holds {part}, {why}; {advice or 'use prepare.function'}.")


def parse(text: str, key: str) -> Expression:
    """Parse an expression, without a check of what it does.

    Raises
    ------
    ConfigError
        It is no expression, or too long or too deep.
    """
    if len(text) > MAX_CHARS:
        raise _refusal(text, key, f"{len(text)} characters", f"more than the {MAX_CHARS} an expression may")
    source, quoted_columns = _to_python(text)
    if len(source.splitlines()) > 1:
        raise _refusal(text, key, "several lines")
    too_deep = _refusal(
        text, key, "too many levels", f"more than {MAX_DEPTH}", "make several columns of it, or use prepare.function"
    )
    try:
        tree = ast.parse(source, mode="eval").body
    except (RecursionError, MemoryError, SystemError):  # the parser's errors for an expression that is too deep
        raise too_deep from None
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte, half a surrogate pair
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ConfigError(
            f"{key}: {quoted(text)} is not an expression ({reason}); correct it, {_backtick_advice(text)}, or use "
            "prepare.function."
        ) from None
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise too_deep
    encoded = source.encode()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            # As it is written: Python makes one letter of two that look alike, and so another column.
            name = encoded[node.col_offset : node.end_col_offset].decode()
            node.id = quoted_columns.get(name, name)
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            raise _refusal(text, key, f".{node.attr}")
    return Expression(text, key, source, tree, quoted_columns)


def _to_python(text: str) -> tuple[str, dict[str, str]]:
    """The text as Python parses it, and the columns in backticks by the names that stand for them in it."""
    quoted_columns: dict[str, str] = {}
    stem = "column_"
    while stem in unicodedata.normalize("NFKC", text):  # so that no name in the text is that of a stand-in
        stem += "_"

    def replacement(token: re.Match[str]) -> str:
        if token[3]:
            return " and " if token[3] == "&" else " or "
        if token[2] is None:
            return token[0]
        name = f"{stem}{len(quoted_columns)}_"
        quoted_columns[name] = token[2].replace("``", "`")
        return f" {name} "

    return _TOKEN.sub(replacement, text).strip(), quoted_columns


def _backtick_advice(text: str) -> str:
    """What to do about a column's name that is no name in Python."""
    words = re.findall(r"\w+", _TOKEN.sub(" ", text))
    reserved = [word for word in words if keyword.iskeyword(word) and word not in _WORDS]
    numbered = [
        word for word in words if re.fullmatch(r"\d+_*[^\W\d_]\w*", word) and not re.fullmatch(r"\d+[eE]\d+", word)
    ]
    example = in_backticks((reserved or numbered or ["two words"])[0])
    return f"write a column's name in backticks where it is no plain word, as {example}"


def in_backticks(name: str) -> str:
    """A column's name as an expression may always have it."""
    return f"`{name.replace('`', '``')}`"


def as_written(name: str) -> str:
    """A column's name as an expression has it: in backticks unless it is a plain word."""
    plain = name.isidentifier() and not keyword.iskeyword(name)
    return name if plain else in_backticks(name)


def shortened(text: str) -> str:
    """A text cut to a length that fits into a message."""
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 1]}…"


def quoted(text: str) -> str:
    """A shortened text in quotes."""
    return repr(shortened(text))
