"""``pipeline check``."""

from pathlib import Path

import click

from pipeline.cli.errors import exit_with_one_sentence
from pipeline.cli.options import PATH, ClusterOptions, cluster_options


@click.command("check")
@click.argument("config", type=PATH)
@click.option("--out", metavar="FOLDER", help="The folder in which to write check.html and check.json.")
@cluster_options()
@exit_with_one_sentence
def command(config: Path, out: str | None, options: ClusterOptions) -> None:
    """Look at the data of CONFIG without training: types, gaps, quantiles, top values, label, suspected leakage."""
    options.start_workers_early(config)
    from pipeline.commands.check import check  # after the workers: this process imports for seconds

    with options.monitor() as monitor:
        result = check(config, options.overrides, options.cluster, monitor, out)
    options.print(result)
