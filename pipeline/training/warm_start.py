"""Onwards: a finished run's model trained on, with new rows.

What the model knows stays: how numbers are scaled, which columns its weights are of, the accumulators of its rates. A
value that it does not know is zeros, or ``other`` where there is such a column, as in a prediction; with
``features.grow`` it gets a column of its own, whose weight begins at nothing.
"""

import copy
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from pipeline import config as cfg
from pipeline.encoding.encoder import Encoder
from pipeline.errors import ConfigError, DataError
from pipeline.evaluation import drift, drift_profile
from pipeline.io.run_folder import LAST, RunFolder
from pipeline.models import persistence
from pipeline.models.calibration import CalibratedModel
from pipeline.models.factory import make
from pipeline.models.target import TargetSpec
from pipeline.planning.plan import Plan
from pipeline.preparation.feature_inference import KINDS
from pipeline.preparation.packing import PackingScale
from pipeline.statistics.counts import Counts
from pipeline.statistics.ledger import Ledger
from pipeline.statistics.summary import Summary
from pipeline.training.fitted_state import FittedState, slicing_of
from pipeline.training.lane import Lane, new_lane
from pipeline.training.target import understand

FATES = ("read", "train", "test", "rejected")


@dataclass(frozen=True)
class BaseRun:
    """The model to go on from, and the report of its run."""

    place: str
    encoder: Encoder
    estimator: Any
    """Without calibration, which is learned anew."""
    report: Mapping[str, Any]
    fingerprint: str

    @property
    def runs(self) -> list[dict[str, Any]]:
        """What the model was trained on, run by run."""
        before = self.report.get("continued", {}).get("runs", [])
        rows = {role: self.report["rows"][role] for role in FATES}
        return [*before, {"data": self.report["data"]["path"], "rows": rows, "fingerprint": self.fingerprint}]


def load_base_run(place: str) -> BaseRun:
    """The model of a run folder.

    Raises
    ------
    DataError
        No finished run is there.
    """
    folder = RunFolder(place)
    if not folder.exists(LAST):
        raise DataError(f"--from {place}: no finished run is there; give the folder of one.")
    model: Pipeline = persistence.load(place)
    estimator = model.named_steps["model"]
    estimator = estimator.estimator if isinstance(estimator, CalibratedModel) else estimator
    report = json.loads(folder.read(LAST))
    return BaseRun(place, model.named_steps["preprocess"], estimator, report, persistence.fingerprint(model))


def notices(base: BaseRun, config: cfg.Config) -> list[str]:
    """What a person should know: where a row's side of the split is another than it was, a row may leak."""
    folder, now = RunFolder(base.place), cfg.flat(tomllib.loads(cfg.dump(config)))
    if not folder.exists("config.toml"):
        return []
    then = cfg.flat(tomllib.loads(folder.read("config.toml").decode()))
    return [
        f"split       {key}: {then.get(key, 'none')} in {base.place}, {now.get(key, 'none')} here: rows that it was "
        "trained on, if they are here again, may test"
        for key in sorted(then.keys() | now.keys())
        if then.get(key) != now.get(key) and (key.startswith("split.") or key == "train.seed")
    ]


def check_warm_start(base: BaseRun, plan: Plan) -> Plan:
    """The plan, if it is one to go on from ``base`` with: its rows packed as the model knows them.

    Raises
    ------
    ConfigError
        Features, label, task or model are others; the key or column is named.
    """
    config, encoder = plan.config, base.encoder
    task = base.report["task"]
    if plan.features.task != task:
        raise ConfigError(f"model.task: {plan.features.task}, but the model of {base.place} is for {task}.")
    label = base.report["data"]["label"]
    if config.data.label != label:
        raise ConfigError(f"data.label: {config.data.label!r}, but the model of {base.place} predicts {label!r}.")
    if config.split.folds:
        raise ConfigError("split.folds: the model has seen rows of every fold before; drop it, or --from.")
    ours, theirs = plan.features.columns, encoder.columns
    for kind in (*KINDS, "cross"):
        now, then = getattr(ours, kind), getattr(theirs, kind)
        if now != then:
            name = next((one for one in [*now, *then] if one not in now or one not in then), now[0] if now else then[0])
            said = "new here" if name in now and name not in then else "not so here" if name not in now else "elsewhere"
            raise ConfigError(
                f"features.{kind}: {name!r} is {said}, and the model of {base.place} was trained with {list(then)}; "
                "write that."
            )
    for name in sorted(ours.options.keys() | theirs.options.keys()):
        now, then = (dict(columns.options.get(name, {})) for columns in (ours, theirs))
        if now != then:
            raise ConfigError(f"features.columns.{name}: {now}, but the model of {base.place} has {then}; write that.")
    drift_profile.check_schema(encoder.profile_, theirs, plan.meta)
    made = make(config.model, task, config.train.seed)
    if type(made) is not type(base.estimator):
        kind = type(base.estimator).__name__
        raise ConfigError(f"model.estimator: {config.model.estimator}, but the model of {base.place} is a {kind}.")
    params, known = made.get_params(), base.estimator.get_params()
    for name in params:
        if name != "random_state" and params[name] != known[name]:
            raise ConfigError(f"model.params.{name}: {params[name]}, but {known[name]} in {base.place}; write that.")
    if config.features.grow and not hasattr(base.estimator, "with_added_columns"):
        raise ConfigError(f"features.grow: {type(made).__name__} models do not take new columns; drop it.")
    return replace(plan, reference=PackingScale(encoder.center_, encoder.unit_))


def warm_start_state(base: BaseRun, summary: Summary, plan: Plan) -> FittedState:
    """What the new training rows add to what ``base`` knows.

    Raises
    ------
    DataError
        The rows cannot be trained on, have a class that the model lacks, or are nothing like its training data.
    """
    classes = getattr(base.estimator, "classes_", None)
    label = base.encoder.profile_["label"]
    if classes is not None:
        strange = [value for value in summary.train_labels.values.index if value not in classes.tolist()]
        if strange:
            raise DataError(
                f"{plan.config.data.path}: label {plan.config.data.label!r} has the class {strange[0]}, which the "
                f"model of {base.place} does not know; train a new one."
            )
    found = drift.compare(base.encoder.profile_, base.encoder.categories_, summary)
    problem = drift.severe_change(found)
    if problem and plan.config.evaluate.on_drift == "fail":
        raise DataError(f'{problem}; is it the right table? set evaluate.on_drift = "report" to go on.')
    if classes is None:
        ledger, now = understand(summary, plan)
        scaled = plan.config.model.estimator == "default"
        centre, scale = (label["mean"], label["std"]) if scaled else (0.0, 1.0)
        target, told = replace(now, centre=centre, scale=scale), label
    else:
        ledger = Ledger.of(summary, pd.Index(classes), plan.bad_files)
        ledger = ledger.balanced(plan.batches, plan.config.data.max_bad_batches)
        for side, rows in (("training", ledger.train), ("testing", ledger.test)):
            if not rows:
                raise DataError(f"{plan.config.data.path}: no rows left for {side} ({ledger}); add data.")
        before = base.report["rows"]["train"] + sum(run["rows"]["train"] for run in base.runs[:-1])
        counts = summary.train_labels.values.reindex(pd.Index(classes)).fillna(0).to_numpy(dtype=float)
        shares = np.array(label["shares"]) * before + counts
        target = TargetSpec(classes, shares=shares / shares.sum())
        told = {"shares": target.shares.tolist()} if target.shares is not None else label
    encoder = extend_vocabulary(base.encoder, summary) if plan.config.features.grow else copy.deepcopy(base.encoder)
    now_profile = drift_profile.profile(summary, encoder.columns)
    encoder.profile_ = drift_profile.merge_profiles(base.encoder.profile_, now_profile) | {"label": told}
    return FittedState(ledger, target, encoder, slicing_of(summary, plan), dict(summary.unmatched), found)


def warm_start_lane(base: BaseRun, learned: FittedState, plan: Plan) -> Lane:
    """The lane that goes on from the model, its columns those of the encoder as it is now."""
    estimator: Any = learned.target.scaled(copy.deepcopy(base.estimator))
    then, now = base.encoder.names_.tolist(), learned.encoder.names_.tolist()
    if then != now:
        place = {name: j for j, name in enumerate(now)}
        estimator = estimator.with_added_columns(np.array([place[name] for name in then]), len(now))
    lane = new_lane(make(plan.config.model, plan.features.task, plan.config.train.seed))
    lane.model.estimator_ = estimator
    return lane


def extend_vocabulary(encoder: Encoder, summary: Summary) -> Encoder:
    """The encoder with a column for each new value of its one-hot columns, by their own limits."""
    columns, wider = encoder.columns, copy.deepcopy(encoder)
    for name, counts in summary.categorical.items():
        if name not in encoder.categories_ or columns.encoding(name) != "onehot":
            continue
        treatment, known = columns.treatment(name), encoder.categories_[name]
        fresh = _new_values(counts, known, treatment.min_frequency, treatment.max_categories - len(known))
        if len(fresh):
            dtype = known.dtype if len(known) and known.dtype.kind == fresh.dtype.kind else object
            wider.categories_[name] = np.concatenate([known.astype(dtype), fresh.astype(dtype)])
        wider.has_missing_[name] = encoder.has_missing_[name] or bool(counts.missing)
    return wider.build_output_columns()


def _new_values(counts: Counts, known: np.ndarray, least: int, room: int) -> np.ndarray:
    values = counts.values[~counts.values.index.isin(known)].sort_index()
    values = values[values >= least].sort_values(ascending=False, kind="stable").head(max(room, 0)).sort_index()
    index = values.index
    return index.to_numpy() if index.dtype.kind in "ifb" else index.to_numpy(dtype=object)


def lineage(base: BaseRun, learned: FittedState, plan: Plan) -> dict[str, Any]:
    """What the report says of where the model comes from."""
    ledger, runs = learned.ledger, base.runs
    now = {"read": ledger.read, "train": ledger.train, "test": ledger.test, "rejected": ledger.rejected}
    fresh = [name for name in learned.encoder.names_.tolist() if name not in set(base.encoder.names_.tolist())]
    return {
        "from": base.place,
        "fingerprint": base.fingerprint,
        "runs": runs,
        "rows": {role: sum(run["rows"][role] for run in runs) + now[role] for role in FATES},
        "new_values": "columns" if plan.config.features.grow else "zeros, or other",
        "new_columns": fresh,
        "drift": dict(learned.drift),
    }
