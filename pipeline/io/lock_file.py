"""Lock files: what one process on a machine does at a time. The system releases a lock when its process ends."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pipeline.errors import ConfigError

try:
    import fcntl
except ImportError:  # Windows, where nothing keeps two processes apart
    fcntl = None  # type: ignore[assignment]

# Seconds to wait for a lock. A run that is killed while it starts a process leaves it the lock for a moment.
TIMEOUT = 1.0
POLL_SECONDS = 0.05


@contextlib.contextmanager
def hold_lock_file(path: Path, owner: str, folder: str) -> Iterator[None]:
    """Hold the lock file at ``path``, in which ``owner`` is written for people; remove it afterwards.

    Raises
    ------
    ConfigError
        Another process holds it, or it cannot be written; the message calls the place ``folder``.
    """
    with _acquire(path, folder) as file:
        file.truncate(0)
        file.write(owner)
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # the folder has other files
                path.parent.rmdir()


def _acquire(path: Path, folder: str) -> IO[str]:
    begin = time.monotonic()
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+")
        except OSError as error:
            raise ConfigError(
                f"--out {folder}: cannot be written to ({error.strerror or error}); name another folder."
            ) from None
        if _try_lock(file, path):
            return file
        with file:
            file.seek(0)
            owner = file.read()
        if time.monotonic() - begin > TIMEOUT:
            raise ConfigError(f"{folder}: another run is at work there ({owner or 'just begun'}); wait for it.")
        time.sleep(POLL_SECONDS)


def _try_lock(file: IO[str], path: Path) -> bool:
    """Lock an open file, if no other process has."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    # The previous owner may have removed the file after it was opened: then another file has the name.
    return path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino
