"""The Grafana dashboards ask for what is there: every query of every panel, answered by a real Prometheus."""

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from pipeline import config as cfg
from pipeline.engine.cluster.session import Session, connect
from pipeline.engine.event_forwarding import forward_events
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.training.run_stages import run_stages
from tests.conftest import table, write

HERE = Path(__file__).parent.parent / "dashboards"
BOARDS = sorted((HERE / "grafana/dashboards").glob("*.json"))
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
needs_prometheus = pytest.mark.skipif(
    not (PROMETHEUS and PROMTOOL), reason="Prometheus is not installed: apt-get install prometheus"
)
# What Prometheus itself says of every process.
BUILTIN = {"up"}


def board(path: Path) -> dict:
    return json.loads(path.read_text())


def queries(path: Path) -> Iterator[tuple[str, str]]:
    """Of each panel and each variable that asks Prometheus."""
    for panel in board(path)["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in board(path)["templating"]["list"]:
        if variable["type"] == "query":
            yield f"${variable['name']}", variable["query"]["query"]


def names(query: str) -> set[str]:
    """The metrics of a query."""
    return set(re.findall(r"\b(?:dask|process)_\w+|\bup\b", re.sub(r"\{[^}]*\}", "", query)))


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_board_is_tidy(path):
    found = board(path)
    assert path.stem == found["uid"]
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in found["panels"]:
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
        if panel["type"] == "timeseries":
            assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]
    known = {variable["name"] for variable in found["templating"]["list"]} | {"__rate_interval", "__range", "__all"}
    assert set(re.findall(r"\$\{?(\w+)", path.read_text())) <= known
    other = {board(p)["uid"] for p in BOARDS}
    assert {link["url"].removeprefix("/d/") for link in found["links"]} <= other


def test_the_run_is_chosen_by_name_and_the_latest_comes_first():
    (run,) = (v for v in board(HERE / "grafana/dashboards/pipeline.json")["templating"]["list"] if v["name"] == "run")
    pattern = run["regex"].strip("/").replace("(?<", "(?P<")
    row = '{instance="127.0.0.1:8787", job="dask-scheduler", name="my-run", run="0a1b2c3d"} 1795565771.3 1795565800000'
    found = re.search(pattern, row)
    assert found
    assert found.groupdict() == {"text": "my-run", "value": "0a1b2c3d"}
    assert run["query"]["query"].startswith("query_result(sort_desc(")


def test_one_command_starts_both_of_a_fixed_version_with_the_files_that_are_here():
    services = yaml.safe_load((HERE / "compose.yml").read_text())["services"]
    assert set(services) == {"prometheus", "grafana"}
    for service in services.values():
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", service["image"])
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (HERE / source).exists(), volume
    assert "--web.listen-address=127.0.0.1:9090" in services["prometheus"]["command"]
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    (source,) = yaml.safe_load((HERE / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://127.0.0.1:9090"
    scrape = yaml.safe_load((HERE / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scrape
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (HERE / "grafana/dashboards" / Path(home).name).exists()


def read(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}", timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> Iterator[tuple[Session, str]]:
    """A cluster that has run a pipeline, some of whose rows were rejected; the run."""
    frame = table(2_000)
    frame["y"] = frame["y"].where(frame["n"] < 45)
    folder = write(frame, tmp_path_factory.mktemp("seen") / "data", 4)
    config = cfg.parse(
        {
            "data": {"path": str(folder), "label": "y", "batch_rows": "file"},
            "train": {"early_stopping": "validation", "epochs": 2, "lanes": 2, "round_batches": 2},
        }
    )
    monitor = Monitor(quiet=True)
    with connect(cfg.ClusterConfig(workers=1, dashboard="127.0.0.1:0")) as session:
        with forward_events(session.client, monitor.events) as problems:
            assert problems == []
            monitor.events.emit("run_started", name="seen", batches=4, rows=2_000, lanes=2)
            outcome = run_stages(make_plan(config), session, monitor)
            monitor.events.emit("run_finished", metrics=outcome.metrics)
        yield session, monitor.events.run


def exposed(address: str) -> set[str]:
    """Names of samples, and of those that are there without one yet."""
    found = set()
    for family in text_string_to_metric_families(read(f"{address}/metrics")):
        found |= {family.name + ("_total" if family.type == "counter" else "")}
    return found


@pytest.mark.cluster
def test_every_metric_that_a_board_names_is_served(seen):
    session, _ = seen
    address = urllib.parse.urlsplit(session.dashboard).netloc
    there = exposed(address) | BUILTIN
    for target in json.loads(read(f"{address}/pipeline/targets")):
        there |= exposed(target["targets"][0])
    asked = {name for path in BOARDS for _, query in queries(path) for name in names(query)}
    assert len(asked) > 25
    assert asked <= there
    ours = {name for name in there if name.startswith("dask_pipeline_")}
    unseen = {"dask_pipeline_batches_total", "dask_pipeline_stage_active", "dask_pipeline_worker_batches_total"}
    assert ours - asked == unseen, "a board shows what we serve, but for what says the same in another way"


def free() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextlib.contextmanager
def prometheus(config: Path) -> Iterator[str]:
    """A Prometheus with this config; its address."""
    address = f"127.0.0.1:{free()}"
    options = [f"--storage.tsdb.path={config.parent}/kept", f"--web.listen-address={address}", "--log.level=warn"]
    process = subprocess.Popen([str(PROMETHEUS), f"--config.file={config}", *options], stderr=subprocess.DEVNULL)
    try:
        yield address
    finally:
        process.terminate()
        process.wait()


def ask(address: str, query: str) -> list:
    with contextlib.suppress(OSError):
        return json.loads(read(f"{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"))["data"]["result"]
    return []


@pytest.mark.cluster
@needs_prometheus
def test_every_query_of_every_panel_has_an_answer(seen, tmp_path):
    session, run = seen
    subprocess.run([str(PROMTOOL), "check", "config", HERE / "prometheus.yml"], check=True, capture_output=True)
    shipped = (HERE / "prometheus.yml").read_text()
    assert shipped.count("127.0.0.1:8787") == 3, "in a comment, and in both places that it speaks of"
    # As its README says; and scraped more often, so that a rate is known soon.
    text = shipped.replace("127.0.0.1:8787", urllib.parse.urlsplit(session.dashboard).netloc).replace(": 5s", ": 1s")
    (tmp_path / "prometheus.yml").write_text(text)
    values = {
        **{"$run": run, "$worker": ".*", "$metric": "log_loss"},
        **{"$__rate_interval": "10s", "$__range": "30s", " or vector(0)": ""},
    }
    waiting = {}
    for path in BOARDS:
        for title, query in queries(path):
            for name, value in values.items():
                query = query.replace(name, value)
            asked = re.sub(r"^query_result\((.*)\)$", r"\1", query)
            waiting[path.stem, title, re.sub(r"^label_values\((.*), \w+\)$", r"\1", asked)] = []
    with prometheus(tmp_path / "prometheus.yml") as address:
        deadline = time.monotonic() + 40
        answers: dict = {}
        while waiting and time.monotonic() < deadline:
            time.sleep(0.5)
            answers |= {one: found for one in waiting if (found := ask(address, one[2]))}
            waiting = {one: found for one, found in waiting.items() if one not in answers}
        assert not waiting
    by_title = {title: found for (_, title, _), found in answers.items()}
    assert [float(found["value"][1]) for found in by_title["Processes that do not answer"]] == [0.0]
    assert [float(found["value"][1]) for found in by_title["Run"]] == [0.0]
    assert {found["metric"]["stage"]: float(found["value"][1]) for found in by_title["Progress of the stages"]} == {
        "statistics": 1.0,
        "train": 1.0,
        "evaluate": 1.0,
    }
    assert float(by_title["Rows rejected"][0]["value"][1]) > 0
