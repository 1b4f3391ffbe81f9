"""The run folder: files that appear whole or not at all, for one run at a time.

It is a local folder or a URL that fsspec writes to. What a run needs to go on after a crash lies under
`UNFINISHED`, which goes away when the run is done.
"""

import contextlib
import json
import os
import re
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ConfigError, DataError, StorageError
from pipeline.io.storage import PLAIN, Storage

try:
    import fcntl
except ImportError:  # not on Windows, where nothing keeps two runs apart
    fcntl = None  # type: ignore[assignment]

UNFINISHED = "checkpoint"
# With what a run began: its config, and what tells whether its data is still the same.
BEGAN = f"{UNFINISHED}/began.json"
LOCK = f"{UNFINISHED}/lock"
# Seconds that a lock may take to be let go.
PATIENCE = 1.0
# The last file to be written: where it is, all others are.
LAST = "report.json"
DRAFT = re.compile(r"\..+\.[0-9a-f]{8}")


class RunFolder:
    """A place to write files to, each under its name at once, and to read them from; ``storage`` opens a URL."""

    def __init__(self, location: str, storage: Storage = PLAIN):
        self.location = location
        self.local = "://" not in location
        try:
            self._fs, self._root = storage.locate(location if not self.local else str(Path(location).resolve()))
        except (ImportError, ValueError) as error:
            raise ConfigError(f"--out {location}: no place to write to ({error}); name another.") from None
        self._token = uuid.uuid4().hex

    def __str__(self) -> str:
        return self.location

    @property
    def beside(self) -> Path:
        """A local path whose folder has room for what a run puts aside."""
        return Path(self._root) if self.local else Path(self._root.rpartition("/")[2])

    def path(self, name: str) -> str:
        """Where a file is, for anybody."""
        return self._path(name) if self.local else f"{self.location}/{name}"

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def missing(self) -> list[Path]:
        """The local folders down to this one that are not there yet, the inmost first."""
        path = Path(self._root)
        return [p for p in (path, *path.parents) if not p.exists()] if self.local else []

    def exists(self, name: str) -> bool:
        return bool(self._fs.exists(self._path(name)))

    def names(self, prefix: str = "") -> list[str]:
        """All files, in order, that begin with ``prefix``."""
        found = sorted(self._fs.find(self._root)) if self._fs.exists(self._root) else []
        return [name for path in found if (name := path[len(self._root) + 1 :]).startswith(prefix)]

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises
        ------
        DataError
            It cannot be read.
        """
        try:
            return bytes(self._fs.cat_file(self._path(name)))
        except OSError as error:
            raise DataError(f"{self}/{name}: cannot be read ({_reason(error)}); give another run folder.") from None

    def write(self, name: str, content: bytes, lasting: bool = True) -> None:
        """Put a file there, whole: a reader, or a crash at any moment, finds the old one or the new one.

        One that need not be ``lasting`` may be gone, or empty, after the machine itself has failed.

        Raises
        ------
        StorageError
            There is no room, or no right to; what was there is there still.
        """
        self._hold()
        try:
            if self.local:
                _write(Path(self._path(name)), content, lasting)
            else:  # an object appears when it is complete
                self._fs.pipe_file(self._path(name), content)
        except OSError as error:
            raise StorageError(
                f"{self}/{name}: cannot be written ({_reason(error)}); free some room there or name another place."
            ) from None

    def rename(self, name: str, new: str) -> None:
        """Give a file another name; what had it before is replaced.

        Raises
        ------
        StorageError
            It cannot be done.
        """
        try:
            if self.local:
                Path(self._path(name)).replace(self._path(new))
            else:
                self._fs.mv(self._path(name), self._path(new))
        except OSError as error:
            raise StorageError(f"{self}/{new}: cannot be written ({_reason(error)}); free some room there.") from None

    def parquet(self, name: str) -> tuple[int, int] | None:
        """Bytes and rows of a Parquet file; None where there is none that can be read."""
        try:
            size = int(self._fs.size(self._path(name)))
            with self._fs.open(self._path(name), "rb") as file:
                return size, pq.read_metadata(file).num_rows
        except (OSError, pa.ArrowException):
            return None

    def remove_folder(self, name: str) -> None:
        """Take a folder away with all that is in it, if it is there."""
        with contextlib.suppress(OSError):
            self._fs.rm(self._path(name), recursive=True)

    def remove(self, name: str) -> None:
        """Take a file away, if it is there."""
        with contextlib.suppress(OSError):
            self._fs.rm_file(self._path(name))

    def finish(self, files: Mapping[str, bytes]) -> None:
        """Write the results, of which the last is `LAST`, and take away what going on would have needed.

        Raises
        ------
        StorageError
            They cannot be written: none of them is there.
        """
        written = []
        try:
            for name, content in sorted(files.items(), key=lambda file: file[0] == LAST):
                self.write(name, content)
                written.append(name)
        except BaseException:
            for name in written:
                self.remove(name)
            raise
        self.remove_folder(UNFINISHED)

    def check_unfinished(self) -> None:
        """That there is a run to go on with.

        Raises
        ------
        ConfigError
            There is none.
        """
        there = self.names()
        if not any(n.startswith(UNFINISHED) and n != LOCK and not _is_draft(n) for n in there):
            why = "its run is finished" if LAST in there else "no unfinished run is there"
            raise ConfigError(f"--resume {self}: {why}; start a new one with --out.")

    @contextlib.contextmanager
    def lock(self, resume: bool) -> Iterator[None]:
        """Hold the folder for one run; a new run's folder that holds no checkpoint vanishes on an error.

        Raises
        ------
        ConfigError
            Another run is at work there, or a new run would meet what another left.
        """
        there = self.names()
        with self.temporary(), self._lock():
            if not resume:
                self._refuse(there)
            self._sweep()
            try:
                yield
            except BaseException:
                if not (resume or self.resumable):
                    for name in self.names():
                        self.remove(name)
                raise

    @contextlib.contextmanager
    def temporary(self) -> Iterator[None]:
        """Of the folders that are made meanwhile, those that are empty at the end go away."""
        made = self.missing()
        try:
            yield
        finally:
            for new in made:
                with contextlib.suppress(OSError):
                    new.rmdir()  # unless something is in it

    def _refuse(self, there: list[str]) -> None:
        """That a new run finds nothing that it would write over."""
        if any(n.startswith(UNFINISHED) and n != LOCK and not _is_draft(n) for n in there) and LAST not in there:
            raise ConfigError(
                f"--out {self}: holds an unfinished run; go on with `pipeline run --resume {self}`, or name another."
            )
        if not self.local and LOCK in there:
            raise ConfigError(
                f"--out {self}: another run has begun there; go on with `pipeline run --resume {self}` once it is "
                "dead, or name another."
            )
        entries = {entry.name for entry in Path(self._root).iterdir()} if self.local else set(there)
        if any(entry != UNFINISHED and not _is_draft(entry) for entry in entries):
            raise ConfigError(f"--out {self}: exists and is not empty; name a new folder, nothing was changed.")

    @property
    def resumable(self) -> bool:
        """Whether there is something to go on from."""
        return any(name.endswith((".skops", "/search.json")) for name in self.names(UNFINISHED))

    def _sweep(self) -> None:
        """Drafts that a crash left behind."""
        for name in self.names():
            if _is_draft(name):
                self.remove(name)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold a lock of this name, as long as the place knows locks: nobody else does.

        Raises
        ------
        ConfigError
            Somebody else holds it.
        """
        if not self.local:
            yield
            return
        with self._lock(name):
            yield

    @contextlib.contextmanager
    def _lock(self, name: str = LOCK) -> Iterator[None]:
        owner = {"host": socket.gethostname(), "process": os.getpid(), "token": self._token}
        if not self.local:  # taken over by whoever resumes; see `_hold`
            self._fs.pipe_file(self._path(LOCK), json.dumps(owner).encode())
            try:
                yield
            finally:
                self.remove(LOCK)
            return
        path = Path(self._path(name))
        with self._lock_file(path) as file:
            file.truncate(0)
            file.write(f"process {owner['process']} on {owner['host']}")
            file.flush()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    path.parent.rmdir()  # unless there is something to go on from

    def _lock_file(self, path: Path) -> IO[str]:
        """The file of a lock that is ours now."""
        begin = time.monotonic()
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = path.open("a+")
            except OSError as error:
                raise ConfigError(
                    f"--out {self}: cannot be written to ({_reason(error)}); name another place."
                ) from None
            if _locked(file, path):
                return file
            with file:
                file.seek(0)
                owner = file.read()
            # A run that is killed while it starts a process leaves that the lock until it is another program.
            if time.monotonic() - begin > PATIENCE:
                raise ConfigError(f"{self}: another run is at work there ({owner or 'just begun'}); wait for it.")
            time.sleep(0.05)

    def _hold(self) -> None:
        """That the folder is still this run's: nothing locks an object store, so a later run may have taken it over."""
        if self.local or not self.exists(LOCK):
            return
        owner = json.loads(self._fs.cat_file(self._path(LOCK)))
        if owner["token"] != self._token:
            raise DataError(
                f"{self}: process {owner['process']} on {owner['host']} has resumed this run; nothing was written, "
                "let that one go on."
            )


def _locked(file: IO[str], path: Path) -> bool:
    """Whether the lock is ours now; the system lets it go when this process ends, however it ends."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    # The run before may have removed the file in between: then the lock is one on nothing.
    return path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino


def _write(path: Path, content: bytes, lasting: bool) -> None:
    """Through a draft in the same folder, on the disk before it takes its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if lasting and hasattr(os, "O_DIRECTORY"):  # the name itself is on the disk when its folder is
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _is_draft(name: str) -> bool:
    return DRAFT.fullmatch(name.rpartition("/")[2]) is not None


def _reason(error: OSError) -> str:
    return error.strerror or str(error).partition("\n")[0] or type(error).__name__
