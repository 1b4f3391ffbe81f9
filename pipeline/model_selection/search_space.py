"""The search space: which keys of the config vary, what they may be, and the trials drawn from it."""

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

# The sections that a trial may change: what they say is done after the batches are packed and split.
SECTIONS = ("features", "model", "train")
# Keys of theirs that decide which rows train and which are scored.
FIXED = {
    "train.seed": "the split and the order of batches hang on it",
    "train.validation_fraction": "trials are compared on the same rows",
    "train.early_stopping": "a trial trains as long as it is worth it anyway",
    "train.checkpoint_seconds": "it changes no model",
    "model.task": "trials are compared by one metric",
}
# A grid of more settings is a mistake.
MOST = 100_000

Values = dict[str, Any]


@dataclass(frozen=True)
class Range:
    """Numbers between ``low`` and ``high``, both included, evenly or (``log``) evenly in their logarithm."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def draw(self, rng: np.random.Generator) -> float | int:
        """One of them."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        if self.whole and not self.log:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        value = rng.uniform(low, high)
        value = min(max(math.exp(value) if self.log else value, self.low), self.high)
        return round(value) if self.whole else float(f"{value:.6g}")


Choices = list[Any] | Range


def read_space(raw: Mapping[str, Any]) -> dict[str, Choices]:
    """The choices by config key: a list of values, or ``{low=, high=, log=}``.

    Keys may be written as one (``"model.params.l2"``) or as nested tables. Two whole numbers bound whole numbers.

    Raises
    ------
    ConfigError
        A key that a trial cannot change, or choices that are none.
    """
    space: dict[str, Choices] = {}
    for key, given in _leaves(raw):
        section = key.partition(".")[0]
        if section not in SECTIONS or key == section:
            raise ConfigError(f"search.space: {key} cannot be searched; name keys of {', '.join(SECTIONS)}.")
        if key in FIXED:
            raise ConfigError(f"search.space: {key} cannot be searched, because {FIXED[key]}; set it in the config.")
        space[key] = _range(key, given) if isinstance(given, dict) else _list(key, given)
    return space


def _leaves(raw: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in raw.items():
        nested = isinstance(value, dict) and not value.keys() & {"low", "high", "log"}
        found += _leaves(value, f"{above}{key}.") if nested and value else [(above + key, value)]
    return found


def _list(key: str, given: Any) -> list[Any]:
    if not isinstance(given, list) or not given:
        raise ConfigError(f"search.space: {key} is {given!r}; write a list of values, or {{low = 0.01, high = 1.0}}.")
    return given


def _range(key: str, given: dict[str, Any]) -> Range:
    known = {"low", "high", "log"}
    strange = next((name for name in given if name not in known), None)
    low, high, log = given.get("low"), given.get("high"), given.get("log", False)
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in (low, high))
    if strange or not numbers or not isinstance(log, bool):
        raise ConfigError(f"search.space: {key} is {given!r}; write it as {{low = 0.01, high = 1.0, log = true}}.")
    assert low is not None
    assert high is not None
    if not low < high or (log and low <= 0):
        raise ConfigError(
            f"search.space: {key} goes from {low} to {high}; low must be less than high, and above 0 if log is true."
        )
    return Range(low, high, log, isinstance(low, int) and isinstance(high, int))


def draw(space: Mapping[str, Choices], trials: int, seed: int, grid: bool) -> list[Values]:
    """The settings to try: at random, each once; with ``grid``, or where there are no more, all.

    Raises
    ------
    ConfigError
        Nothing varies, or a grid of a range, or of too much.
    """
    if not space:
        raise ConfigError(
            'search.space: nothing to search; name keys and values, for example "model.params.l2" = [0.0, 1.0, 10.0].'
        )
    lists = {key: choices for key, choices in space.items() if isinstance(choices, list)}
    ranged = next((key for key in space if key not in lists), None)
    if grid and ranged:
        raise ConfigError(f"search.space: {ranged} is a range, and a grid needs a list; write one.")
    count = math.prod(len(choices) for choices in lists.values())
    if grid and count > MOST:
        raise ConfigError(f"search.space: a grid of {count:,} settings; make it smaller, or draw from it at random.")
    if grid or (not ranged and count <= trials):
        return [dict(zip(lists, some, strict=True)) for some in itertools.product(*lists.values())]
    rng = np.random.default_rng(seed)
    drawn: dict[str, Values] = {}
    for _ in range(100 * trials):  # of few settings the last are drawn again and again
        values = {key: _one(choices, rng) for key, choices in space.items()}
        drawn.setdefault(repr(values), values)
        if len(drawn) == trials:
            break
    return list(drawn.values())


def _one(choices: Choices, rng: np.random.Generator) -> Any:
    return choices.draw(rng) if isinstance(choices, Range) else choices[int(rng.integers(len(choices)))]


def with_values(config: cfg.Config, values: Values) -> cfg.Config:
    """The config with some keys of `SECTIONS` set.

    Raises
    ------
    ConfigError
        A key that does not exist, or a value that it does not take.
    """
    changed: dict[str, Any] = {}
    for section in SECTIONS:
        own = {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{section}.")}
        if own:
            before = getattr(config, section)
            raw = msgspec.to_builtins(before)
            for path, value in own.items():
                _put(raw, path.split("."), value)
            known = type(before).__struct_fields__
            strange = next((name for name in raw if name not in known), None)
            if strange:
                raise ConfigError(
                    f"search.space: {section}.{strange}: unknown config key{cfg.suggest(strange, known)}."
                )
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
