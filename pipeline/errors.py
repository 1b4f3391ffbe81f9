"""The errors a user meets: one sentence that says what, where and what to do.

They cross process borders, so each carries its sentence and nothing else.
"""

# Characters of a sentence.
LONGEST = 2_000


class PipelineError(Exception):
    """Base of every error the command line turns into one sentence.

    ``exit_code`` is what the process returns: 1 for data and runs, 2 for usage and config.
    """

    def __init__(self, message: str = ""):
        # What it quotes may come from data: a name of a megabyte, or one that would move a terminal's cursor.
        line = "".join(character if character.isprintable() else " " for character in message[: 2 * LONGEST])
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}")

    exit_code = 1
    details = ""
    """Lines to show below the sentence, where it is about many things at once."""
    # What went wrong below stays there: it may quote a secret, and many a library's error cannot be pickled.
    __context__ = None


class ConfigError(PipelineError):
    """The configuration or the command is wrong."""

    exit_code = 2


class DataError(PipelineError):
    """A file, column or row is not what the run needs."""


class StorageError(DataError):
    """A file of ours cannot be written."""


class ClusterError(PipelineError):
    """The scheduler or its workers cannot do the job."""


class TrackingError(PipelineError):
    """A tracking server does not take the run."""


class Interrupted(PipelineError):
    """Somebody asked for the end."""

    exit_code = 130
