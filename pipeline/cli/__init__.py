"""The command line: one file for each subcommand, with its options and one call of a function of `commands`.

Belongs here: click. What several subcommands share is in `options`; `errors` turns an error into one sentence and an
exit code. Nothing here imports Dask, pandas or scikit-learn before a subcommand runs: ``--help`` answers at once, and
local workers start while this process imports.

May import: every room, inside the subcommand's function.

To add a subcommand, write its work in `commands`, a file here like `check` that calls it, and name it in
`SUBCOMMANDS`.
"""

from pipeline.cli.start_time import STARTED as STARTED  # first: the imports that follow count as the command's time

# isort: split
import click

from pipeline import __version__
from pipeline.cli import check, data, evaluate, export, predict, report, run, scale, search

SUBCOMMANDS = (run, search, evaluate, predict, check, report, scale, export, data)


@click.group("pipeline", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Partitioned Parquet in, a trained and evaluated scikit-learn model out, on Dask."""


for module in SUBCOMMANDS:
    main.add_command(module.command)
