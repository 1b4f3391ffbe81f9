"""Column use: which columns of the files a config needs, as far as it tells before a file is opened."""

from dataclasses import dataclass

from pipeline import config as cfg
from pipeline.preparation.columns import Columns
from pipeline.preparation.expressions import names_in
from pipeline.preparation.feature_inference import FEATURE_KINDS
from pipeline.preparation.slice_columns import keys_of


@dataclass(frozen=True)
class ColumnUse:
    """The columns that a config names, and whether it takes all others too, but for those that it excludes."""

    named: frozenset[str]
    """For anything but to exclude them. Not all need be in the files: preparation makes some."""
    excluded: frozenset[str]
    takes_others: bool

    @classmethod
    def of(cls, config: cfg.Config, trained: Columns | None = None) -> "ColumnUse":
        """The use of a config; ``trained`` are the features of a model, in place of [features].

        Raises
        ------
        ConfigError
            An expression cannot be parsed.
        """
        features, prepare = config.features, config.prepare
        lists = {kind: getattr(features, kind) for kind in FEATURE_KINDS}
        infers = lists["numeric"] is None and lists["categorical"] is None
        if trained is not None:
            infers, chosen = False, set(trained.names)
        else:
            chosen = {name for names in lists.values() for name in names or []}
            chosen |= {name for names in features.cross for name in names}
            chosen |= {name.rpartition(".")[0] for names in features.cross for name in names}
        named = {*chosen, *features.columns, config.data.label, *(column for column, _, _ in config.data.filters)}
        named |= {name for key in keys_of(config.evaluate.slices) for name in key}
        named |= {column for join in config.data.join for column in join.on}
        named = named.union(*map(names_in, (*prepare.derive.values(), *prepare.filter.values())))
        if config.split.column is not None:
            named.add(config.split.column)
        if prepare.columns is not None:
            named |= set(prepare.columns)
        takes_others = infers or (prepare.function is not None and prepare.columns is None)
        if any(key.startswith("features.") for key in config.search.space):
            takes_others, excluded = True, frozenset[str]()  # a trial may choose any
        else:
            excluded = frozenset() if trained is not None else frozenset(features.exclude)
        return cls(frozenset(named), excluded, takes_others)

    def __contains__(self, name: str) -> bool:
        return name in self.named or (self.takes_others and name not in self.excluded)
