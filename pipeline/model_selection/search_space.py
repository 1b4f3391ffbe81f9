"""The search space: which keys of the config vary, their choices, and the settings drawn from them."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec import structs

from pipeline import config as cfg
from pipeline.errors import ConfigError

# The sections that a setting may change: they take effect after the batches are packed and split.
SEARCHABLE_SECTIONS = ("features", "model", "train")
# Keys of these sections that cannot vary, and why.
FIXED_KEYS = {
    "train.seed": "the split and the order of batches depend on it",
    "train.validation_fraction": "trials are compared on the same rows",
    "train.early_stopping": "the search itself decides how long a trial trains",
    "train.checkpoint_seconds": "it changes no model",
    "model.task": "trials are compared by one metric",
}
# A larger grid is a mistake.
MAX_GRID_SIZE = 100_000

Values = dict[str, Any]


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included, drawn uniformly, or uniformly in their logarithm (``log``)."""

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def draw(self, rng: np.random.Generator) -> float | int:
        """Draw one of them."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        if self.integer and not self.log:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        value = rng.uniform(low, high)
        value = min(max(math.exp(value) if self.log else value, self.low), self.high)
        return round(value) if self.integer else float(f"{value:.6g}")


Choices = list[Any] | Range


def read_space(raw: Mapping[str, Any]) -> dict[str, Choices]:
    """Return the choices by config key: a list of values, or ``{low=, high=, log=}``.

    Keys may be written as one (``"model.params.l2"``) or as nested tables. Between two integers, integers are drawn.

    Raises
    ------
    ConfigError
        A setting cannot change a key, or its choices are none.
    """
    space: dict[str, Choices] = {}
    for key, choices in _leaves(raw):
        section = key.partition(".")[0]
        if section not in SEARCHABLE_SECTIONS or key == section:
            raise ConfigError(f"search.space: {key} cannot be searched; name keys of {', '.join(SEARCHABLE_SECTIONS)}.")
        if key in FIXED_KEYS:
            raise ConfigError(
                f"search.space: {key} cannot be searched, because {FIXED_KEYS[key]}; set it in the config."
            )
        space[key] = _range(key, choices) if isinstance(choices, dict) else _list(key, choices)
    return space


def _leaves(raw: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in raw.items():
        nested = isinstance(value, dict) and not value.keys() & {"low", "high", "log"}
        leaves += _leaves(value, f"{prefix}{key}.") if nested and value else [(prefix + key, value)]
    return leaves


def _list(key: str, choices: Any) -> list[Any]:
    if not isinstance(choices, list) or not choices:
        raise ConfigError(f"search.space: {key} is {choices!r}; write a list of values, or {{low = 0.01, high = 1.0}}.")
    return choices


def _range(key: str, bounds: dict[str, Any]) -> Range:
    low, high, log = bounds.get("low"), bounds.get("high"), bounds.get("log", False)
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in (low, high))
    if bounds.keys() - {"low", "high", "log"} or not numbers or not isinstance(log, bool):
        raise ConfigError(f"search.space: {key} is {bounds!r}; write it as {{low = 0.01, high = 1.0, log = true}}.")
    assert low is not None
    assert high is not None
    if not low < high or (log and low <= 0):
        raise ConfigError(
            f"search.space: {key} goes from {low} to {high}; low must be less than high, and above 0 if log is true."
        )
    return Range(low, high, log, isinstance(low, int) and isinstance(high, int))


def draw(space: Mapping[str, Choices], trials: int, seed: int, grid: bool) -> list[Values]:
    """Draw the settings to try: at random and each once, or all with ``grid`` or if there are no more.

    Raises
    ------
    ConfigError
        Nothing varies, or a grid has a range or is too large.
    """
    if not space:
        raise ConfigError(
            'search.space: nothing to search; name keys and values, for example "model.params.l2" = [0.0, 1.0, 10.0].'
        )
    lists = {key: choices for key, choices in space.items() if isinstance(choices, list)}
    range_key = next((key for key in space if key not in lists), None)
    if grid and range_key:
        raise ConfigError(f"search.space: {range_key} is a range, and a grid needs a list; write one.")
    count = math.prod(len(choices) for choices in lists.values())
    if grid and count > MAX_GRID_SIZE:
        raise ConfigError(f"search.space: a grid of {count:,} settings; make it smaller, or draw from it at random.")
    if grid or (not range_key and count <= trials):
        return [dict(zip(lists, values, strict=True)) for values in itertools.product(*lists.values())]
    rng = np.random.default_rng(seed)
    drawn: dict[str, Values] = {}
    for _ in range(100 * trials):  # if there are few settings, the last ones are hardly ever drawn
        values = {key: _draw_value(choices, rng) for key, choices in space.items()}
        drawn.setdefault(repr(values), values)
        if len(drawn) == trials:
            break
    return list(drawn.values())


def _draw_value(choices: Choices, rng: np.random.Generator) -> Any:
    return choices.draw(rng) if isinstance(choices, Range) else choices[int(rng.integers(len(choices)))]


def with_values(config: cfg.Config, values: Values) -> cfg.Config:
    """Return the config with these values; their keys are of `SEARCHABLE_SECTIONS`.

    Raises
    ------
    ConfigError
        A key does not exist, or does not take its value.
    """
    changed: dict[str, Any] = {}
    for section in SEARCHABLE_SECTIONS:
        own = {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{section}.")}
        if own:
            before = getattr(config, section)
            raw = msgspec.to_builtins(before)
            for path, value in own.items():
                _put(raw, path.split("."), value)
            keys = type(before).__struct_fields__
            unknown = next((name for name in raw if name not in keys), None)
            if unknown:
                raise ConfigError(f"search.space: {section}.{unknown}: unknown config key{cfg.suggest(unknown, keys)}")
            try:
                changed[section] = msgspec.convert(raw, type(before))
            except msgspec.ValidationError as error:
                message, _, where = str(error).partition(" - at `$")
                raise ConfigError(f"search.space: {section}{where.rstrip('`')}: {message}; see the README.") from None
    return structs.replace(config, **changed)


def _put(table: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for i, name in enumerate(path[:-1]):
        inner = table.get(name)
        if not isinstance(inner, dict) and inner is not None:
            raise ConfigError(f"search.space: {'.'.join(path[: i + 1])} is a value, not a table; name a key.")
        table = table.setdefault(name, {})
    table[path[-1]] = value
