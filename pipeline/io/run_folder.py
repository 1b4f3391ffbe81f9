"""The run folder: where one run at a time writes its files, each of which appears complete or not at all.

It is a local folder, or a URL that fsspec writes to. The files that a run needs to be resumed are under
`CHECKPOINT_FOLDER`, which is removed when the run is finished.
"""

import contextlib
import json
import os
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ConfigError, DataError, PipelineError, StorageError
from pipeline.io.atomic_write import is_draft, write_atomically
from pipeline.io.lock_file import hold_lock_file
from pipeline.io.retry import advice_on, as_os_error, with_retries
from pipeline.io.storage import DEFAULT_STORAGE, Storage
from pipeline.io.urls import absolute_path, is_url

T = TypeVar("T")

CHECKPOINT_FOLDER = "checkpoint"
# The config that a run began with, and the versions of the files it reads.
BEGIN_FILE = f"{CHECKPOINT_FOLDER}/began.json"
LOCK_FILE = f"{CHECKPOINT_FOLDER}/lock"
# The last file that a run writes: if it exists, all others do.
REPORT_FILE = "report.json"


class RunFolder:
    """A local folder, or a URL that ``storage`` opens; files are named by their paths in it."""

    def __init__(self, location: str, storage: Storage = DEFAULT_STORAGE):
        self.location = location
        self.is_local = not is_url(location)
        try:
            with as_os_error():
                self._fs, self._root = storage.url_to_fs(absolute_path(location))
        except OSError as error:
            raise ConfigError(f"{location}: cannot be opened ({error}); name another folder.") from None
        self._token = uuid.uuid4().hex

    def __str__(self) -> str:
        return self.location

    @property
    def local_path(self) -> Path:
        """The folder itself, or in place of a URL a path of its name in the working folder."""
        return Path(self._root) if self.is_local else Path(self._root.rpartition("/")[2])

    def path(self, name: str) -> str:
        """The absolute path or the URL of a file."""
        return self._path(name) if self.is_local else f"{self.location}/{name}"

    def exists(self, name: str) -> bool:
        with self._named_error():
            return bool(self._call(lambda: self._fs.exists(self._path(name))))

    def names(self, prefix: str = "") -> list[str]:
        """The files whose names begin with ``prefix``, in order."""
        with self._named_error():
            paths = sorted(self._call(lambda: self._fs.find(self._root) if self._fs.exists(self._root) else []))
        return [name for path in paths if (name := path[len(self._root) + 1 :]).startswith(prefix)]

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises
        ------
        DataError
            It cannot be read.
        """
        try:
            return bytes(self._call(lambda: self._fs.cat_file(self._path(name))))
        except OSError as error:
            advice = advice_on(error, "give another run folder")
            raise DataError(f"{self}/{name}: cannot be read ({_reason(error)}); {advice}.") from None

    def write(self, name: str, content: bytes, durable: bool = True) -> None:
        """Write a file, atomically: a reader, or a crash at any moment, finds the old file or the new one.

        A file that is not ``durable`` may be missing or empty after the machine itself has crashed.

        Raises
        ------
        StorageError
            There is no room, or no permission; the old file is unchanged.
        DataError
            Another process has resumed this run.
        """
        self._check_owner()
        try:
            if self.is_local:
                write_atomically(Path(self._path(name)), content, durable)
            else:  # an object store shows complete objects only
                self._call(lambda: self._fs.pipe_file(self._path(name), content))
        except OSError as error:
            raise self._not_written(name, error) from None

    def rename(self, name: str, new: str) -> None:
        """Rename a file, in place of the file that had the new name.

        Raises
        ------
        StorageError
            It cannot be renamed.
        """
        try:
            if self.is_local:
                Path(self._path(name)).replace(self._path(new))
            else:
                self._call(lambda: self._fs.mv(self._path(name), self._path(new)))
        except OSError as error:
            raise self._not_written(new, error) from None

    def parquet_bytes_and_rows(self, name: str) -> tuple[int, int] | None:
        """Bytes and rows of a Parquet file; None if it cannot be read."""
        try:
            size = int(self._fs.size(self._path(name)))
            with self._fs.open(self._path(name), "rb") as file:
                return size, pq.read_metadata(file).num_rows
        except (OSError, pa.ArrowException):
            return None

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with contextlib.suppress(OSError):
            self._call(lambda: self._fs.rm_file(self._path(name)))

    def remove_folder(self, name: str) -> None:
        """Remove a folder with everything in it, if it exists."""
        with contextlib.suppress(OSError):
            self._call(lambda: self._fs.rm(self._path(name), recursive=True))

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a state from which the run can be resumed."""
        return any(name.endswith((".skops", "/search.json")) for name in self.names(CHECKPOINT_FOLDER))

    def check_unfinished(self) -> None:
        """Raise a `ConfigError` if there is no unfinished run to resume."""
        names = self.names()
        if not _has_unfinished_run(names):
            reason = "its run is finished" if REPORT_FILE in names else "no unfinished run is there"
            raise ConfigError(f"--resume {self}: {reason}; start a new one with --out.")

    def finish(self, files: Mapping[str, bytes]) -> None:
        """Write the results, `REPORT_FILE` last, and remove the checkpoint.

        Raises
        ------
        StorageError
            One of them cannot be written; then none of them remains.
        """
        written = []
        try:
            for name, content in sorted(files.items(), key=lambda file: file[0] == REPORT_FILE):
                self.write(name, content)
                written.append(name)
        except BaseException:
            for name in written:
                self.remove(name)
            raise
        self.remove_folder(CHECKPOINT_FOLDER)

    @contextlib.contextmanager
    def lock(self, resume: bool) -> Iterator[None]:
        """Hold the folder for one run, new or resumed; a new run that fails without a checkpoint leaves no file.

        Raises
        ------
        ConfigError
            Another run is at work there, or a new run would overwrite files.
        """
        names = self.names()
        with self.remove_if_empty(), self._lock_run():
            if not resume:
                self._check_empty(names)
            self._remove_drafts()
            try:
                yield
            except BaseException:
                with contextlib.suppress(PipelineError):  # the storage may be what failed
                    if not (resume or self.has_checkpoint):
                        for name in self.names():
                            self.remove(name)
                raise

    @contextlib.contextmanager
    def lock_file(self, name: str) -> Iterator[None]:
        """Hold a lock file of this name; without effect for a URL, since object stores have no locks.

        Raises
        ------
        ConfigError
            Another process holds it.
        """
        owner = f"process {os.getpid()} on {socket.gethostname()}"
        with hold_lock_file(Path(self._path(name)), owner, str(self)) if self.is_local else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def remove_if_empty(self) -> Iterator[None]:
        """Remove the folders that are made meanwhile on the way to this one, if they are empty at the end."""
        path = Path(self._root)
        missing = [folder for folder in (path, *path.parents) if not folder.exists()] if self.is_local else []
        try:
            yield
        finally:
            for folder in missing:
                with contextlib.suppress(OSError):  # not empty
                    folder.rmdir()

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _call(self, call: Callable[[], T]) -> T:
        """The result of a call of the file system, which a storage gets several times if it fails for a while."""
        return call() if self.is_local else with_retries(call)

    @contextlib.contextmanager
    def _named_error(self) -> Iterator[None]:
        """Turn an error of the storage inside into a `DataError` that names this folder."""
        try:
            yield
        except OSError as error:
            advice = advice_on(error, "give another folder")
            raise DataError(f"{self}: cannot be opened ({_reason(error)}); {advice}.") from None

    def _not_written(self, name: str, error: OSError) -> StorageError:
        advice = advice_on(error, "free some room there or name another folder")
        return StorageError(f"{self}/{name}: cannot be written ({_reason(error)}); {advice}.")

    def _check_empty(self, names: list[str]) -> None:
        """Raise a `ConfigError` if a new run would overwrite one of the files that were there before its lock."""
        if _has_unfinished_run(names) and REPORT_FILE not in names:
            raise ConfigError(
                f"--out {self}: holds an unfinished run; resume it with `pipeline run --resume {self}`, or name "
                "another folder."
            )
        if not self.is_local and LOCK_FILE in names:
            raise ConfigError(
                f"--out {self}: another run has begun there; resume it with `pipeline run --resume {self}` once it has "
                "died, or name another folder."
            )
        entries = {entry.name for entry in Path(self._root).iterdir()} if self.is_local else set(names)
        if any(entry != CHECKPOINT_FOLDER and not is_draft(entry) for entry in entries):
            raise ConfigError(f"--out {self}: exists and is not empty; name a new folder, nothing was changed.")

    def _remove_drafts(self) -> None:
        for name in self.names():
            if is_draft(name):
                self.remove(name)

    @contextlib.contextmanager
    def _lock_run(self) -> Iterator[None]:
        if self.is_local:
            with self.lock_file(LOCK_FILE):
                yield
            return
        owner = {"host": socket.gethostname(), "process": os.getpid(), "token": self._token}
        try:
            self._call(lambda: self._fs.pipe_file(self._path(LOCK_FILE), json.dumps(owner).encode()))
        except OSError as error:
            raise self._not_written(LOCK_FILE, error) from None
        try:
            yield
        finally:
            self.remove(LOCK_FILE)

    def _check_owner(self) -> None:
        """Raise a `DataError` if another process has taken over the run: an object store has no locks against it."""
        if self.is_local or not self.exists(LOCK_FILE):
            return
        owner = json.loads(self.read(LOCK_FILE))
        if owner["token"] != self._token:
            raise DataError(
                f"{self}: process {owner['process']} on {owner['host']} has resumed this run; nothing was written, "
                "let that process finish."
            )


def _has_unfinished_run(names: list[str]) -> bool:
    return any(name.startswith(CHECKPOINT_FOLDER) and name != LOCK_FILE and not is_draft(name) for name in names)


def _reason(error: OSError) -> str:
    return error.strerror or str(error).partition("\n")[0] or type(error).__name__
