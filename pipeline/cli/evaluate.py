"""``pipeline evaluate``."""

from pathlib import Path

import click

from pipeline.cli.errors import exit_with_one_sentence
from pipeline.cli.options import PATH, ClusterOptions, cluster_options


@click.command("evaluate")
@click.argument("model")
@click.argument("config", type=PATH)
@click.option("--all", "all_rows", is_flag=True, help="Evaluate on all rows, not only on those that are held out.")
@cluster_options()
@exit_with_one_sentence
def command(model: str, config: Path, all_rows: bool, options: ClusterOptions) -> None:
    """Compute the metrics of an existing MODEL (a run folder) on the data of CONFIG, and how far that has drifted."""
    options.start_workers_early(config)
    from pipeline.commands.evaluate import evaluate

    with options.monitor() as monitor:
        result = evaluate(model, config, options.overrides, options.cluster, all_rows, monitor)
    options.print(result)
