"""``pipeline predict``."""

import click

from pipeline.cli.errors import exit_with_one_sentence
from pipeline.cli.options import ClusterOptions, cluster_options


@click.command("predict")
@click.argument("model")
@click.argument("source", metavar="INPUT")
@click.argument("output")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Carry a column over, several or '*' for all.")
@click.option("--resume", is_flag=True, help="Go on with what an earlier attempt left in OUTPUT.")
@cluster_options()
@exit_with_one_sentence
def command(model: str, source: str, output: str, keep: tuple[str, ...], resume: bool, options: ClusterOptions) -> None:
    """Score Parquet to Parquet: write what MODEL (a run folder) predicts for INPUT to the new folder OUTPUT."""
    options.start_workers_early(model)
    from pipeline.commands.predict import predict

    columns = [name.strip() for names in keep for name in names.split(",")]
    with options.monitor() as monitor:
        manifest = predict(model, source, output, options.overrides, options.cluster, columns, resume, monitor)
    options.print(manifest)
