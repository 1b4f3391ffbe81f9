"""The errors that a user sees: one sentence that says what or where, what was found and what to do.

They travel between processes, so each carries its sentence and nothing else.
"""

MAX_MESSAGE_CHARS = 2_000


class PipelineError(Exception):
    """An error that the command line prints as one sentence.

    ``exit_code`` is the command's: 1 if the data or the run failed, 2 if the usage or the config is wrong.
    """

    exit_code = 1
    details = ""
    """Lines to print below the sentence if it is about many things at once."""
    # Never chained: the error below may quote a secret, and errors of many libraries cannot be pickled.
    __context__ = None

    def __init__(self, message: str = ""):
        # The message may quote data: a name of a megabyte, or one with control characters of a terminal.
        line = "".join(char if char.isprintable() else " " for char in message[: 2 * MAX_MESSAGE_CHARS])
        half = MAX_MESSAGE_CHARS // 2
        super().__init__(line if len(line) <= MAX_MESSAGE_CHARS else f"{line[:half]} … {line[-half:]}")


class ConfigError(PipelineError):
    """The config or the command's arguments are wrong."""

    exit_code = 2


class DataError(PipelineError):
    """A file, a column or a row is not what the run needs."""


class StorageError(DataError):
    """An output file cannot be written."""


class ClusterError(PipelineError):
    """The scheduler or its workers cannot do the job."""


class TrackingError(PipelineError):
    """A tracking server rejects the run."""


class Interrupted(PipelineError):
    """The user interrupted the run."""

    exit_code = 130


class StageRestart(Exception):
    """What a stage went by has turned out to be wrong: it ends, and is done again with another plan."""
