"""Interrupts: the first ctrl-C (or SIGTERM) lets the round finish, the second stops at once."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Turns both signals into `KeyboardInterrupt`; the first one is deferred while ``should_defer`` returns True.

    Python lets only the main thread handle signals: in any other thread nothing is changed.

    Parameters
    ----------
    notify
        Called with a line for the user when a signal is deferred.
    should_defer
        Whether a signal that comes now should wait for `raise_if_requested`.
    """

    def __init__(self, notify: Callable[[str], None], should_defer: Callable[[], bool]):
        self._notify, self._should_defer, self._requested = notify, should_defer, False

    @contextlib.contextmanager
    def handled(self) -> Iterator["Interrupt"]:
        """Within the block, handle the signals; afterwards put the handlers from before back."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def raise_if_requested(self) -> None:
        """End the run here, where nothing is lost, if a signal came.

        Raises
        ------
        KeyboardInterrupt
            A signal came.
        """
        if self._requested:
            raise KeyboardInterrupt

    def reraise_if_lost(self) -> None:
        """Raise again what was lost: Python only prints an error in a ``__del__``, or in a callback of its own.

        Raises
        ------
        KeyboardInterrupt
            A signal came, and was not deferred.
        """
        if self._requested and not self._should_defer():
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        second, self._requested = self._requested, True
        if second or not self._should_defer():
            raise KeyboardInterrupt
        self._notify("stopping after this round; once more to stop at once")
