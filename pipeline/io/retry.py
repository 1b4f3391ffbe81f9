"""Retries: an operation on a storage that fails is tried again after longer and longer waits, then it is one error."""

import contextlib
import errno
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pipeline.errors import PipelineError
from pipeline.io.redact import redact

T = TypeVar("T")

# Seconds before each further try. Libraries with retries of their own make them within each of ours.
WAIT_SECONDS = (0.5, 2.0, 4.0)
PERMANENT_ERRORS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
PERMANENT_ERRNOS = {errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EBADF}


class StorageUnreachable(OSError):
    """A storage failed for good.

    ``refused``: it denied access, so that another try is of no use. ``unknown``: there are no credentials at all.
    """

    refused = False
    unknown = False

    @classmethod
    def from_error(cls, error: Exception) -> "StorageUnreachable":
        """From whatever fsspec and the libraries below it raise, as one line without secrets."""
        reason = redact(str(error)).partition("\n")[0].rstrip(".")
        unreachable = cls(reason if isinstance(error, OSError) and reason else f"{type(error).__name__}: {reason}")
        unreachable.refused = isinstance(error, PermissionError) or getattr(error, "status", 0) in (401, 403)
        # Each service has its own class: NoCredentialsError, DefaultCredentialsError, CredentialUnavailableError.
        unreachable.unknown = "Credential" in type(error).__name__
        return unreachable

    @property
    def advice(self) -> str:
        """What to do, as the end of an error sentence."""
        if self.unknown:
            return "give credentials in data.storage_options or in the environment"
        return "renew the credentials or ask for the right" if self.refused else "try again when the storage answers"


def advice_on(error: OSError, otherwise: str) -> str:
    """What to do, as the end of an error sentence: what a storage answers says more than its caller can."""
    if isinstance(error, StorageUnreachable) and (error.refused or error.unknown):
        return error.advice
    return otherwise


def with_retries(call: Callable[[], T]) -> T:
    """The result of ``call``, which is tried again as long as its error may be temporary.

    Raises
    ------
    StorageUnreachable
        The error is permanent, or every try failed; without secrets.
    """
    for wait in (*WAIT_SECONDS, None):
        try:
            return call()
        except (PipelineError, MemoryError, StorageUnreachable):
            raise
        except Exception as error:
            if wait is None or not _is_temporary(error):
                raise StorageUnreachable.from_error(error) from None
            time.sleep(wait)
    raise AssertionError


def _is_temporary(error: Exception) -> bool:
    if isinstance(error, PERMANENT_ERRORS) or getattr(error, "errno", None) in PERMANENT_ERRNOS:
        return False
    status = getattr(error, "status", None)  # of an HTTP response
    if isinstance(status, int):
        return status >= 500 or status in (408, 429)
    # Errors of aiohttp are no OSErrors, nor is that of a connection that ends too early.
    return isinstance(error, OSError | TimeoutError | EOFError) or type(error).__module__.startswith(
        ("aiohttp", "http")
    )


class RetryingFile:
    """A file of a storage whose reads are retried; everything else is the file's own."""

    def __init__(self, file: Any):
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes from the current position, or all if it is negative."""
        position = self._file.tell()

        def read_again() -> bytes:
            self._file.seek(position)
            return bytes(self._file.read(size))

        return with_retries(read_again)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextlib.contextmanager
def as_os_error() -> Iterator[None]:
    """Turn whatever fsspec and the libraries below it raise inside into an OSError without secrets."""
    try:
        yield
    except (PipelineError, MemoryError, StorageUnreachable):
        raise
    except Exception as error:
        unreachable = StorageUnreachable.from_error(error)
        raise (unreachable if unreachable.refused or unreachable.unknown else OSError(str(unreachable))) from None
