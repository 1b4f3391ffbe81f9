"""The log: a line for each event, with its level, on stderr or in a file."""

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.monitoring.events import Event, Events

# A logger of Python's own, so that a program that calls us can send the lines to its own log.
LOGGER = logging.getLogger("pipeline")
LOGGER.addHandler(logging.NullHandler())  # without a handler, Python would print warnings and errors to stderr

# The fields that every event has.
COMMON_FIELDS = ("time", "run", "event", "level")


class TextFormatter(logging.Formatter):
    """Formats an event as ``12:30:05 info    stage_started stage=train batches=48``; texts with blanks are quoted."""

    def format(self, record: logging.LogRecord) -> str:
        event: Event = record.__dict__["event"]
        fields = " ".join(f"{key}={_format_value(value)}" for key, value in event.items() if key not in COMMON_FIELDS)
        return f"{self.formatTime(record, '%H:%M:%S')} {event['level']:<7} {event['event']} {fields}".rstrip()


class JsonFormatter(logging.Formatter):
    """Formats an event as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(record.__dict__["event"])


def _format_value(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value, separators=(",", ":"))
    return json.dumps(value) if any(c.isspace() or c in '"=' for c in value) else value


def log_event(event: Event) -> None:
    """Pass an event to the logger ``pipeline``, with its level; the record's ``event`` is the event itself."""
    LOGGER.log(getattr(logging, event["level"].upper()), event["event"], extra={"event": event})


@contextlib.contextmanager
def log_events(events: Events, verbose: bool = False, file: Path | None = None) -> Iterator[None]:
    """Within the block, log every event: with ``verbose`` as lines on stderr, and appended to ``file`` as JSON.

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
    try:
        with events.subscribed(log_event):
            yield
    finally:
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()
        LOGGER.setLevel(level)
        LOGGER.propagate = propagate
