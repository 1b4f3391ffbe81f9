"""Checkpoints: how far a run has come, written so that it can continue after a crash at any moment."""

import hashlib
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from typing import Any

from pipeline.engine.cluster.version_check import NUMERIC_PACKAGES
from pipeline.errors import DataError
from pipeline.io.run_folder import CHECKPOINT_FOLDER, RunFolder
from pipeline.models import persistence
from pipeline.preparation.feature_inference import LearningTask
from pipeline.training.fitted_state import FittedState
from pipeline.training.lane import Lane, new_lane
from pipeline.training.trainer import Training

# Checkpoints of training that are kept: the one before the last is for when the last cannot be read.
N_TRAINING_FILES = 2
# What the names of the two kinds of files begin with: one after the statistics, one after each round.
FITTED_STATE_PREFIX, TRAINING_PREFIX = "learned", "round"


@dataclass
class RunProgress:
    """How far a run has come; its stages update it in place."""

    fitted_state: FittedState | None = None
    training: Training | None = None
    folds: list[dict[str, float]] = field(default_factory=list)
    """The figures on each fold of cross-validation that is done."""

    @property
    def rounds(self) -> int:
        """Rounds of training that are done."""
        return self.training.rounds if self.training else 0

    def copy(self) -> "RunProgress":
        """Return a copy that stays as it is while the run continues."""
        return RunProgress(self.fitted_state, self.training.copy() if self.training else None, list(self.folds))


class Checkpoints:
    """The checkpoints of one run, in its folder.

    The fitted state is written once. Training is written after a round if ``seconds`` have passed since the last time,
    so a shorter run writes nothing unless it is interrupted.

    Parameters
    ----------
    new_estimator
        Returns an untrained model for a task, as the run makes it. A checkpoint may hold its type.
    """

    def __init__(
        self,
        folder: RunFolder,
        seconds: float,
        new_estimator: Callable[[LearningTask], Any],
        say: Callable[[str], None],
    ):
        self._folder, self._seconds, self._new_estimator, self._say = folder, seconds, new_estimator, say
        self._written = time.monotonic()
        self._written_state: FittedState | None = None
        self._unwritten: RunProgress | None = None

    def record(self, progress: RunProgress) -> bool:
        """Remember this progress, write it if it is time, and return whether it was.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        self._unwritten = progress.copy()
        if time.monotonic() - self._written >= self._seconds:
            return self.flush()
        return False

    def flush(self) -> bool:
        """Write what was recorded last, unless that is done, and return whether it was written.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        progress, self._unwritten = self._unwritten, None
        if progress is None or progress.fitted_state is None:
            return False
        if self._written_state is not progress.fitted_state:
            values: dict[str, Any] = {"learned": progress.fitted_state.to_dict(), "versions": versions()}
            self._write(f"{FITTED_STATE_PREFIX}-000000", values)
            self._written_state = progress.fitted_state
        if progress.training is not None:
            before = self._names(TRAINING_PREFIX)
            number = int(before[-1].split("-")[1]) + 1 if before else 1
            values = {"training": _training_to_dict(progress.training), "folds": progress.folds}
            self._write(f"{TRAINING_PREFIX}-{number:06d}", values)
            for name in before[: len(before) + 1 - N_TRAINING_FILES]:
                self._folder.remove(name)
        self._written = time.monotonic()
        return True

    def load(self) -> RunProgress:
        """Return the last progress that can be read; if nothing can be read, the run starts from the beginning.

        Raises
        ------
        DataError
            A checkpoint holds what a run of ours does not write. Nothing of it was run.
        """
        progress = RunProgress()
        for name in self._names(FITTED_STATE_PREFIX):
            values = self._read(name)
            if values is not None:
                progress.fitted_state = self._written_state = FittedState.from_dict(values["learned"])
                self._say_versions(values["versions"])
        if progress.fitted_state is None:
            self._say("resuming    from the beginning: no checkpoint had been written")
            return progress
        estimator = self._new_estimator(progress.fitted_state.task)
        for name in reversed(self._names(TRAINING_PREFIX)):
            values = self._read(name, _trusted_types(estimator))
            if values is not None:
                progress.training = _training_from_dict(values["training"], estimator)
                progress.folds = values["folds"]
                break
        training = progress.training
        where = f"after {training.rounds} rounds, {training.rows:,} rows" if training else "after the statistics"
        self._say(f"resuming    {where}")
        return progress

    def _names(self, kind: str) -> list[str]:
        return self._folder.names(f"{CHECKPOINT_FOLDER}/{kind}-")

    def _write(self, name: str, values: dict[str, Any]) -> None:
        content = persistence.dumps(values)
        self._folder.write(f"{CHECKPOINT_FOLDER}/{name}-{_digest(content)}.skops", content)

    def _read(self, name: str, trusted: tuple[str, ...] = ()) -> dict[str, Any] | None:
        """Return the values of a file; None, after a line that says so, if it is not what was written."""
        content = self._folder.read(name)
        if _digest(content) != name.rpartition("-")[2].removesuffix(".skops"):
            self._say(f"damaged     {self._folder}/{name} is not as it was written; continuing from the one before")
            return None
        values: dict[str, Any] = persistence.loads(content, f"{self._folder}/{name}", trusted)
        return values

    def _say_versions(self, then: dict[str, str]) -> None:
        now = versions()
        for name in now:
            if then.get(name) != now[name]:
                self._say(f"versions    {name} was {then.get(name)}, is {now[name]}: the last digits may differ")


def check_sources(
    folder: RunFolder, then: dict[str, str], now: dict[str, str], instead: str = "start a new run with --out"
) -> None:
    """Check that the data is what it was when the run began.

    Parameters
    ----------
    then, now
        What identifies the content of each file, by path.
    instead
        What to do other than to put the old file back.

    Raises
    ------
    DataError
        A file came, went or changed; it is named.
    """
    for path in then.keys() | now.keys():
        if then.get(path) != now.get(path):
            before, after = (identities.get(path, "not there") for identities in (then, now))
            raise DataError(
                f"{path}: when {folder} began it was {before}, now it is {after}; put the old file back, or {instead}."
            )


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute."""
    return {"python": platform.python_version(), **{name: version(name) for name in NUMERIC_PACKAGES}}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _trusted_types(estimator: Any) -> tuple[str, ...]:
    cls = type(estimator)
    return (f"{cls.__module__}.{cls.__qualname__}",)


def _training_to_dict(training: Training) -> dict[str, Any]:
    """Return values that a checkpoint can hold; curves as text, since a node for each number would be slow."""
    values = {f.name: getattr(training, f.name) for f in fields(training)}
    lanes = {name: values.pop(name) for name in ("lane", "best")}
    models = {name: lane and {"estimator": lane.estimator, "rows": lane.rows} for name, lane in lanes.items()}
    return {"lanes": models, "rest": json.dumps(values)}


def _training_from_dict(values: dict[str, Any], estimator: Any) -> Training:
    def lane_of(saved: dict[str, Any]) -> Lane:
        lane = new_lane(estimator)
        if saved["estimator"] is not None:
            lane.model.estimator_ = saved["estimator"]
        return Lane(lane.model, saved["rows"])

    lane, best = (values["lanes"][name] for name in ("lane", "best"))
    rest = json.loads(values["rest"])
    rest["epoch_losses"] = [tuple(loss) for loss in rest["epoch_losses"]]
    return Training(lane_of(lane), best=lane_of(best) if best else None, **rest)
