"""The wording of config errors: suggestions for a wrong name, allowed words for a wrong value."""

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

# Names that an error lists if none is similar.
MAX_NAMES = 12


def suggest(name: str, valid_names: Iterable[Any]) -> str:
    """The end of an error sentence: the most similar valid names, or else the first of all.

    >>> suggest("lable", ["path", "label"])
    '; did you mean label?'
    >>> suggest("x", ["path", "label"])
    '; valid names are path, label.'
    """
    names = [str(valid) for valid in valid_names]
    if not names:
        return "."
    similar = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if similar:
        return f"; did you mean {' or '.join(similar)}?"
    return f"; valid names are {', '.join(names[:MAX_NAMES])}{', …' if len(names) > MAX_NAMES else '.'}"


def explain(error: msgspec.ValidationError, struct: type[Struct]) -> tuple[str, str]:
    """The dotted key that msgspec's error is about ("": all of ``struct``), and its message with the allowed words."""
    message, _, path = str(error).partition(" - at `$")
    key = path.strip(".`")
    words = _allowed_words(key, struct)
    return key, message + (f" (allowed words: {', '.join(map(json.dumps, words))})" if words else "")


def _allowed_words(key: str, struct: type[Struct]) -> list[str]:
    """The words that the type of a dotted key allows."""
    hint: Any = struct
    for name in re.sub(r"\[.*?\]", "", key).split("."):
        hint = get_type_hints(hint).get(name) if isinstance(hint, type) and issubclass(hint, Struct) else None
        hint = get_args(hint)[0] if get_origin(hint) is list else hint
    literals = [option for option in (hint, *get_args(hint)) if get_origin(option) is Literal]
    return [word for literal in literals for word in get_args(literal)]
