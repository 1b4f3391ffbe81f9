"""Redaction: the secrets that this process knows are kept out of every text that leaves it.

This is the last line of defence: our own code never shows a secret, but errors of other libraries quote their
arguments.
"""

import json
import re
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

MASK = "***"
# Shorter secrets are part of too many words.
MIN_SECRET_CHARS = 4

_secrets: set[str] = set()


def register_secrets(secrets: Iterable[str]) -> None:
    """Let `redact` hide these texts from now on, in this process."""
    _secrets.update(secret for secret in secrets if len(secret) >= MIN_SECRET_CHARS)


def redact(value: T) -> T:
    """A text with every secret masked; in nested lists and dictionaries, every text except the keys.

    A secret is found as it is, as URLs spell it, and as Python and JSON quote it.

    >>> register_secrets(["open/sesame"])
    >>> redact({"request": "GET /?key=open%2Fsesame"})
    {'request': 'GET /?key=***'}
    """
    if not _secrets:
        return value
    longest_first = sorted(_secrets, key=len, reverse=True)
    return _mask(value, re.compile("|".join("".join(map(_spellings, secret)) for secret in longest_first)))


def _mask(value: T, secrets: re.Pattern[str]) -> T:
    if isinstance(value, str):
        return secrets.sub(MASK, value)  # type: ignore[return-value]
    if isinstance(value, dict):
        return {key: _mask(inner, secrets) for key, inner in value.items()}  # type: ignore[return-value]
    if isinstance(value, list | tuple):
        return type(value)(_mask(inner, secrets) for inner in value)
    return value


def _spellings(character: str) -> str:
    """A pattern for one character of a secret in every spelling."""
    if character in " +":  # a query does not tell them apart
        return r"(?:[ +]|%20|%2[Bb])"
    quoted = {character, f"\\{character}", repr(character)[1:-1], json.dumps(character)[1:-1]}
    url = "".join(f"%{byte:02X}" for byte in character.encode(errors="replace"))
    # No two alternatives may match the same text: a near miss would then take 2 ** length steps.
    return f"(?:(?i:{url})|{'|'.join(re.escape(text) for text in sorted(quoted, key=len, reverse=True))})"
