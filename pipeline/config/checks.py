"""Checks of a config that types cannot express: unknown keys with a suggestion, and rules between keys."""

from typing import Any, get_type_hints

from msgspec import Struct

from pipeline.config.messages import suggest
from pipeline.config.schema import ClusterConfig, ColumnTransform, Config, FeatureConfig, SplitConfig
from pipeline.errors import ConfigError


def check_keys(raw: dict[str, Any], struct: type[Struct], prefix: str = "") -> None:
    """Raise a `ConfigError` if nested tables have a key that ``struct`` does not have."""
    hints = get_type_hints(struct)
    for key, value in raw.items():
        if key not in hints:
            raise ConfigError(f"{prefix}{key}: unknown config key{suggest(key, hints)}")
        hint = hints[key]
        if isinstance(value, dict) and isinstance(hint, type) and issubclass(hint, Struct):
            check_keys(value, hint, f"{prefix}{key}.")


def check_rules(config: Config) -> None:
    """Raise a `ConfigError` if values that are valid alone contradict each other."""
    _check_columns(config.features)
    _check_split(config.split)
    _check_workers(config.cluster)
    if 0 < config.evaluate.bootstrap < 50:
        raise ConfigError(
            f"evaluate.bootstrap: {config.evaluate.bootstrap} resamples are too few for a 95% interval; write 50 or "
            "more, or 0."
        )


def _check_columns(features: FeatureConfig) -> None:
    for column, own in features.columns.items():
        check_keys(own, ColumnTransform, f"features.columns.{column}.")
        clip = features.transform_for(column).clip
        if clip and clip[0] >= clip[1]:
            raise ConfigError(f"features.columns.{column}.clip: {clip}; write the lower quantile first.")


def _check_split(split: SplitConfig) -> None:
    if split.by == "group" and not split.column:
        raise ConfigError('split.column: missing, but split.by = "group" needs it; name the column of the groups.')
    if split.by == "time" and not split.column:
        raise ConfigError('split.column: missing, but split.by = "time" needs it; name the column of the time.')
    if split.version is not None and split.path is None:
        raise ConfigError(
            f"split.version: {split.version} is that of a test set of its own, but split.path is missing; the data's "
            "is data.version."
        )
    if split.by == "time" and split.folds and split.path:
        raise ConfigError('split.folds: with split.by = "time" they need test rows of the data; remove split.path.')


def _check_workers(cluster: ClusterConfig) -> None:
    # Not in the type: msgspec mixes up the constraints of `int | list[int]`.
    workers = cluster.workers
    if isinstance(workers, list) and not (len(workers) == 2 and 1 <= workers[0] <= workers[1]):
        raise ConfigError(
            f"cluster.workers: {workers} is no range; write the fewest workers (at least 1) and the most, like [2, 50]."
        )
    if isinstance(workers, int) and workers < 0:
        raise ConfigError(
            f"cluster.workers: {workers} is negative; write 0 for no cluster, a number, or a range like [2, 50]."
        )
    if workers == 0 and cluster.scheduler is not None:
        raise ConfigError(
            f"cluster.workers: 0 means no cluster, but cluster.scheduler is {cluster.scheduler}; remove one of them."
        )
