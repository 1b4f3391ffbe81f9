"""The profile of an encoder as one text: skops writes a text at once, but each of a dictionary's values by itself.

Of thousands of columns with a histogram each that would be most of the time of a run, and most of the model's file.
"""

import json
from typing import Any

import numpy as np

_ARRAY = "int64 array"


def profile_to_text(profile: dict[str, Any]) -> str:
    """Return plain values and integer arrays as JSON; `profile_from_text` restores them."""
    return json.dumps(profile, default=_plain)


def profile_from_text(text: str) -> dict[str, Any]:
    """Restore what `profile_to_text` was given."""
    profile: dict[str, Any] = json.loads(text, object_hook=_restored)
    return profile


def _plain(value: Any) -> Any:
    """What JSON has for a value that it does not know."""
    if isinstance(value, np.ndarray):
        return {_ARRAY: value.tolist()}
    return value.item()


def _restored(values: dict[str, Any]) -> Any:
    return np.array(values[_ARRAY], dtype=np.int64) if values.keys() == {_ARRAY} else values
