"""The configuration: TOML in, frozen values out, every mistake one sentence."""

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import tomli_w
from msgspec import Meta, Struct, field, structs

from pipeline.errors import ConfigError
from pipeline.io.storage import Storage
from pipeline.io.urls import without_credentials

Positive = Annotated[int, Meta(ge=1)]
Fraction = Annotated[float, Meta(gt=0, lt=1)]
Unit = Annotated[float, Meta(ge=0, le=1)]


Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]


class JoinConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table joined to every batch by equality of ``on``."""

    path: str
    on: list[str]
    columns: list[str]
    prefix: str = ""
    how: Literal["left", "inner"] = "left"
    large: Literal["auto"] | bool = "auto"


class DataConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    path: str
    label: str
    batch_rows: Literal["auto", "file"] | Positive = "auto"
    on_bad_batch: Literal["fail", "quarantine"] = "fail"
    max_bad_batches: Annotated[int, Meta(ge=0)] = 10
    keep: Literal["auto", "memory", "reread"] = "auto"
    filters: list[tuple[str, Operator, Any]] = field(default_factory=list)
    join: list[JoinConfig] = field(default_factory=list)
    storage_options: Storage = field(default_factory=Storage)


class PrepareConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    function: str | None = None
    columns: list[str] | None = None
    derive: dict[str, str] = field(default_factory=dict)
    filter: dict[str, str] = field(default_factory=dict)


class SplitConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    by: Literal["row", "batch", "group", "time"] = "row"
    test: Fraction = 0.2
    column: str | None = None
    after: Any = None
    path: str | None = None
    folds: Annotated[int, Meta(ge=2, le=50)] | None = None


class ColumnTransform(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a column is encoded; each kind of column looks at its own keys."""

    impute: Literal["mean", "median"] | float = "mean"
    indicator: bool = False
    scale: Literal["standard", "robust", "none"] = "standard"
    log1p: bool = False
    clip: tuple[Unit, Unit] | None = None
    bins: Annotated[int, Meta(ge=2, le=10_000)] | None = None
    encode: Literal["onehot", "ordinal", "target", "hash"] = "onehot"
    min_frequency: Positive = 1
    max_categories: Annotated[int, Meta(ge=1, le=200_000)] = 100_000
    hash_above: Positive | None = None
    buckets: Annotated[int, Meta(ge=2, le=2**24)] = 2**12
    smooth: Annotated[float, Meta(ge=0)] = 10.0
    parts: list[Literal["hour", "weekday", "month", "age"]] = field(
        default_factory=lambda: ["hour", "weekday", "month"]
    )
    cyclical: bool = False

    @property
    def ranked(self) -> bool:
        """Whether the column's quantiles must be learned."""
        return self.impute == "median" or self.scale == "robust" or bool(self.clip) or bool(self.bins)

    def options(self) -> dict[str, Any]:
        """The keys that are not the default."""
        plain, own = msgspec.to_builtins(ColumnTransform()), msgspec.to_builtins(self)
        return {key: own[key] for key in plain if own[key] != plain[key]}


class FeatureConfig(ColumnTransform, frozen=True, forbid_unknown_fields=True, kw_only=True):
    numeric: list[str] | None = None
    categorical: list[str] | None = None
    datetime: list[str] | None = None
    text: list[str] | None = None
    cross: list[Annotated[list[str], Meta(min_length=2)]] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    grow: bool = False
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)

    def of(self, column: str) -> ColumnTransform:
        """The treatment of one column: what all have, and what `columns` says of it."""
        return _treatment(column, {**msgspec.to_builtins(self), **self.columns.get(column, {})})


class ModelConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    estimator: str = "default"
    task: Literal["auto", "classification", "regression"] = "auto"
    params: dict[str, Any] = field(default_factory=dict)
    calibrate: Literal["isotonic", "sigmoid"] | None = None


class TrainConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    epochs: Positive = 1
    lanes: Positive = 1
    seed: Annotated[int, Meta(ge=0)] = 0
    round_batches: Positive = 32
    early_stopping: Literal["off", "progressive", "validation"] = "off"
    validation_fraction: Fraction = 0.1
    tol: Annotated[float, Meta(ge=0)] = 1e-4
    n_iter_no_change: Positive = 1
    checkpoint_seconds: Annotated[float, Meta(ge=0)] = 30.0


class EvaluateConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    slices: list[str | Annotated[list[str], Meta(min_length=2, max_length=2)]] = field(default_factory=list)
    slice_rows: Positive = 100
    bootstrap: Annotated[int, Meta(ge=0, le=10_000)] = 500
    threshold: Fraction | None = None
    baseline: str | None = None
    importance_rows: Annotated[int, Meta(ge=0)] = 8_000
    metrics: list[str] = field(default_factory=list)
    exact_rows: Positive = 2_000_000
    on_drift: Literal["fail", "report"] = "fail"


class SearchConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    space: dict[str, Any] = field(default_factory=dict)
    method: Literal["halving", "hyperband", "random", "grid"] = "halving"
    trials: Positive = 32
    metric: str = "auto"
    eta: Annotated[int, Meta(ge=2, le=10)] = 3
    seed: Annotated[int, Meta(ge=0)] = 0


class AggregateConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    fan_in: Annotated[int, Meta(ge=2)] = 8


class ClusterConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    scheduler: str | None = None
    workers: int | list[int] | None = None  # see `_check_workers`
    options: dict[str, Any] = field(default_factory=dict)
    dashboard: str = "127.0.0.1:8787"
    timeout: Annotated[float, Meta(gt=0)] = 30.0
    retries: Annotated[int, Meta(ge=0)] = 2
    memory: str = "auto"
    worker_timeout: Annotated[float, Meta(ge=5)] = 60.0
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole run. Field names are the TOML keys; docs are in the README."""

    data: DataConfig
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    aggregate: AggregateConfig = field(default_factory=AggregateConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)

    @property
    def keeps_validation(self) -> bool:
        """Whether some training rows are kept out of training: to stop by, or to calibrate on."""
        return self.train.early_stopping == "validation" or self.model.calibrate is not None


def load(path: str | Path, overrides: tuple[str, ...] = ()) -> Config:
    """Read ``path`` and apply ``section.key=value`` overrides.

    Raises
    ------
    ConfigError
        The file is missing or not TOML, a key is unknown, a value has the wrong type or range.
    """
    try:
        return loads(Path(path).read_text(), str(path), overrides)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the config ({error.strerror}); give a TOML file.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct it there.") from None


def loads(text: str, path: str, overrides: tuple[str, ...] = ()) -> Config:
    """As `load`, of the text of the file at ``path``."""
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML ({error}); correct it there.") from None
    for override in overrides:
        raw = _override(raw, override)
    return parse(raw)


def section(name: str, text: str, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
    """One section as it is written in a config's text, unchecked; empty where there is none or it cannot be read."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raw = {}
    for override in overrides:
        raw = _override(raw, override)
    found = raw.get(name)
    return found if isinstance(found, dict) else {}


def parse(raw: dict[str, Any]) -> Config:
    """A checked `Config` from nested plain dictionaries."""
    _check_keys(raw, Config, "")
    try:
        config = msgspec.convert(raw, Config, dec_hook=lambda _, given: Storage.from_config(given))
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        key = where.strip(".`") or "the config"
        raise ConfigError(f"{key}: {message}{_words(key, Config)}; see the README's table of keys.") from None
    for column, own in config.features.columns.items():
        for key in own:
            if key not in get_type_hints(ColumnTransform):
                known = suggest(key, get_type_hints(ColumnTransform))
                raise ConfigError(f"features.columns.{column}.{key}: unknown config key{known}.")
        treatment = config.features.of(column)
        if treatment.clip and treatment.clip[0] >= treatment.clip[1]:
            raise ConfigError(f"features.columns.{column}.clip: {treatment.clip}; write the lower quantile first.")
    if 0 < config.evaluate.bootstrap < 50:
        raise ConfigError(
            f"evaluate.bootstrap: {config.evaluate.bootstrap} resamples have no 95% interval; write 50 or more, or 0."
        )
    if config.split.by == "group" and not config.split.column:
        raise ConfigError('split.column: missing, but split.by = "group" needs it; name the column of the groups.')
    if config.split.by == "time" and not config.split.column:
        raise ConfigError('split.column: missing, but split.by = "time" needs it; name the column of the time.')
    if config.split.by == "time" and config.split.folds:
        raise ConfigError('split.folds: folds of random rows would train on the future of split.by = "time"; drop one.')
    _check_workers(config.cluster)
    return _without_credentials(config)


def _check_workers(cluster: ClusterConfig) -> None:
    """That ``workers`` is a number, or the fewest and the most; msgspec confuses the constraints of such a union."""
    workers = cluster.workers
    if isinstance(workers, list) and not (len(workers) == 2 and 1 <= workers[0] <= workers[1]):
        raise ConfigError(f"cluster.workers: {workers}; write the fewest, 1 or more, and the most, like [2, 50].")
    if isinstance(workers, int) and workers < 0:
        raise ConfigError(f"cluster.workers: {workers}; write 0 for no cluster, a number, or a range like [2, 50].")
    if workers == 0 and cluster.scheduler is not None:
        raise ConfigError(f"cluster.workers: 0 is no cluster, but cluster.scheduler is {cluster.scheduler}; drop one.")


def _without_credentials(config: Config) -> Config:
    """With URLs that have no credentials any more: the storage alone has them."""
    data, test = config.data, config.split.path
    urls = [data.path, *(join.path for join in data.join), *([test] if test else [])]
    data = structs.replace(
        data,
        path=without_credentials(data.path),
        join=[structs.replace(join, path=without_credentials(join.path)) for join in data.join],
        storage_options=data.storage_options.with_urls(urls),
    )
    split = structs.replace(config.split, path=without_credentials(test) if test else test)
    return structs.replace(config, data=data, split=split)


def _treatment(column: str, raw: dict[str, Any]) -> ColumnTransform:
    known = get_type_hints(ColumnTransform)
    try:
        return msgspec.convert({key: value for key, value in raw.items() if key in known}, ColumnTransform)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$")
        key = where.strip(".`")
        named = f"features.columns.{column}" + f".{key}" * bool(key)
        raise ConfigError(f"{named}: {message}{_words(key, ColumnTransform)}; see the README.") from None


def dump(config: Config) -> str:
    """The resolved config as TOML that `load` takes back (unset keys left out), credentials hidden."""
    storage = config.data.storage_options
    raw = msgspec.to_builtins(config, enc_hook=Storage.to_config)
    for table in (raw["data"], raw["split"], *raw["data"]["join"]):
        if table["path"]:
            table["path"] = storage.masked_url(table["path"])
    if not config.search.space:  # nothing is searched
        del raw["search"]
    return tomli_w.dumps(_without_none(raw))


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested tables as ``section.key``."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return found


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_none(v) for v in value]
    return value


def _override(raw: dict[str, Any], override: str) -> dict[str, Any]:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(re.fullmatch(r"[\w-]+", part) for part in parts):
        raise ConfigError(f"--set {key}: not of the form section.key=value; write for example train.epochs=2.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a bare word is meant as a string: shells eat quotes
    root = dict(raw)
    table = root
    for part in parts[:-1]:
        inner = table.get(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {key}: {part} is a value, not a section; name a key of a section.")
        table[part] = dict(inner)
        table = table[part]
    table[parts[-1]] = value
    return root


def _check_keys(raw: dict[str, Any], struct: type[Struct], where: str) -> None:
    hints = get_type_hints(struct)
    for key, value in raw.items():
        if key not in hints:
            raise ConfigError(f"{where}{key}: unknown config key{suggest(key, hints)}.")
        hint = hints[key]
        if isinstance(value, dict) and isinstance(hint, type) and issubclass(hint, Struct):
            _check_keys(value, hint, f"{where}{key}.")


def _words(key: str, of: type[Struct]) -> str:
    """The words that may be a key's value, as a part of an error sentence; nothing where none may."""
    hint: Any = of
    for part in re.sub(r"\[.*?\]", "", key).split("."):
        hint = get_type_hints(hint).get(part) if isinstance(hint, type) and issubclass(hint, Struct) else None
        hint = get_args(hint)[0] if get_origin(hint) is list else hint
    words = [word for one in (hint, *get_args(hint)) if get_origin(one) is Literal for word in get_args(one)]
    return f" (words that it knows: {', '.join(map(json.dumps, words))})" if words else ""


def suggest(name: str, known: Any) -> str:
    """The end of an error sentence: the nearest known names, or all when few."""
    known = [str(k) for k in known]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if near:
        return f"; did you mean {' or '.join(near)}?"[:-1]
    return f"; known are {', '.join(known[:12])}{', …' if len(known) > 12 else ''}" if known else ""
