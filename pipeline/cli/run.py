"""``pipeline run``."""

from pathlib import Path

import click

from pipeline.cli.errors import exit_with_one_sentence
from pipeline.cli.options import PATH, ClusterOptions, cluster_options
from pipeline.errors import ConfigError


@click.command("run")
@click.argument("config", required=False, type=PATH)
@cluster_options()
@click.option("--out", metavar="FOLDER", help="The run folder to make [runs/NAME-DATE-TIME]; a URL, too.")
@click.option("--resume", metavar="FOLDER", help="Go on with the unfinished run in FOLDER.")
@click.option("--from", "base_run", metavar="RUN", help="Train the model of a finished run on, with new rows.")
@click.option("--trace", is_flag=True, help="Leave Dask's performance report and a trace of all tasks.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be done, and why; run nothing.")
@exit_with_one_sentence
def command(
    config: Path | None,
    options: ClusterOptions,
    plan_only: bool,
    out: str | None,
    resume: str | None,
    base_run: str | None,
    trace: bool,
) -> None:
    """Train and evaluate a model as CONFIG (TOML) says; without CONFIG, run the flights demo."""
    if not plan_only:
        options.start_workers_early(config, resume)
    from pipeline.commands.run import resume_run, run, show_plan
    from pipeline.commands.run_execution import RunOptions

    if out and resume:
        raise ConfigError("--resume continues in its own folder; remove --out.")
    if base_run and (resume or config is None):
        raise ConfigError("--from: needs a CONFIG, and a run that is resumed knows where it came from; drop one.")
    run_options = RunOptions(trace=trace, base_run=base_run)
    with options.monitor() as monitor:
        if plan_only:
            result = show_plan(config, options.overrides, options.cluster, run_options, monitor)
        elif resume:
            result = resume_run(resume, config, options.overrides, options.cluster, trace, monitor)
        else:
            result = run(config, options.overrides, options.cluster, out, run_options, monitor)
    options.print(result)
