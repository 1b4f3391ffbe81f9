"""The page on Dask's dashboard: its curve, and what a real browser shows."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session, connect
from pipeline.engine.event_forwarding import forward_events
from pipeline.io.run_folder import RunFolder
from pipeline.model_selection.search import HyperparameterSearch
from pipeline.monitoring.dashboard.page import Page, smooth_curve
from pipeline.monitoring.dashboard.plugin import TOPIC
from pipeline.monitoring.dashboard.state import RunState
from pipeline.monitoring.events import Events
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from tests import browser
from tests.builders import make_config
from tests.monitoring.dashboard.conftest import make_event


def test_curve_is_the_mean_of_the_last_tenth():
    points = [{"rows": float(n), "log_loss": n / 1_000} for n in range(1_000)]
    metric, rows, losses = smooth_curve(points)
    assert (metric, rows) == ("log_loss", [point["rows"] for point in points])
    assert losses[-1] == pytest.approx(sum(point["log_loss"] for point in points[-100:]) / 100)


def test_curve_without_points_is_empty():
    assert smooth_curve([]) == ("loss", [], [])


def test_page_shows_no_run_then_the_first_run_and_problems():
    """Every template is rendered, in which an unknown name is an error."""
    runs: dict[str, RunState] = {}
    page = Page(runs, ["metrics: ImportError: no prometheus"])
    page.update()
    assert "No run yet" in page.progress.text
    assert "Cannot be served: metrics: ImportError: no prometheus" in page.progress.text
    state = runs["0a1b2c3d"] = RunState("0a1b2c3d")
    quarantined = [{"where": "batch 3", "reason": "is <bad>"}]
    for event in (
        make_event("run_started", name="<b>shown</b>", batches=8, rows=800, lanes=2),
        make_event("stage_started", stage="train", batches=8),
        make_event("progress", stage="train", done=2, rows=200),
        make_event("rows_counted", rejected={"label missing": 7}, set_aside=quarantined),
        make_event("worker_logged", level="warning", line="careful"),
    ):
        state.apply(event)
    state.task_done("train", "0-0-1-0", 2, 200, "tcp://a", time.time())
    state.apply(
        make_event("trial_scored", trial=0, share=0.5, loss=0.4, score=0.4, metric="log_loss", values={"a.b": 1})
    )
    page.update()
    assert "&lt;b&gt;shown&lt;/b&gt;" in page.progress.text
    assert "<b>1</b>batches quarantined" in page.progress.text
    assert "2 of 8 batches" in page.progress.text
    assert "Nothing so far" in page.legend.text
    assert not page.plot.visible
    for text in ("tcp://a", "label missing", "7 rows", "is &lt;bad&gt;", "line careful", "<td>0</td>", "0.40000"):
        assert text in page.details.text
    state.apply(make_event("round_finished", rounds=1, rows=600, progressive=[{"rows": 100.0, "log_loss": 1.0}]))
    state.apply(make_event("epoch_validated", figures={"rows": 600.0, "log_loss": 0.9}))
    state.apply(make_event("run_finished", metrics={"log_loss": 0.25}))
    page.update()
    assert page.plot.visible
    assert list(page.validation_points.data["loss"]) == [0.9]
    assert "validation" in page.legend.text
    assert "<b>0.2500</b>log_loss" in page.progress.text


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


async def watch_page(port: int, url: str, dark: bool, steps) -> list[dict]:
    """What the page shows after each of the steps."""
    page, seen = await browser.open_page(port), []
    await page.look(url, 1280, dark, "Object.keys(Bokeh.index).length > 0")
    for step in steps:
        step()
        await asyncio.sleep(2.5)
        seen.append(json.loads(await page.value(LOOK)))
    # The test itself causes the first; the page looks for a lost scheduler, which causes the second.
    expected = ("getImageData", "ERR_CONNECTION_REFUSED")
    assert [error for error in page.errors if not any(text in error for text in expected)] == []
    return seen


def run_steps(session: Session, run: str) -> list:
    def emit(name, /, **fields):
        session.client.log_event(TOPIC, {**make_event(name, **fields), "run": run, "time": time.time()})

    def begin():
        emit("run_started", name="<b>shown</b>", batches=8, rows=800, lanes=1)
        emit("stage_started", stage="train", batches=8)
        emit("progress", stage="train", done=2, rows=200)

    def go_on():
        emit("progress", stage="train", done=6, rows=600)
        points = [{"rows": 100.0 * i, "log_loss": 1 / i} for i in range(1, 7)]
        emit("round_finished", rounds=1, rows=600, progressive=points)
        emit("rows_counted", rejected={"label missing": 7}, set_aside=[{"where": "batch 3", "reason": "is bad"}])

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
def test_browser_shows_bars_that_move_and_a_curve_that_grows(cluster, dark):
    with forward_events(cluster.client, Events()), browser.chromium() as port:
        url = cluster.dashboard.replace("/status", "/pipeline")
        check_steps(asyncio.run(watch_page(port, url, dark, run_steps(cluster, f"seen{dark}"))))


@pytest.mark.browser
@pytest.mark.cluster
@needs_browser
def test_browser_shows_the_trials_of_a_search_the_best_first(cluster, folder, tmp_path):
    space = {"model.params.learning_rate": [1e-4, 0.1], "train.lanes": [1, 2]}
    monitor, results = Monitor(quiet=True), []
    plan = make_plan(make_config(folder, search={"space": space, "method": "grid"}))

    def search():
        monitor.events.emit("run_started", name="searching", batches=4, rows=2_000, lanes=1)
        results.append(
            HyperparameterSearch(plan, cluster, monitor, RunFolder(str(tmp_path / "run")), lambda: None).run()
        )

    with forward_events(cluster.client, monitor.events), browser.chromium() as port:
        url = cluster.dashboard.replace("/status", "/pipeline")
        (seen,) = asyncio.run(watch_page(port, url, False, [search]))
    trials = sorted(results[0].report["trials"], key=lambda trial: (trial["score"], trial["trial"]))
    lines = [
        (
            f"learning_rate {values['model.params.learning_rate']}, lanes {values['train.lanes']}",
            f"{trial['score']:.5f}",
        )
        for trial in trials
        for values in [trial["values"]]
    ]
    position = seen["text"].index("Trials")
    for word in itertools.chain(*lines):
        position = seen["text"].index(word, position)
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
def test_remote_scheduler_shows_the_same_page_and_its_loss(remote):
    with (
        connect(cfg.ClusterConfig(scheduler=remote)) as session,
        forward_events(session.client, Events()) as problems,
        browser.chromium() as port,
    ):
        assert problems == []
        url = session.dashboard.replace("/status", "/pipeline")
        *seen, last = asyncio.run(
            watch_page(port, url, False, [*run_steps(session, "elsewhere"), session.client.shutdown])
        )
        check_steps(seen)
        assert [step["lost"] for step in (*seen, last)] == [False, False, True]
        assert last["bars"] == [75.0], "what was seen last stays"
