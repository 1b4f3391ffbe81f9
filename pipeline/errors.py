"""The errors a user meets: one sentence that says what, where and what to do.

They cross process borders, so each carries its sentence and nothing else.
"""


class PipelineError(Exception):
    """Base of every error the command line turns into one sentence.

    ``exit_code`` is what the process returns: 1 for data and runs, 2 for usage and config.
    """

    exit_code = 1


class ConfigError(PipelineError):
    """The configuration or the command is wrong."""

    exit_code = 2


class DataError(PipelineError):
    """A file, column or row is not what the run needs."""


class ClusterError(PipelineError):
    """The scheduler or its workers cannot do the job."""
