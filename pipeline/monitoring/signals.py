"""Interrupts: the first ctrl-C (or SIGTERM) lets the round finish, the second stops at once."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """Turns both signals into `KeyboardInterrupt`; while ``deferring`` says so, the first one is only noted.

    Python lets the main thread alone handle signals: elsewhere nothing is changed.
    """

    def __init__(self, say: Callable[[str], None], deferring: Callable[[], bool]):
        self._say, self._deferring, self.asked = say, deferring, False

    @contextlib.contextmanager
    def handled(self) -> Iterator["Interrupt"]:
        """Handle the signals from here on, and as before afterwards."""
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
        """Stop here, where nothing is lost, if that was asked for.

        Raises
        ------
        KeyboardInterrupt
            It was.
        """
        if self.asked:
            raise KeyboardInterrupt

    def reraise_if_lost(self) -> None:
        """Raise again what was lost: Python only prints what is raised in a ``__del__`` or a callback of its own.

        Raises
        ------
        KeyboardInterrupt
            A signal came, and was not deferred.
        """
        if self.asked and not self._deferring():
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if again or not self._deferring():
            raise KeyboardInterrupt
        self._say("stopping after this round; once more to stop at once")
