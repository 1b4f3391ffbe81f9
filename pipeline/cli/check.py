"""``pipeline check``."""

from pathlib import Path

import click

from pipeline.cli.errors import exit_with_one_sentence
from pipeline.cli.options import PATH, ClusterOptions, cluster_options


@click.command("check")
@click.argument("config", type=PATH)
@cluster_options()
@exit_with_one_sentence
def command(config: Path, options: ClusterOptions) -> None:
    """Look at the data of CONFIG without training: types, missing values, cardinalities, labels, suspected leakage."""
    options.start_workers_early(config)
    from pipeline.commands.check import check  # after the workers: this process imports for seconds

    with options.monitor() as monitor:
        result = check(config, options.overrides, options.cluster, monitor)
    options.print(result)
