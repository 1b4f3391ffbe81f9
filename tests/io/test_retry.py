import io

import pytest

from pipeline.errors import DataError
from pipeline.io import redact, retry
from pipeline.io.retry import RetryingFile, StorageUnreachable, as_os_error, with_retries


class HttpError(Exception):
    def __init__(self, status):
        super().__init__(f"status {status}")
        self.status = status


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    """The seconds waited, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", waited.append)
    return waited


def failing(*errors):
    """A call that raises each of these errors, and then returns "done"; and the number of its calls."""
    pending, calls = list(errors), []

    def call():
        calls.append(1)
        if pending:
            raise pending.pop(0)
        return "done"

    return call, calls


@pytest.mark.parametrize("error", [OSError("reset"), TimeoutError(), EOFError(), HttpError(503), HttpError(429)])
def test_a_temporary_error_is_tried_again_after_longer_waits(error, waits):
    call, _ = failing(error, error, error)
    assert with_retries(call) == "done"
    assert waits == list(retry.WAIT_SECONDS) == sorted(waits)


def test_the_last_error_of_too_many_is_raised(waits):
    call, calls = failing(*[OSError(f"reset {i}.\nmore") for i in range(9)])
    with pytest.raises(StorageUnreachable, match=r"^reset 3$") as caught:
        with_retries(call)
    assert len(calls) == 4
    assert caught.value.advice == "try again when the storage answers"


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (FileNotFoundError("x"), False),
        (PermissionError("x"), True),
        (HttpError(403), True),
        (HttpError(404), False),
        (ValueError("x"), False),
    ],
)
def test_a_permanent_error_is_raised_at_once(error, refused, waits):
    with pytest.raises(StorageUnreachable) as caught:
        with_retries(failing(error)[0])
    assert (caught.value.refused, waits) == (refused, [])


@pytest.mark.parametrize("error", [DataError("ours"), MemoryError()])
def test_an_error_that_is_not_the_storages_passes_unchanged(error):
    with pytest.raises(type(error)) as caught:
        with_retries(failing(error)[0])
    assert caught.value is error


def test_a_read_is_tried_again_from_the_same_position():
    class Flaky(io.BytesIO):
        failures = 1

        def read(self, size=-1):
            content = super().read(size)  # the position moves, although the read fails
            if self.failures:
                self.failures -= 1
                raise OSError("reset")
            return content

    file = RetryingFile(Flaky(b"0123456789"))
    file.seek(2)
    assert (file.read(3), file.read(), file.tell()) == (b"234", b"56789", 10)


def test_as_os_error_hides_secrets_and_keeps_a_refusal(monkeypatch):
    monkeypatch.setattr(redact, "_secrets", {"canary"})
    with pytest.raises(OSError, match=r"^KeyError: 'key \*\*\*'$"), as_os_error():
        raise KeyError("key canary")
    with pytest.raises(StorageUnreachable) as caught, as_os_error():
        raise PermissionError("no")
    assert caught.value.advice == "renew the credentials or ask for the right"
