"""What a run shows on the scheduler: its state, our page on the dashboard, metrics and where workers are."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session, connect
from pipeline.engine.event_forwarding import forward_events
from pipeline.io.run_folder import RunFolder
from pipeline.model_selection.search import HyperparameterSearch
from pipeline.monitoring.dashboard.page import curve
from pipeline.monitoring.dashboard.plugin import NAME, TOPIC
from pipeline.monitoring.dashboard.state import POINTS, RunState
from pipeline.monitoring.events import Events
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.training.run_stages import run_stages
from tests import browser


def event(what: str, /, level: str = "info", **fields):
    return {"time": 100.0, "run": "0a1b2c3d", "event": what, "level": level, **fields}


def test_a_stage_counts_what_its_events_say_and_knows_what_is_left():
    state = RunState("0a1b2c3d")
    state.apply(event("run_started", name="a", lanes=2))
    state.apply(event("stage_started", stage="train", batches=40))
    stage = state.stages["train"]
    assert stage.left(110.0) is None
    state.apply(event("progress", stage="train", done=10, rows=1_000))
    assert stage.left(110.0) == 30.0
    state.apply(event("stage_finished", stage="train", done=40, rows=4_000, seconds=12.0))
    assert (stage.done, stage.rows, stage.seconds, stage.left(110.0)) == (40, 4_000, 12.0, None)


def test_a_worker_is_as_fast_as_its_last_seconds_and_a_lane_lags_behind_the_first():
    state = RunState("0a1b2c3d")
    state.apply(event("run_started", name="a", lanes=3))
    now = time.time()
    for i in range(20):
        state.task_done("train", f"0-0-{i % 2}-0", 1, 500, "tcp://a", now + i)
    assert state.workers["tcp://a"].speed(now + 19) == pytest.approx(11 * 500 / 10)
    assert state.workers["tcp://a"].speed(now + 60) == 0.0
    assert dict(state.lanes) == {0: 10, 1: 10, 2: 0}
    state.apply(event("round_finished", rounds=1, rows=10_000, progressive=[]))
    assert not any(state.lanes.values())


def test_a_curve_of_any_length_stays_small_and_keeps_its_shape():
    state = RunState("0a1b2c3d")
    for i in range(0, 100_000, 100):
        points = [{"rows": n, "log_loss": n / 100_000} for n in range(i, i + 100)]
        state.apply(event("round_finished", rounds=1, rows=i, progressive=points))
    assert POINTS / 2 <= len(state.curve) <= POINTS + 100
    rows = [point["rows"] for point in state.curve]
    assert rows == sorted(rows)
    assert rows[0] == 0
    name, rows, losses = curve(state)
    assert (name, len(rows)) == ("log_loss", len(losses))
    assert losses[-1] == pytest.approx(0.95, abs=0.01)  # the mean of the last tenth


def test_an_event_that_is_not_known_changes_nothing_and_warnings_are_kept():
    state = RunState("0a1b2c3d")
    state.apply(event("something_new", level="warning", text="look"))
    assert [note["text"] for note in state.notes] == ["look"]


def test_a_listener_that_fails_is_dropped_and_told_to_the_others(monkeypatch):
    monkeypatch.setattr("pipeline.io.redact._secrets", {"sesame-1001"})
    events, heard = Events(), []
    events.listeners += [lambda _: 1 / 0, heard.append]
    events.emit("a", value=1)
    events.emit("b", url="s3://key:sesame-1001@bucket/x")
    assert [one["event"] for one in heard] == ["listener_dropped", "a", "b"]
    assert "ZeroDivisionError" in heard[0]["error"]
    assert "sesame" not in str(heard)
    assert {one["run"] for one in heard} == {events.run}
    json.dumps(heard)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Session]:
    with connect(cfg.ClusterConfig(workers=2, dashboard="127.0.0.1:0")) as session:
        yield session


def fetch(session: Session, path: str) -> str:
    with urllib.request.urlopen(session.dashboard.replace("/status", path), timeout=10) as answer:
        return answer.read().decode()


def execute(session: Session, folder, events: Events | None = None):
    changes = {"train": {"lanes": 2, "round_batches": 2}, "data": {"path": str(folder), "label": "y"}}
    config = cfg.parse({**changes, "data": {**changes["data"], "batch_rows": 500}})
    monitor = Monitor(0.0, quiet=True)
    plan = make_plan(config)
    with forward_events(session.client, monitor.events) as problems:
        assert problems == []
        monitor.events.emit("run_started", name="told", batches=4, rows=2_000, lanes=2)
        outcome = run_stages(plan, session, monitor)
        monitor.events.emit("run_finished", metrics=outcome.metrics)
    return monitor.events.run, outcome


def state_of(session: Session, run: str, until=lambda state: state.status != "running") -> RunState:
    live = session.client.cluster.scheduler.plugins[NAME]
    deadline = time.monotonic() + 10
    while not until(live.runs[run]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return live.runs[run]


@pytest.mark.cluster
def test_the_scheduler_knows_what_the_report_will_say(cluster, folder):
    run, outcome = execute(cluster, folder)
    state = state_of(cluster, run)
    assert (state.status, state.metrics) == ("finished", outcome.metrics)
    assert [(name, stage.done) for name, stage in state.stages.items()] == [
        ("statistics", 4),
        ("train", 4),
        ("evaluate", 4),
    ]
    assert state.curve == outcome.training.progressive
    assert sum(worker.rows["statistics"] for worker in state.workers.values()) == 2_000
    assert sum(worker.batches["train"] for worker in state.workers.values()) == 4
    assert sum(worker.batches["evaluate"] for worker in state.workers.values()) == 4
    assert state.rejected == outcome.ledger.reasons
    assert state.retries == 0
    assert state_of(cluster, run, lambda state: state.kept == 0).kept == 0, "all batches were let go"


@pytest.mark.cluster
def test_prometheus_reads_the_same_figures_and_finds_the_workers(cluster, folder):
    run, outcome = execute(cluster, folder)
    state_of(cluster, run)
    found = {
        (sample.name, *(sample.labels[k] for k in ("stage", "metric", "task") if k in sample.labels)): sample.value
        for family in text_string_to_metric_families(fetch(cluster, "/metrics"))
        for sample in family.samples
        if sample.labels.get("run") == run
    }
    assert found["dask_pipeline_run_active",] == 0
    assert found["dask_pipeline_stage_batches_done", "train"] == 4
    assert found["dask_pipeline_test", "log_loss"] == outcome.metrics["log_loss"]
    assert found["dask_pipeline_progressive", "log_loss"] == outcome.training.progressive[-1]["log_loss"]
    targets = json.loads(fetch(cluster, "/pipeline/targets"))
    assert sorted(target["labels"]["worker"] for target in targets) == sorted(
        cluster.client.scheduler_info()["workers"]
    )
    for target in targets:
        with urllib.request.urlopen(f"http://{target['targets'][0]}/metrics", timeout=10) as answer:
            assert b"dask_worker_" in answer.read()


@pytest.mark.cluster
def test_a_run_that_fails_is_told_and_one_registered_again_keeps_what_was_known(cluster):
    events = Events()
    with pytest.raises(ValueError, match="gone"), forward_events(cluster.client, events):
        events.emit("run_started", name="fails")
        raise ValueError("all is gone")
    assert events.listeners == []
    state = state_of(cluster, events.run)
    assert (state.status, state.notes[-1]["error"]) == ("failed", "all is gone")
    with forward_events(cluster.client, Events()):
        assert events.run in cluster.client.cluster.scheduler.plugins[NAME].runs
    assert fetch(cluster, "/status").count('href="pipeline"') == 1


needs_browser = pytest.mark.skipif(browser.COMMAND is None, reason="Chromium is not installed")
# The page's text, the widths of its bars in percent, and how much of the plot is drawn, through Bokeh's shadow roots.
LOOK = """(() => {
  const all = root => [...root.querySelectorAll("*")].flatMap(e => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
  const found = all(document);
  const canvas = found.find(e => e.tagName === "CANVAS" && e.width > 100);
  let drawn = 0;
  if (canvas) {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < data.length; i += 4) drawn += data[i] === 59 && data[i + 1] === 130 && data[i + 2] === 246;
  }
  return JSON.stringify({
    text: found.filter(e => e.classList.contains("bk-clearfix")).map(e => e.innerText).join(" "),
    bars: found.filter(e => e.classList.contains("fill")).map(e => parseFloat(e.style.width)),
    drawn,
    lost: !document.querySelector(".lost").hidden,
  });
})()"""


async def watch_page(port: int, url: str, dark: bool, tell) -> list[dict]:
    """What the page shows after each of the steps that ``tell`` takes."""
    page, seen = await browser.open_page(port), []
    await page.look(url, 1280, dark, "Object.keys(Bokeh.index).length > 0")
    for step in tell:
        step()
        await asyncio.sleep(2.5)
        seen.append(json.loads(await page.value(LOOK)))
    # How the test looks, and that the page looks for a scheduler which is gone, are no errors of the page.
    expected = ("getImageData", "ERR_CONNECTION_REFUSED")
    assert [error for error in page.errors if not any(text in error for text in expected)] == []
    return seen


def steps(session: Session, run: str) -> list:
    def tell(what, /, **fields):
        session.client.log_event(TOPIC, {**event(what, **fields), "run": run, "time": time.time()})

    def begin():
        tell("run_started", name="<b>shown</b>", batches=8, rows=800, lanes=1)
        tell("stage_started", stage="train", batches=8)
        tell("progress", stage="train", done=2, rows=200)

    def go_on():
        tell("progress", stage="train", done=6, rows=600)
        points = [{"rows": 100.0 * i, "log_loss": 1 / i} for i in range(1, 7)]
        tell("round_finished", rounds=1, rows=600, progressive=points)
        tell("rows_counted", rejected={"label missing": 7}, set_aside=[{"where": "batch 3", "reason": "is bad"}])

    return [begin, go_on]


def check_steps(seen: list[dict]) -> None:
    assert [step["bars"] for step in seen] == [[25.0], [75.0]]
    assert "<b>shown</b>" in seen[0]["text"]
    assert "7 rows" in seen[1]["text"]
    assert "is bad" in seen[1]["text"]
    assert seen[0]["drawn"] == 0
    assert seen[1]["drawn"] > 100


@pytest.mark.browser
@pytest.mark.cluster
@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_sees_bars_move_and_a_curve_grow(cluster, dark):
    with forward_events(cluster.client, Events()), browser.chromium() as port:
        url = cluster.dashboard.replace("/status", "/pipeline")
        check_steps(asyncio.run(watch_page(port, url, dark, steps(cluster, f"seen{dark}"))))


@pytest.mark.browser
@pytest.mark.cluster
@needs_browser
def test_a_browser_sees_the_trials_of_a_search(cluster, folder, tmp_path):
    """Before the run ends, the best first, as the report has them."""
    space = {"model.params.learning_rate": [1e-4, 0.1], "train.lanes": [1, 2]}
    raw = {"data": {"path": str(folder), "label": "y"}, "search": {"space": space, "method": "grid"}}
    monitor, found = Monitor(0.0, quiet=True), []
    plan = make_plan(cfg.parse(raw))

    def search():
        monitor.events.emit("run_started", name="searching", batches=4, rows=2_000, lanes=1)
        found.append(HyperparameterSearch(plan, cluster, monitor, RunFolder(str(tmp_path / "run")), lambda: None).run())

    with forward_events(cluster.client, monitor.events), browser.chromium() as port:
        url = cluster.dashboard.replace("/status", "/pipeline")
        (seen,) = asyncio.run(watch_page(port, url, False, [search]))
    trials = sorted(found[0].report["trials"], key=lambda trial: (trial["score"], trial["trial"]))
    told = [
        (
            f"learning_rate {values['model.params.learning_rate']}, lanes {values['train.lanes']}",
            f"{trial['score']:.5f}",
        )
        for trial in trials
        for values in [trial["values"]]
    ]
    place = seen["text"].index("Trials")
    for word in itertools.chain(*told):
        place = seen["text"].index(word, place)
    assert seen["bars"] == [100.0]


@pytest.fixture
def remote(tmp_path) -> Iterator[str]:
    """A scheduler and a worker of their own, away from the code."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    file = tmp_path / "scheduler.json"

    def dask(service: str, *options: str) -> subprocess.Popen:
        command = [sys.executable, "-P", "-m", f"distributed.cli.dask_{service}", "--scheduler-file", str(file)]
        return subprocess.Popen([*command, *options], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)

    started = [
        dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0"),
        dask("worker", "--nthreads", "1", "--no-dashboard", "--no-nanny"),
    ]
    try:
        while not file.exists():
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"]
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


@pytest.mark.browser
@pytest.mark.cluster
@needs_browser
def test_a_scheduler_elsewhere_shows_the_same_page(remote):
    with (
        connect(cfg.ClusterConfig(scheduler=remote)) as session,
        forward_events(session.client, Events()) as problems,
        browser.chromium() as port,
    ):
        assert problems == []
        url = session.dashboard.replace("/status", "/pipeline")
        *seen, last = asyncio.run(watch_page(port, url, False, [*steps(session, "elsewhere"), session.client.shutdown]))
        check_steps(seen)
        assert [step["lost"] for step in (*seen, last)] == [False, False, True]
        assert last["bars"] == [75.0], "what was seen last stays"


def test_a_scheduler_that_cannot_take_the_plugin_is_a_notice_and_no_error():
    class Old:
        def register_plugin(self, plugin, name):
            raise ModuleNotFoundError("No module named 'pipeline'")

    events = Events()
    with forward_events(Old(), events) as problems:
        assert problems == ["ModuleNotFoundError: No module named 'pipeline'"]
        events.emit("run_started")
