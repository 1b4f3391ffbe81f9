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
@click.option("--from", "initial_model", metavar="RUN", help="Train the model of a finished run on, with new rows.")
@click.option("--trace", is_flag=True, help="Leave Dask's performance report and a trace of all tasks.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be done, and why; run nothing.")
@exit_with_one_sentence
def command(
    config: Path | None,
    options: ClusterOptions,
    plan_only: bool,
    out: str | None,
    resume: str | None,
    initial_model: str | None,
    trace: bool,
) -> None:
    """Train and evaluate a model as CONFIG (TOML) says; without CONFIG, run the flights demo."""
    if not plan_only:
        options.start_workers_early(config, resume)
    from pipeline.commands.run import run

    if out and resume:
        raise ConfigError("--resume: goes on in its folder; give no --out.")
    if initial_model and (resume or config is None):
        raise ConfigError("--from: needs a CONFIG, and a run that is resumed knows where it came from; drop one.")
    with options.monitor() as monitor:
        result = run(config, options.overrides, options.cluster, out, plan_only, monitor, resume, trace, initial_model)
    options.print(result)
