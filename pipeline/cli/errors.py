"""Errors on the command line: one sentence on stderr and an exit code."""

import functools
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from pipeline.errors import Interrupted, PipelineError
from pipeline.io.redact import redact

INTERRUPTED = 130


def exit_with_one_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """Show an error as one sentence and exit with its code; add ``--debug``, which shows the traceback instead."""

    @functools.wraps(command)
    def wrapped(*args: Any, debug: bool, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            click.echo("Interrupted: nothing was written.", err=True)
            sys.exit(INTERRUPTED)
        except Exception as error:
            click.echo(redact(traceback.format_exc().rstrip() if debug else describe(error)), err=True)
            sys.exit(error.exit_code if isinstance(error, PipelineError) else 1)

    return click.option("--debug", is_flag=True, help="Show the traceback of an error.")(wrapped)


def describe(error: Exception) -> str:
    """The sentence for an error, and the details below it.

    >>> describe(ValueError("no such thing\\nand more"))
    'Error: ValueError: no such thing; run again with --debug for the traceback.'
    """
    if isinstance(error, Interrupted):
        return str(error)
    if isinstance(error, PipelineError):
        return f"Error: {error}\n{error.details}".rstrip()
    reason = redact(str(error)).partition("\n")[0]
    return f"Error: {type(error).__name__}: {reason}; run again with --debug for the traceback."
