"""Configuration: TOML in, frozen values out. Every mistake is one sentence that names the key.

Belongs here: the keys (`schema`), how a file and ``--set`` become values (`loading`, `overrides`), rules that types
cannot express (`checks`), how a config is saved
(`saving`), and which versions of tables it reads (`table_versions`).

May import: `errors`, `notices`, `io`.

To add a key, add a field to a class in `schema` and a row to the README's table; a rule between keys goes to
`checks`.
"""

from pipeline.config.loading import load, loads, parse, section
from pipeline.config.messages import suggest
from pipeline.config.saving import dump, flat
from pipeline.config.schema import (
    AggregateConfig,
    ClusterConfig,
    ColumnTransform,
    Config,
    DataConfig,
    EvaluateConfig,
    FeatureConfig,
    JoinConfig,
    ModelConfig,
    Paths,
    PrepareConfig,
    SearchConfig,
    SplitConfig,
    TrainConfig,
)
from pipeline.config.table_versions import TableVersions, pin_versions

__all__ = [
    "AggregateConfig",
    "ClusterConfig",
    "ColumnTransform",
    "Config",
    "DataConfig",
    "EvaluateConfig",
    "FeatureConfig",
    "JoinConfig",
    "ModelConfig",
    "Paths",
    "PrepareConfig",
    "SearchConfig",
    "SplitConfig",
    "TableVersions",
    "TrainConfig",
    "dump",
    "flat",
    "load",
    "loads",
    "parse",
    "pin_versions",
    "section",
    "suggest",
]
