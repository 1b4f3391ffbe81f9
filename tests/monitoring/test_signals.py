"""Signals within one process; the fault matrix sends them to the command."""

import os
import signal

import pytest

from pipeline.monitoring.signals import SIGNALS, Interrupt


def test_deferred_signal_raises_where_asked_and_a_second_one_at_once():
    notices: list[str] = []
    with Interrupt(notices.append, lambda: True).handled() as interrupt:
        os.kill(os.getpid(), signal.SIGTERM)
        interrupt.reraise_if_lost()
        assert notices == ["stopping after this round; once more to stop at once"]
        with pytest.raises(KeyboardInterrupt):
            interrupt.raise_if_requested()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_that_is_not_deferred_raises_at_once(number):
    with Interrupt(print, lambda: False).handled(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_signal_that_python_loses_is_raised_again():
    class InterruptedWhenDeleted:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    with Interrupt(print, lambda: False).handled() as interrupt:
        interrupt.reraise_if_lost()
        instance = InterruptedWhenDeleted()
        del instance  # Python prints its KeyboardInterrupt, and does not raise it
        with pytest.raises(KeyboardInterrupt):
            interrupt.reraise_if_lost()


def test_handlers_from_before_are_put_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupt(print, lambda: False).handled():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
