"""Checkpoints: how far a run has come, written so that a crash at any moment leaves one to go on from."""

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
from pipeline.io.run_folder import UNFINISHED, RunFolder
from pipeline.models import persistence
from pipeline.training.fitted_state import FittedState
from pipeline.training.lane import Lane, new_lane
from pipeline.training.trainer import Training

# Checkpoints of training that are kept: the one before the last is for when the last cannot be read.
KEPT = 2
LEARNED, TRAINED = "learned", "round"


@dataclass
class State:
    """How far a run has come."""

    learned: FittedState | None = None
    training: Training | None = None
    folds: list[dict[str, float]] = field(default_factory=list)
    """The figures on each fold of cross-validation that is done."""

    def copy(self) -> "State":
        """As it is now: training goes on to change its own."""
        return State(self.learned, self.training.copy() if self.training else None, list(self.folds))


class Checkpoints:
    """Those of one run, in its folder.

    The statistics are written once, training after a round when ``seconds`` have passed since the last time: a
    run that is shorter writes none, unless it is interrupted.

    Parameters
    ----------
    estimator
        An untrained model as the run makes it; of what it is made may be loaded.
    """

    def __init__(self, folder: RunFolder, seconds: float, estimator: Any, say: Callable[[str], None]):
        self._folder, self._seconds, self._estimator, self._say = folder, seconds, estimator, say
        self._written = time.monotonic()
        self._learned: FittedState | None = None
        self._unwritten: State | None = None

    def note(self, state: State) -> bool:
        """Remember a state to go on from, and write it if it is time; whether it was.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        self._unwritten = state.copy()
        if time.monotonic() - self._written >= self._seconds:
            return self.flush()
        return False

    def flush(self) -> bool:
        """Write what was noted last, if it is not written yet; whether it was.

        Raises
        ------
        StorageError
            It cannot be written.
        """
        state, self._unwritten = self._unwritten, None
        if state is None or state.learned is None:
            return False
        if self._learned is not state.learned:
            self._write(f"{LEARNED}-000000", {"learned": state.learned.to_dict(), "versions": versions()})
            self._learned = state.learned
        if state.training is not None:
            before = self._names(TRAINED)
            number = int(before[-1].split("-")[1]) + 1 if before else 1
            self._write(f"{TRAINED}-{number:06d}", {"training": _dumped(state.training), "folds": state.folds})
            for name in before[: len(before) + 1 - KEPT]:
                self._folder.remove(name)
        self._written = time.monotonic()
        return True

    def load(self) -> State:
        """The last state that can be read; one of which nothing can be is the beginning.

        Raises
        ------
        DataError
            A checkpoint holds what a run of ours does not write: nothing of it was run.
        """
        state = State()
        for name in self._names(LEARNED):
            values = self._read(name)
            if values is not None:
                state.learned = self._learned = FittedState.from_dict(values["learned"])
                self._say_versions(values["versions"])
        if state.learned is None:
            self._say("resuming    from the beginning: no checkpoint had been written")
            return state
        for name in reversed(self._names(TRAINED)):
            values = self._read(name)
            if values is not None:
                state.training = _loaded(values["training"], self._estimator)
                state.folds = values["folds"]
                break
        done = state.training
        where = f"after {done.rounds} rounds, {done.rows:,} rows" if done else "after the statistics"
        self._say(f"resuming    {where}")
        return state

    def _names(self, kind: str) -> list[str]:
        return self._folder.names(f"{UNFINISHED}/{kind}-")

    def _write(self, name: str, values: dict[str, Any]) -> None:
        content = persistence.dumps(values)
        self._folder.write(f"{UNFINISHED}/{name}-{_digest(content)}.skops", content)

    def _read(self, name: str) -> dict[str, Any] | None:
        """None, and a line that says so, where the file is not what was written."""
        content = self._folder.read(name)
        if _digest(content) != name.rpartition("-")[2].removesuffix(".skops"):
            self._say(f"damaged     {self._folder}/{name} is not as it was written; going on from the one before")
            return None
        values: dict[str, Any] = persistence.loads(content, f"{self._folder}/{name}", _types(self._estimator))
        return values

    def _say_versions(self, then: dict[str, str]) -> None:
        now = versions()
        for name in now:
            if then.get(name) != now[name]:
                self._say(f"versions    {name} was {then.get(name)}, is {now[name]}: the last digits may differ")


def check_sources(
    folder: RunFolder, then: dict[str, str], now: dict[str, str], instead: str = "start a new run with --out"
) -> None:
    """That the data is what it was when the run began.

    Raises
    ------
    DataError
        A file came, went or changed; it is named.
    """
    for path in then.keys() | now.keys():
        if then.get(path) != now.get(path):
            was, found = (kind.get(path, "not there") for kind in (then, now))
            raise DataError(
                f"{path}: when {folder} began it was {was}, now it is {found}; put the old file back, or {instead}."
            )


def versions() -> dict[str, str]:
    """Of Python and the packages that compute."""
    return {"python": platform.python_version(), **{name: version(name) for name in NUMERIC_PACKAGES}}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _types(estimator: Any) -> tuple[str, ...]:
    kind = type(estimator)
    return (f"{kind.__module__}.{kind.__qualname__}",)


def _dumped(training: Training) -> dict[str, Any]:
    """Curves as text: a checkpoint that had a node for each of their numbers would be slow."""
    values = {f.name: getattr(training, f.name) for f in fields(training)}
    lanes = {name: values.pop(name) for name in ("lane", "best")}
    models = {name: lane and {"estimator": lane.estimator, "rows": lane.rows} for name, lane in lanes.items()}
    return {"lanes": models, "rest": json.dumps(values)}


def _loaded(values: dict[str, Any], estimator: Any) -> Training:
    def lane(saved: dict[str, Any] | None) -> Lane | None:
        if saved is None:
            return None
        lane = new_lane(estimator)
        if saved["estimator"] is not None:
            lane.model.estimator_ = saved["estimator"]
        return Lane(lane.model, saved["rows"])

    rest = json.loads(values["rest"])
    rest["epoch_losses"] = [tuple(loss) for loss in rest["epoch_losses"]]
    first = lane(values["lanes"]["lane"])
    assert first is not None, "a checkpoint of training has a lane"
    return Training(first, best=lane(values["lanes"]["best"]), **rest)
