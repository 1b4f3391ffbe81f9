"""The log: a line for each event, with its level, on stderr or in a file."""

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.monitoring.events import Event, Events

# Standard logging, so that a program that calls us can send the lines wherever its own go.
LOGGER = logging.getLogger("pipeline")
LOGGER.addHandler(logging.NullHandler())  # else Python itself would print warnings and errors, bare


class TextFormatter(logging.Formatter):
    """``12:30:05 info stage_started stage=train batches=48``; texts with blanks are quoted."""

    def format(self, record: logging.LogRecord) -> str:
        event: Event = record.__dict__["event"]
        fields = " ".join(f"{key}={_word(value)}" for key, value in event.items() if key not in _HEAD)
        return f"{self.formatTime(record, '%H:%M:%S')} {event['level']:<7} {event['event']} {fields}".rstrip()


class JsonFormatter(logging.Formatter):
    """The event itself, as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(record.__dict__["event"])


_HEAD = ("time", "run", "event", "level")


def _word(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return json.dumps(text) if any(c.isspace() or c in '"=' for c in text) and isinstance(value, str) else text


def log(event: Event) -> None:
    """Pass an event on to the logger ``pipeline``: its level, and itself as the record's ``event``."""
    LOGGER.log(getattr(logging, event["level"].upper()), event["event"], extra={"event": event})


@contextlib.contextmanager
def logged(events: Events, verbose: bool = False, file: Path | None = None) -> Iterator[None]:
    """Log what happens from here on: with ``verbose`` as lines on stderr, and to ``file`` as JSON, appended.

    Raises
    ------
    ConfigError
        The file cannot be written.
    """
    handlers: list[logging.Handler] = []
    if verbose:
        handlers.append(logging.StreamHandler())
        handlers[-1].setFormatter(TextFormatter())
    if file is not None:
        try:
            handlers.append(logging.FileHandler(file, encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"--log {file}: cannot be written ({error.strerror}); name another file.") from None
        handlers[-1].setFormatter(JsonFormatter())
    level, propagate = LOGGER.level, LOGGER.propagate
    if handlers:
        LOGGER.setLevel(logging.DEBUG)
        LOGGER.propagate = False
    for handler in handlers:
        LOGGER.addHandler(handler)
    events.listeners.append(log)
    try:
        yield
    finally:
        events.listeners.remove(log)
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()
        LOGGER.setLevel(level)
        LOGGER.propagate = propagate
