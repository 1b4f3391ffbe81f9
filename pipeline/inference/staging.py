"""Staging: predictions become visible all at once.

Files are written to a subfolder and moved to their places when all are there; the manifest comes last. A folder
without a manifest is unfinished, and the same command can go on with it.
"""

import contextlib
import json
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from pipeline import config as cfg
from pipeline.errors import ConfigError, PipelineError
from pipeline.inference.output_file import STAGED, OutputFile
from pipeline.io.batching import Batch
from pipeline.io.run_folder import RunFolder
from pipeline.training.checkpoint import check_sources

MANIFEST = "_SUCCESS"
BEGAN = f"{STAGED}/began.json"
LOCK = f"{STAGED}/lock"
# The config keys that may change when predicting is resumed.
MAY_CHANGE = ("cluster.", "evaluate.on_drift", "data.max_bad_batches")


@dataclass(frozen=True)
class Provenance:
    """What predictions depend on.

    Parameters
    ----------
    model
        Its fingerprint.
    keep
        The columns that are carried over.
    config
        As TOML.
    sources
        For each file that is read, what changes when it does.
    """

    model: str
    keep: list[str]
    config: str
    sources: dict[str, str]


@contextlib.contextmanager
def claim(folder: RunFolder, provenance: Provenance, resume: bool) -> Iterator[None]:
    """Hold a folder that is empty or, with ``resume``, has what the same command left.

    After an error, finished files stay; a folder without any vanishes.

    Raises
    ------
    ConfigError
        Something else is there, another command is at work, or the model or a key is another.
    DataError
        A file of the input changed.
    """
    with folder.remove_if_empty(), folder.lock_file(LOCK):
        _check_folder(folder, provenance, resume)
        try:
            yield
        except BaseException:
            if not staged_accounts(folder):
                folder.remove_folder(STAGED)
            raise


def begun_versions(folder: RunFolder) -> cfg.TableVersions:
    """The versions of tables that unfinished predictions were made from; of none if there are no such predictions."""
    if not folder.exists(BEGAN):
        return cfg.TableVersions()
    return cfg.TableVersions.of_saved(tomllib.loads(json.loads(folder.read(BEGAN))["config"]))


def _check_folder(folder: RunFolder, provenance: Provenance, resume: bool) -> None:
    """Check that nothing is in the way, and write what the predictions depend on."""
    names = [name for name in folder.names() if name != LOCK]
    if MANIFEST in names:
        raise ConfigError(f"{folder}: holds finished predictions; name a new folder, nothing was changed.")
    if any(not name.startswith(f"{STAGED}/") for name in names) and BEGAN not in names:
        raise ConfigError(f"{folder}: exists and is not empty; name a new folder, nothing was changed.")
    if BEGAN not in names:
        folder.write(BEGAN, json.dumps(asdict(provenance)).encode())
    elif not resume:
        raise ConfigError(f"{folder}: holds unfinished predictions; continue with --resume, or name a new folder.")
    else:
        _check_same(folder, Provenance(**json.loads(folder.read(BEGAN))), provenance)


def _check_same(folder: RunFolder, began: Provenance, now: Provenance) -> None:
    """Check that an unfinished folder is of this very command."""
    if began.model != now.model:
        raise ConfigError(
            f"{folder}: began with the model {began.model[:16]}, now it is {now.model[:16]}; give that one, or "
            "name a new folder."
        )
    if began.keep != now.keep:
        raise ConfigError(f"--keep: {folder} began with {began.keep}, now it is {now.keep}; keep the same.")
    check_sources(folder, began.sources, now.sources, "name a new folder")
    before, after = (cfg.flat(tomllib.loads(side.config)) for side in (began, now))
    for key in sorted(before.keys() | after.keys()):
        was, value = (side.get(key, "none") for side in (before, after))
        if was != value and not key.startswith(MAY_CHANGE):
            raise ConfigError(f"{key}: {folder} began with {was}, now it is {value}; predict as then, or elsewhere.")


def staged_accounts(folder: RunFolder) -> list[str]:
    """The names of the accounts of files that are finished and not yet in their places."""
    return [name for name in folder.names(f"{STAGED}/part-") if name.endswith(".json")]


def finished_files(folder: RunFolder, batches: Sequence[Batch]) -> list[OutputFile]:
    """The files of ``batches`` that an earlier attempt wrote completely."""
    by_name = {str(batch): batch for batch in batches}
    finished = []
    for name in staged_accounts(folder):
        try:
            file = OutputFile.from_dict(folder.read(name))
        except (ValueError, KeyError, TypeError, PipelineError):
            continue  # it is written again
        if file.where in by_name and by_name[file.where].number == file.batch and _is_complete(folder, file):
            finished.append(file)
    return finished


def _is_complete(folder: RunFolder, file: OutputFile) -> bool:
    """Whether the file is staged, or in its place, as it was written."""
    return any(
        folder.parquet_bytes_and_rows(name) == (file.size, file.rows) for name in (f"{STAGED}/{file.file}", file.file)
    )


def publish(folder: RunFolder, files: Sequence[OutputFile], manifest: dict[str, Any]) -> None:
    """Move all files to their places, then write the manifest."""

    def move(file: OutputFile) -> None:
        if not file.error and folder.exists(f"{STAGED}/{file.file}"):
            folder.rename(f"{STAGED}/{file.file}", file.file)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(move, files))
    folder.write(MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
    folder.remove_folder(STAGED)
