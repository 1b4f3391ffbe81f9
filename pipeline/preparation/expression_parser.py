"""Expression parser: from the text of an expression to a syntax tree of limited size.

The syntax is Python's, with two differences, which `pandas.eval` has, too: a column's name may be quoted in backticks,
and ``&`` and ``|`` mean ``and`` and ``or``, with their low precedence.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import ConfigError

MAX_CHARS = 10_000
MAX_DEPTH = 100  # levels of the syntax tree: each takes two of the thousand frames that Python allows
MAX_SHOWN_CHARS = 100

# A string, a column in backticks, or one of the two signs.
_TOKEN = re.compile(r"""('''|\"""|'|")(?:\\.|(?!\1)[^\\])*\1|`([^`]*)`|([&|])""", re.DOTALL)


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
        return shortened(re.sub(r" ?(__[0-9]+) ?", lambda name: f"`{self.quoted_columns[name[1]]}`", source))

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
    if "@" in text or "__" in text:
        raise _refusal(text, key, "@ or __")
    if len(text) > MAX_CHARS:
        raise _refusal(text, key, f"{len(text)} characters", f"more than the {MAX_CHARS} an expression may")
    if len(text.strip().splitlines()) > 1:
        raise _refusal(text, key, "several lines")
    too_deep = _refusal(
        text, key, "too many levels", f"more than {MAX_DEPTH}", "make several columns of it, or use prepare.function"
    )
    source, quoted_columns = _to_python(text)
    try:
        tree = ast.parse(source, mode="eval").body
    except (RecursionError, MemoryError, SystemError):  # the parser's errors for an expression that is too deep
        raise too_deep from None
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte, half a surrogate pair
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ConfigError(
            f"{key}: {quoted(text)} is not an expression ({reason}); correct it, or use prepare.function."
        ) from None
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise too_deep
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = quoted_columns.get(node.id, node.id)
    return Expression(text, key, source, tree, quoted_columns)


def _to_python(text: str) -> tuple[str, dict[str, str]]:
    """The text as Python parses it, and the columns in backticks by the names that stand for them in it."""
    quoted_columns: dict[str, str] = {}

    def replacement(token: re.Match[str]) -> str:
        if token[3]:
            return " and " if token[3] == "&" else " or "
        if token[2] is None:
            return token[0]
        name = f"__{len(quoted_columns)}"  # which no expression may hold
        quoted_columns[name] = token[2]
        return f" {name} "

    return _TOKEN.sub(replacement, text).strip(), quoted_columns


def shortened(text: str) -> str:
    """A text cut to a length that fits into a message."""
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 1]}…"


def quoted(text: str) -> str:
    """A shortened text in quotes."""
    return repr(shortened(text))
