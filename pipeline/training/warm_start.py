"""Warm start: training that continues from the model of a finished run, with new rows.

What the model learned stays: how numbers are scaled, which columns its weights belong to, the state of its learning
rates. A value that it does not know is encoded as zeros, or as ``other`` if there is such a column, as in a prediction.
With ``features.grow`` it gets a column of its own, whose weight starts at zero.
"""

import copy
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.pipeline import Pipeline

from pipeline import config as cfg
from pipeline.encoding.encoder import Encoder
from pipeline.errors import ConfigError, DataError
from pipeline.evaluation import drift_profile
from pipeline.evaluation.drift_verdict import DRIFTED
from pipeline.io.run_folder import REPORT_FILE, RunFolder
from pipeline.io.storage import DEFAULT_STORAGE, Storage
from pipeline.models import persistence
from pipeline.models.calibration import CalibratedModel
from pipeline.models.factory import make
from pipeline.models.target import TargetSpec
from pipeline.notices import Notice, listed
from pipeline.planning.plan import Plan
from pipeline.planning.task_choice import with_task
from pipeline.preparation.columns import Columns
from pipeline.preparation.feature_inference import FEATURE_KINDS
from pipeline.preparation.split import SplitRevision
from pipeline.statistics.counts import Counts
from pipeline.statistics.summary import Summary
from pipeline.training.fitted_state import FittedState, slicing_of
from pipeline.training.label import positive_class, target_of
from pipeline.training.lane import Lane, new_lane
from pipeline.training.row_checks import checked_drift, training_ledger
from pipeline.training.statistics_notices import statistics_notices

# Columns that a notice names.
MAX_NAMES = 5
# The rows of a report that add up over the runs of a model.
ROW_ROLES = ("read", "train", "test", "rejected")


@dataclass(frozen=True)
class BaseRun:
    """A finished run: the model that is trained further, and its report."""

    folder: str
    encoder: Encoder
    estimator: Any
    """Without its calibration, which is learned anew."""
    report: Mapping[str, Any]
    fingerprint: str
    config: str = ""
    """The text of its config; empty if it has none."""

    @property
    def types(self) -> dict[str, pa.DataType]:
        """The types as which columns were read when the model was trained."""
        return drift_profile.types_from_profile(self.encoder.profile_)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The data, rows and fingerprint of each run that trained the model, the first one first."""
        earlier = self.report.get("continued", {}).get("runs", [])
        rows = {role: self.report["rows"][role] for role in ROW_ROLES}
        return [*earlier, {"data": self.report["data"]["path"], "rows": rows, "fingerprint": self.fingerprint}]


def load_base_run(folder: str, storage: Storage = DEFAULT_STORAGE) -> BaseRun:
    """Read the model and the report of a run folder, a URL by ``storage``.

    Raises
    ------
    DataError
        The folder holds no finished run.
    """
    run_folder = RunFolder(folder, storage)
    if not run_folder.exists(REPORT_FILE):
        raise DataError(f"--from {folder}: no finished run is there; give the folder of one.")
    model: Pipeline = persistence.load(folder, storage=storage)
    estimator = model.named_steps["model"]
    estimator = estimator.estimator if isinstance(estimator, CalibratedModel) else estimator
    report = json.loads(run_folder.read(REPORT_FILE))
    config = run_folder.read("config.toml").decode() if run_folder.exists("config.toml") else ""
    return BaseRun(folder, model.named_steps["preprocess"], estimator, report, persistence.fingerprint(model), config)


def split_warnings(base_run: BaseRun, config: cfg.Config) -> list[str]:
    """Return a line for each key of the split that differs from the base run: its training rows may test now."""
    if not base_run.config:
        return []
    then, now = (cfg.flat(tomllib.loads(text)) for text in (base_run.config, cfg.dump(config)))
    return [
        f"split       {key}: {then.get(key, 'none')} in {base_run.folder}, {now.get(key, 'none')} in this run: rows "
        "that the model was trained on, if they are in this data too, may be test rows"
        for key in sorted(then.keys() | now.keys())
        if then.get(key) != now.get(key) and (key.startswith("split.") or key == "train.seed")
    ]


def check_warm_start(base_run: BaseRun, plan: Plan) -> Plan:
    """Check that ``plan`` can continue from ``base_run``, and return it with the packing scale of that model.

    Raises
    ------
    ConfigError
        Features, label, task or model differ; the key or column is named.
    """
    config, folder, report = plan.config, base_run.folder, base_run.report
    if plan.label_guess is not None and report["task"] == "regression":
        plan = with_task(plan, "regression", f"the model of {folder} is for it")
    if plan.features.task != report["task"]:
        raise ConfigError(f"model.task: {plan.features.task}, but the model of {folder} is for {report['task']}.")
    label = report["data"]["label"]
    if config.data.label != label:
        raise ConfigError(f"data.label: {config.data.label!r}, but the model of {folder} predicts {label!r}.")
    if config.split.folds:
        raise ConfigError("split.folds: the model has seen rows of every fold before; drop it, or --from.")
    _check_columns(base_run, plan.features.columns)
    drift_profile.check_schema(base_run.encoder.profile_, base_run.encoder.columns, plan.meta)
    _check_estimator(base_run, plan)
    # As the base run split, or as the config says: never so that rows that the model was trained on test.
    revision = SplitRevision.from_profile(base_run.encoder.profile_) or SplitRevision(config.train.seed)
    return replace(plan, packing_scale=base_run.encoder.packing, split_revision=revision)


def _check_columns(base_run: BaseRun, columns: Columns) -> None:
    folder, trained_columns = base_run.folder, base_run.encoder.columns
    for kind in (*FEATURE_KINDS, "cross"):
        now, then = getattr(columns, kind), getattr(trained_columns, kind)
        if now != then:
            name = next((n for n in [*now, *then] if n not in now or n not in then), now[0] if now else then[0])
            problem = "is in another position"
            if name not in then:
                problem = "is new"
            elif name not in now:
                problem = "is missing"
            raise ConfigError(
                f"features.{kind}: {name!r} {problem}, and the model of {folder} was trained with {list(then)}; write "
                "that."
            )
    for name in sorted(columns.options.keys() | trained_columns.options.keys()):
        now, then = (dict(options.get(name, {})) for options in (columns.options, trained_columns.options))
        if now != then:
            raise ConfigError(f"features.columns.{name}: {now}, but the model of {folder} has {then}; write that.")


def _check_estimator(base_run: BaseRun, plan: Plan) -> None:
    config, folder = plan.config, base_run.folder
    estimator = make(config.model, plan.features.task, config.train.seed)
    if type(estimator) is not type(base_run.estimator):
        trained_class = type(base_run.estimator).__name__
        raise ConfigError(f"model.estimator: {config.model.estimator}, but the model of {folder} is a {trained_class}.")
    params, trained_params = estimator.get_params(), base_run.estimator.get_params()
    for name in params:
        if name != "random_state" and params[name] != trained_params[name]:
            raise ConfigError(
                f"model.params.{name}: {params[name]}, but {trained_params[name]} in {folder}; write that."
            )
    if config.features.grow and not hasattr(base_run.estimator, "with_added_columns"):
        raise ConfigError(f"features.grow: {type(estimator).__name__} models do not take new columns; drop it.")


def warm_start_state(base_run: BaseRun, summary: Summary, plan: Plan) -> FittedState:
    """Return the fitted state of the base run, extended by the statistics of the new training rows.

    Raises
    ------
    DataError
        The rows cannot be trained on, have a class that the model lacks, or look like another table.
    """
    classes = getattr(base_run.estimator, "classes_", None)
    if classes is not None:
        _check_classes(base_run, summary, plan, classes)
    changes = checked_drift(base_run.encoder, summary, plan.config, classes)
    label_profile = base_run.encoder.profile_["label"]
    if classes is None:
        ledger, target = training_ledger(summary, plan), target_of(summary, plan)
        scaled = plan.config.model.estimator == "default"
        centre, scale = (label_profile["mean"], label_profile["std"]) if scaled else (0.0, 1.0)
        target = replace(target, centre=centre, scale=scale)
    else:
        ledger = training_ledger(summary, plan, pd.Index(classes))
        shares = _class_shares(base_run, summary, classes)
        target = TargetSpec(classes, shares=shares, positive=positive_class(classes, plan.config))
        label_profile = {"shares": shares.tolist()}
    grow = plan.config.features.grow
    encoder = extend_vocabulary(base_run.encoder, summary) if grow else base_run.encoder
    new_profile = drift_profile.profile(summary, encoder.columns, encoder.categories_)
    label_profile = label_profile | {"rows": _rows_before(base_run) + ledger.train}
    encoder = encoder.with_profile(
        drift_profile.merge_profiles(base_run.encoder.profile_, new_profile)
        | {"label": label_profile}
        | (plan.split_revision.to_profile() if plan.split_revision else {})
    )
    notices = (*drift_notices(changes), *statistics_notices(summary, plan))
    return FittedState(
        ledger=ledger,
        target=target,
        encoder=encoder,
        slicing=slicing_of(summary, plan),
        unmatched=dict(summary.unmatched),
        drift=changes,
        notices=notices,
    )


def drift_notices(changes: Mapping[str, Any]) -> tuple[Notice, ...]:
    """Return the notice that the new rows are not like the earlier ones, if some columns have drifted."""
    drifted = [name for name, change in changes.items() if change["verdict"] == DRIFTED]
    if not drifted:
        return ()
    message = (
        f"{listed(list(map(repr, drifted)), MAX_NAMES)} drifted from the rows that the model was trained on before"
    )
    return (
        Notice("new rows", message, "see continued.drift in report.json; a model of these rows alone may be better"),
    )


def _rows_before(base_run: BaseRun) -> int:
    """Return the training rows of all earlier runs."""
    return int(sum(run["rows"]["train"] for run in base_run.runs))


def _check_classes(base_run: BaseRun, summary: Summary, plan: Plan, classes: np.ndarray) -> None:
    unknown = [value for value in summary.train_labels.values.index if value not in classes.tolist()]
    if unknown:
        raise DataError(
            f"{plan.config.data.path_text}: label {plan.config.data.label!r} has the class {unknown[0]}, which the "
            f"model of {base_run.folder} does not know; train a new one."
        )


def _class_shares(base_run: BaseRun, summary: Summary, classes: np.ndarray) -> np.ndarray:
    """Return how often each class occurs in the training rows of all runs, float64 (classes,)."""
    counts = summary.train_labels.values.reindex(pd.Index(classes)).fillna(0).to_numpy(dtype=float)
    weighted = np.array(base_run.encoder.profile_["label"]["shares"]) * _rows_before(base_run) + counts
    return weighted / weighted.sum()


def warm_start_lane(base_run: BaseRun, fitted_state: FittedState, plan: Plan) -> Lane:
    """Return a lane that holds the model of the base run, with the columns of the extended encoder."""
    estimator, target = copy.deepcopy(base_run.estimator), fitted_state.target
    if target.classes is None and (target.centre, target.scale) != (0.0, 1.0):
        estimator.coef_ = estimator.coef_ / target.scale
        estimator.intercept_ = (estimator.intercept_ - target.centre) / target.scale
    then, now = base_run.encoder, fitted_state.encoder
    if then.width_ != now.width_:
        estimator = estimator.with_added_columns(then.positions_in(now), now.width_)
    lane = new_lane(make(plan.config.model, plan.features.task, plan.config.train.seed))
    lane.model.estimator_ = estimator
    return lane


def extend_vocabulary(encoder: Encoder, summary: Summary) -> Encoder:
    """Return a copy of the encoder with a column for each new value of its one-hot columns, within their limits."""
    columns = encoder.columns
    categories: dict[str, np.ndarray] = {}
    has_missing: dict[str, bool] = {}
    for name, counts in summary.categorical.items():
        if name not in encoder.categories_ or columns.encoding(name) != "onehot":
            continue
        transform, vocabulary = columns.treatment(name), encoder.categories_[name]
        new = _new_values(counts, vocabulary, transform.min_frequency, transform.max_categories - len(vocabulary))
        if len(new):
            dtype = vocabulary.dtype if len(vocabulary) and vocabulary.dtype.kind == new.dtype.kind else object
            categories[name] = np.concatenate([vocabulary.astype(dtype), new.astype(dtype)])
        has_missing[name] = encoder.has_missing_[name] or bool(counts.missing)
    return encoder.with_categories(categories, has_missing)


def _new_values(counts: Counts, vocabulary: np.ndarray, min_frequency: int, max_values: int) -> np.ndarray:
    """Return the most frequent values that are not in the vocabulary, in order of their value."""
    values = counts.values[~counts.values.index.isin(vocabulary)].sort_index()
    values = values[values >= min_frequency].sort_values(ascending=False, kind="stable")
    index = values.head(max(max_values, 0)).sort_index().index
    return index.to_numpy() if index.dtype.kind in "ifb" else index.to_numpy(dtype=object)


def lineage_report(base_run: BaseRun, fitted_state: FittedState, plan: Plan) -> dict[str, Any]:
    """Return what report.json says about the runs that the model was trained in."""
    ledger, runs = fitted_state.ledger, base_run.runs
    now = {"read": ledger.read, "train": ledger.train, "test": ledger.test, "rejected": ledger.rejected}
    encoder = fitted_state.encoder
    new_columns = np.delete(encoder.names_, base_run.encoder.positions_in(encoder))
    return {
        "from": base_run.folder,
        "fingerprint": base_run.fingerprint,
        "runs": runs,
        "rows": {role: sum(run["rows"][role] for run in runs) + now[role] for role in ROW_ROLES},
        "new_values": "columns" if plan.config.features.grow else "zeros, or other",
        "new_columns": new_columns.tolist(),
        "drift": dict(fitted_state.drift),
    }
