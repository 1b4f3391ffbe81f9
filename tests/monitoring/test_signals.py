"""What signals do, seen from inside one process; the fault matrix sends them to the command."""

import os
import signal

import pytest

from pipeline.monitoring.signals import SIGNALS, Interrupt


def test_the_first_signal_is_noted_and_the_second_stops():
    said: list[str] = []
    with Interrupt(said.append, lambda: True).handled() as interrupt:
        os.kill(os.getpid(), signal.SIGTERM)
        interrupt.reraise_if_lost()
        assert said == ["stopping after this round; once more to stop at once"]
        with pytest.raises(KeyboardInterrupt):
            interrupt.raise_if_requested()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("number", SIGNALS)
def test_without_a_reason_to_wait_the_first_signal_stops(number):
    with Interrupt(print, lambda: False).handled(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_python_loses_stops_at_the_next_task():
    class Doomed:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    with Interrupt(print, lambda: False).handled() as interrupt:
        interrupt.reraise_if_lost()
        doomed = Doomed()
        del doomed  # its KeyboardInterrupt is printed, not raised
        with pytest.raises(KeyboardInterrupt):
            interrupt.reraise_if_lost()


def test_the_handlers_from_before_are_put_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupt(print, lambda: False).handled():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
