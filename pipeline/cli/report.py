"""``pipeline report``."""

from pathlib import Path

import click

from pipeline.cli.errors import exit_with_one_sentence
from pipeline.cli.options import PATH, print_json


@click.command("report")
@click.argument("runs", nargs=-1, required=True)
@click.option("--out", type=PATH, help="The page to write.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser.")
@click.option("--json", "as_json", is_flag=True, help="Print what is shown as JSON on stdout, nothing else there.")
@exit_with_one_sentence
def command(runs: tuple[str, ...], out: Path | None, open_page: bool, as_json: bool) -> None:
    """Show the run folder RUNS again, or compare several side by side, in the terminal and as a page."""
    from pipeline.commands.report import report

    print_json(report(runs, out, open_page), as_json)
