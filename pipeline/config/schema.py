"""The sections of a config and their keys, as frozen values. The README's table says what each key means."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from pipeline.config.messages import explain
from pipeline.errors import ConfigError
from pipeline.io.storage import Storage
from pipeline.io.urls import display_path

Positive = Annotated[int, Meta(ge=1)]
Fraction = Annotated[float, Meta(gt=0, lt=1)]
Unit = Annotated[float, Meta(ge=0, le=1)]
Paths = str | Annotated[list[str], Meta(min_length=1)]
Version = Annotated[int, Meta(ge=0)]
Operator = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]


class JoinConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table that is joined to every batch where the columns ``on`` are equal."""

    path: Paths
    version: Version | None = None
    on: list[str]
    columns: list[str]
    prefix: str = ""
    how: Literal["left", "inner"] = "left"
    large: Literal["auto"] | bool = "auto"

    @property
    def path_text(self) -> str:
        """The path, or the first paths of a list, for people."""
        return display_path(self.path)


class DataConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    path: Paths
    label: str
    version: Version | None = None
    batch_rows: Literal["auto", "file"] | Positive = "auto"
    on_bad_batch: Literal["fail", "quarantine"] = "fail"
    max_bad_batches: Annotated[int, Meta(ge=0)] = 10
    encoding_errors: Literal["strict", "replace"] = "strict"
    keep: Literal["auto", "memory", "reread"] = "auto"
    filters: list[tuple[str, Operator, Any]] = field(default_factory=list)
    join: list[JoinConfig] = field(default_factory=list)
    storage_options: Storage = field(default_factory=Storage)

    def storage_for(self, place: str) -> Storage:
        """The storage that opens another place than the data, such as a run folder: see `Storage.for_place`."""
        return self.storage_options.for_place(place, self.paths[0])

    @property
    def paths(self) -> list[str]:
        """The path, or all paths of a list."""
        return [self.path] if isinstance(self.path, str) else self.path

    @property
    def path_text(self) -> str:
        """The path, or the first paths of a list, for people."""
        return display_path(self.path)


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
    path: Paths | None = None
    version: Version | None = None
    folds: Annotated[int, Meta(ge=2, le=50)] | None = None

    @property
    def path_text(self) -> str:
        """The path of the test set, or the first paths of a list, for people; empty if there is none."""
        return display_path(self.path or "")


class ColumnTransform(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a column is encoded. Numbers, categories and times each use their own keys."""

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
    format: str | None = None

    @property
    def needs_quantiles(self) -> bool:
        """Whether the encoding of the column needs its quantiles."""
        return self.impute == "median" or self.scale == "robust" or bool(self.clip) or bool(self.bins)

    @property
    def needs_full_values(self) -> bool:
        """Whether the encoding tells values apart that lie close together beside the column's spread.

        Standardised they are one number of float32; in order, as logarithms or as they are they are not.
        """
        return self.needs_quantiles or self.log1p or self.scale == "none"

    def non_defaults(self) -> dict[str, Any]:
        """The keys that differ from their default, with their values."""
        defaults, own = msgspec.to_builtins(ColumnTransform()), msgspec.to_builtins(self)
        return {key: own[key] for key in defaults if own[key] != defaults[key]}


class FeatureConfig(ColumnTransform, frozen=True, forbid_unknown_fields=True, kw_only=True):
    numeric: list[str] | None = None
    categorical: list[str] | None = None
    datetime: list[str] | None = None
    text: list[str] | None = None
    cross: list[Annotated[list[str], Meta(min_length=2)]] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    grow: bool = False
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)

    def transform_for(self, column: str) -> ColumnTransform:
        """How one column is encoded: its own keys in ``columns`` come before those of all columns.

        Raises
        ------
        ConfigError
            A value of ``columns`` has the wrong type or range.
        """
        keys, own = ColumnTransform.__struct_fields__, self.columns.get(column, {})
        try:
            return msgspec.convert({key: own.get(key, getattr(self, key)) for key in keys}, ColumnTransform)
        except msgspec.ValidationError as error:
            key, message = explain(error, ColumnTransform)
            name = f"features.columns.{column}" + f".{key}" * bool(key)
            raise ConfigError(f"{name}: {message}; see the README.") from None


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
    positive: str | int | float | bool | None = None
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
    workers: int | list[int] | None = None  # a number, or the fewest and the most: see `checks`
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
    """The config of one run. Field names are the TOML sections."""

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
    def needs_validation_rows(self) -> bool:
        """Whether some training rows are kept out of training: for early stopping, or for calibration."""
        return self.train.early_stopping == "validation" or self.model.calibrate is not None
