"""``pipeline scale``."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli.errors import exit_with_one_sentence
from pipeline.cli.options import PATH, ClusterOptions, cluster_options


class Counts(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1 on, with commas between them."""

    name = "n,n,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The text as numbers."""
        if isinstance(value, tuple):
            return value
        try:
            counts = tuple(int(text) for text in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of whole numbers; write for example 10,100,1000.", param, ctx)
        if min(counts) < 1:
            self.fail(f"{value!r}: every number must be 1 or more.", param, ctx)
        return counts


@click.command("scale")
@click.argument("config", required=False, type=PATH)
@click.option("--batches", type=Counts(), default=(), help="Prefixes of the data to measure, as 10,100,1000.")
@click.option("--workers", type=Counts(), default=(), help="Numbers of local workers to measure, as 1,2.")
@click.option("--lanes", type=Counts(), default=(), help="Numbers of lanes to measure; the first is the usual one.")
@click.option("--batch-rows", type=Counts(), default=(), help="Rows of a batch; the first is the usual size.")
@click.option("--repeats", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each setting.")
@click.option("--out", metavar="FOLDER", help="The folder to make [runs/scale-NAME-DATE-TIME].")
@cluster_options(workers=False)
@exit_with_one_sentence
def command(config: Path | None, out: str | None, options: ClusterOptions, **requested: Any) -> None:
    """Measure how the cost of CONFIG's run grows with batches and workers; forecast what more workers would bring."""
    options.start_workers_early(config)
    from pipeline.commands.scale import scale
    from pipeline.scaling_study.study_plan import StudyRequest

    with options.monitor() as monitor:
        result = scale(config, StudyRequest(**requested), options.overrides, options.cluster, out, monitor)
    options.print(result)
