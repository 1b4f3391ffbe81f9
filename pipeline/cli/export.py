"""``pipeline export``."""

from pathlib import Path

import click

from pipeline.cli.errors import exit_with_one_sentence
from pipeline.cli.options import print_json


@click.command("export")
@click.argument("run")
@click.option("--mlflow", "uri", metavar="URI", help="Write it to this tracking server, like http://host:5000.")
@click.option("--experiment", default="pipeline", show_default=True, metavar="NAME", help="Made if it is not there.")
@click.option("--onnx", metavar="FILE", help="Write the model as an ONNX graph.")
@click.option("--json", "as_json", is_flag=True, help="Print ids and addresses as JSON on stdout, nothing else there.")
@exit_with_one_sentence
def command(run: str, uri: str | None, experiment: str, onnx: str | None, as_json: bool) -> None:
    """Export the finished run folder RUN to other programs: all of it to MLflow, or its model as ONNX."""
    from pipeline.commands.export import export

    print_json(export(Path(run), uri, experiment, onnx), as_json)
