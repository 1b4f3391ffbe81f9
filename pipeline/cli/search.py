"""``pipeline search``."""

from pathlib import Path

import click

from pipeline.cli.errors import exit_with_one_sentence
from pipeline.cli.options import PATH, ClusterOptions, cluster_options
from pipeline.errors import ConfigError


@click.command("search")
@click.argument("config", required=False, type=PATH)
@cluster_options()
@click.option("--out", metavar="FOLDER", help="The run folder to make [runs/NAME-DATE-TIME]; a URL, too.")
@click.option("--resume", metavar="FOLDER", help="Go on with the unfinished search in FOLDER.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be tried, and why; run nothing.")
@exit_with_one_sentence
def command(config: Path | None, options: ClusterOptions, plan_only: bool, out: str | None, resume: str | None) -> None:
    """Find the best setting of CONFIG's [search], then train and evaluate it as `run` does."""
    if not (config or resume):
        raise ConfigError("search: needs a CONFIG with [search], or --resume FOLDER.")
    if not plan_only:
        options.start_workers_early(config, resume)
    from pipeline.commands.run import resume_run, run, show_plan
    from pipeline.commands.run_execution import RunOptions

    if out and resume:
        raise ConfigError("--resume continues in its own folder; remove --out.")
    with options.monitor() as monitor:
        if plan_only:
            result = show_plan(config, options.overrides, options.cluster, RunOptions(search=True), monitor)
        elif resume:
            result = resume_run(resume, config, options.overrides, options.cluster, monitor=monitor)
        else:
            result = run(config, options.overrides, options.cluster, out, RunOptions(search=True), monitor)
    options.print(result)
