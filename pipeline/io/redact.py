"""Redaction: secrets that this process knows are kept out of the texts that leave it.

A last line of defence. Nothing of ours shows a secret, but the errors of other libraries quote what they were given.
"""

import json
import re
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

HIDDEN = "***"
# Shorter ones stand in too many words.
SHORTEST = 4

_known: set[str] = set()


def remember(secrets: Iterable[str]) -> None:
    """Texts that `redact` is to hide from now on, in this process."""
    _known.update(secret for secret in secrets if len(secret) >= SHORTEST)


def redact(value: T) -> T:
    """A text, or all texts in nested lists and the values of dictionaries, without the secrets.

    They are found as they are, as URLs spell them, and as Python and JSON quote them.

    >>> remember(["open/sesame"])
    >>> redact({"said": "GET /?key=open%2Fsesame"})
    {'said': 'GET /?key=***'}
    """
    if not _known:
        return value
    longest_first = sorted(_known, key=len, reverse=True)
    return _redact(value, re.compile("|".join("".join(map(_spellings, secret)) for secret in longest_first)))


def _redact(value: T, secrets: re.Pattern[str]) -> T:
    if isinstance(value, str):
        return secrets.sub(HIDDEN, value)  # type: ignore[return-value]
    if isinstance(value, dict):
        return {key: _redact(inner, secrets) for key, inner in value.items()}  # type: ignore[return-value]
    if isinstance(value, list | tuple):
        return type(value)(_redact(inner, secrets) for inner in value)
    return value


def _spellings(character: str) -> str:
    """A pattern of one character of a secret, however it is quoted."""
    if character in " +":  # in a query they are the same
        return r"(?:[ +]|%20|%2[Bb])"
    quoted = {character, f"\\{character}", repr(character)[1:-1], json.dumps(character)[1:-1]}
    url = "".join(f"%{byte:02X}" for byte in character.encode(errors="replace"))
    # Were a character to match in two ways, a text that almost is a secret would be tried in 2 ** length ways.
    return f"(?:(?i:{url})|{'|'.join(re.escape(text) for text in sorted(quoted, key=len, reverse=True))})"
