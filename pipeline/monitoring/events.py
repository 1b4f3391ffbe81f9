"""Events: what happens during a run, as flat records for the log, the dashboard and any other listener."""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline.io.redact import redact

Event = Mapping[str, Any]
Listener = Callable[[Event], None]


class Events:
    """Passes every event of one run to all listeners, without credentials.

    An event has ``time`` (Unix seconds), ``run`` (eight hexadecimal digits), ``event`` (its name), ``level``
    ("debug", "info", "warning" or "error"), and fields of its own, all of which can be written as JSON. A listener that
    raises is removed, and an event reports that: no run fails because of a listener.
    """

    def __init__(self) -> None:
        self.run = uuid.uuid4().hex[:8]
        self.listeners: list[Listener] = []

    @contextlib.contextmanager
    def subscribed(self, listener: Listener | None) -> Iterator[None]:
        """Within the block, call ``listener`` with every event; None: change nothing."""
        if listener is not None:
            self.listeners.append(listener)
        try:
            yield
        finally:
            if listener in self.listeners:  # one that raised is no longer
                self.listeners.remove(listener)

    def emit(self, event: str, level: str = "info", **fields: Any) -> None:
        """Call all listeners with an event, in the order of their subscription."""
        record = redact({"time": round(time.time(), 3), "run": self.run, "event": event, "level": level, **fields})
        for listener in list(self.listeners):
            try:
                listener(record)
            except Exception as error:
                self.listeners.remove(listener)
                name = getattr(listener, "__qualname__", type(listener).__name__)
                self.emit("listener_dropped", "warning", listener=name, error=f"{type(error).__name__}: {error}")
