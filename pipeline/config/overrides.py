"""Overrides: what ``--set section.key=value`` changes in a config before it is checked."""

import re
import tomllib
from typing import Any

from pipeline.errors import ConfigError


def apply_override(raw: dict[str, Any], override: str) -> dict[str, Any]:
    """A copy of nested tables with one key set; the value is TOML, or a bare word for a string.

    >>> apply_override({"train": {"lanes": 2}}, "train.epochs=3")
    {'train': {'lanes': 2, 'epochs': 3}}

    Raises
    ------
    ConfigError
        The override has another form, or names a key below a value. The message does not quote the value: it may be a
        secret.
    """
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(re.fullmatch(r"[\w-]+", name) for name in names):
        raise ConfigError(f"--set {key}: not of the form section.key=value; write for example train.epochs=2.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # the shell has removed the quotes of a string
    root = dict(raw)
    table = root
    for name in names[:-1]:
        inner = table.get(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {key}: {name} is a value, not a section; name a key of a section.")
        table[name] = dict(inner)
        table = table[name]
    table[names[-1]] = value
    return root
