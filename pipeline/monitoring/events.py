"""Events: what happens during a run, one flat record each, for the log, the dashboard and whoever else listens."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline.io.redact import redact

Event = Mapping[str, Any]
Listener = Callable[[Event], None]


class Events:
    """Passes every event of one run on to all listeners, credentials hidden.

    An event has ``time`` (Unix seconds), ``run`` (eight hexadecimal digits), ``event`` (its name), ``level``
    ("debug", "info", "warning" or "error"), and fields of its own, all of which JSON can hold. A listener that
    fails is told so, as an event, and not called again: no run ends because of one.
    """

    def __init__(self) -> None:
        self.run = uuid.uuid4().hex[:8]
        self.listeners: list[Listener] = []

    @contextlib.contextmanager
    def subscribed(self, listener: Listener | None) -> Iterator[None]:
        """Within the block, tell ``listener`` too; None: nobody."""
        if listener is not None:
            self.listeners.append(listener)
        try:
            yield
        finally:
            if listener in self.listeners:  # one that failed is not
                self.listeners.remove(listener)

    def emit(self, event: str, level: str = "info", **fields: Any) -> None:
        """Tell all listeners, in the order in which they came."""
        record = redact({"time": round(time.time(), 3), "run": self.run, "event": event, "level": level, **fields})
        for listener in list(self.listeners):
            try:
                listener(record)
            except Exception as error:
                self.listeners.remove(listener)
                name = getattr(listener, "__qualname__", type(listener).__name__)
                self.emit("listener_dropped", "warning", listener=name, error=f"{type(error).__name__}: {error}")
