"""Patience: a storage that fails now and then is asked again, after longer and longer waits; then one clear error."""

import contextlib
import errno
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pipeline.errors import PipelineError
from pipeline.io.redact import redact

T = TypeVar("T")

# Seconds before the second, the third and the last time. Libraries that ask again by themselves do so within each.
WAITS = (0.5, 2.0, 4.0)
# What asking again does not change.
FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
FINAL_NUMBERS = {errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EBADF}


class StorageUnreachable(OSError):
    """A storage did not give what it was asked for; ``refused``: it would not, whenever it is asked."""

    refused = False

    @property
    def advice(self) -> str:
        """What to do."""
        return "renew the credentials or ask for the right" if self.refused else "try again when the storage answers"


def with_retries(call: Callable[[], T]) -> T:
    """What ``call`` gives, once it does.

    Raises
    ------
    Unreachable
        It failed for good, or every time; without secrets.
    """
    for wait in (*WAITS, None):
        try:
            return call()
        except (PipelineError, MemoryError, StorageUnreachable):
            raise
        except Exception as error:
            if wait is None or not _passes(error):
                raise unreachable(error) from None
            time.sleep(wait)
    raise AssertionError


def unreachable(error: Exception) -> StorageUnreachable:
    """Whatever fsspec and those below it raise, in a line without secrets: not all of theirs are an OSError."""
    name, said = type(error).__name__, redact(str(error)).partition("\n")[0].rstrip(".")
    failed = StorageUnreachable(said if isinstance(error, OSError) and said else f"{name}: {said}")
    failed.refused = isinstance(error, PermissionError) or getattr(error, "status", 0) in (401, 403)
    return failed


def _passes(error: Exception) -> bool:
    """Whether it may be over a moment later."""
    if isinstance(error, FINAL) or getattr(error, "errno", None) in FINAL_NUMBERS:
        return False
    status = getattr(error, "status", None)  # of an answer of HTTP
    if isinstance(status, int):
        return status >= 500 or status in (408, 429)
    # aiohttp's errors are no OSErrors, nor is that of a connection that ends too soon.
    return isinstance(error, OSError | TimeoutError | EOFError) or type(error).__module__.startswith(
        ("aiohttp", "http")
    )


class RetryingFile:
    """A file of a storage whose reads are patient; all else as the file has it."""

    def __init__(self, file: Any):
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """As any file's."""
        place = self._file.tell()

        def again() -> bytes:
            self._file.seek(place)
            return bytes(self._file.read(size))

        return with_retries(again)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextlib.contextmanager
def as_os_error() -> Iterator[None]:
    """Whatever fsspec and those below it raise inside, as an OSError without secrets."""
    try:
        yield
    except (PipelineError, MemoryError, StorageUnreachable):
        raise
    except Exception as error:
        failed = unreachable(error)
        raise (failed if failed.refused else OSError(str(failed))) from None
