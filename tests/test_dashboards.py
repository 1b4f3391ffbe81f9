"""The Grafana boards agree with the metrics: a real Prometheus answers every query of every panel."""

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
from tests.builders import make_config, make_table, write_parquet

HERE = Path(__file__).parent.parent / "dashboards"
BOARDS = sorted((HERE / "grafana/dashboards").glob("*.json"))
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
needs_prometheus = pytest.mark.skipif(
    not (PROMETHEUS and PROMTOOL), reason="Prometheus is not installed: apt-get install prometheus"
)
# Prometheus's own metric of every process.
BUILTIN = {"up"}


def board(path: Path) -> dict:
    return json.loads(path.read_text())


def queries(path: Path) -> Iterator[tuple[str, str]]:
    """The title and the query of each panel and each variable that queries Prometheus."""
    for panel in board(path)["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in board(path)["templating"]["list"]:
        if variable["type"] == "query":
            yield f"${variable['name']}", variable["query"]["query"]


def metric_names(query: str) -> set[str]:
    """The names of the metrics of a query."""
    return set(re.findall(r"\b(?:dask|process)_\w+|\bup\b", re.sub(r"\{[^}]*\}", "", query)))


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_board_is_complete_and_its_panels_do_not_overlap(path):
    content = board(path)
    assert path.stem == content["uid"]
    assert len({panel["id"] for panel in content["panels"]}) == len(content["panels"])
    taken_cells: set[tuple[int, int]] = set()
    for panel in content["panels"]:
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        position = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(position["x"], position["x"] + position["w"])
            for y in range(position["y"], position["y"] + position["h"])
        }
        assert not cells & taken_cells, panel["title"]
        assert position["x"] + position["w"] <= 24
        taken_cells |= cells
        if panel["type"] == "timeseries":
            assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]
    variables = {variable["name"] for variable in content["templating"]["list"]} | {
        "__rate_interval",
        "__range",
        "__all",
    }
    assert set(re.findall(r"\$\{?(\w+)", path.read_text())) <= variables
    boards = {board(p)["uid"] for p in BOARDS}
    assert {link["url"].removeprefix("/d/") for link in content["links"]} <= boards


def test_runs_are_chosen_by_name_the_latest_first():
    (run,) = (v for v in board(HERE / "grafana/dashboards/pipeline.json")["templating"]["list"] if v["name"] == "run")
    pattern = run["regex"].strip("/").replace("(?<", "(?P<")
    row = '{instance="127.0.0.1:8787", job="dask-scheduler", name="my-run", run="0a1b2c3d"} 1795565771.3 1795565800000'
    match = re.search(pattern, row)
    assert match
    assert match.groupdict() == {"text": "my-run", "value": "0a1b2c3d"}
    assert run["query"]["query"].startswith("query_result(sort_desc(")


def test_compose_file_starts_fixed_versions_with_files_that_exist():
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


def fetch(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}", timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture(scope="module")
def cluster_and_run(tmp_path_factory) -> Iterator[tuple[Session, str]]:
    """A cluster, and a run that it has finished, some of whose rows were rejected."""
    frame = make_table(2_000)
    frame["y"] = frame["y"].where(frame["n"] < 45)
    folder = write_parquet(frame, tmp_path_factory.mktemp("dashboards") / "data", 4)
    train = {"early_stopping": "validation", "epochs": 2, "lanes": 2, "round_batches": 2}
    config = make_config(folder, data={"batch_rows": "file"}, train=train)
    monitor = Monitor(quiet=True)
    with connect(cfg.ClusterConfig(workers=1, dashboard="127.0.0.1:0")) as session:
        with forward_events(session.client, monitor.events) as problems:
            assert problems == []
            monitor.events.emit("run_started", name="seen", batches=4, rows=2_000, lanes=2)
            outcome = run_stages(make_plan(config), session, monitor)
            monitor.events.emit("run_finished", metrics=outcome.metrics)
        yield session, monitor.events.run


def served_metrics(address: str) -> set[str]:
    """The names of the metrics at an address, also of those without a sample yet."""
    families = text_string_to_metric_families(fetch(f"{address}/metrics"))
    return {family.name + ("_total" if family.type == "counter" else "") for family in families}


@pytest.mark.cluster
def test_every_metric_of_a_board_is_served(cluster_and_run):
    session, _ = cluster_and_run
    address = urllib.parse.urlsplit(session.dashboard).netloc
    served = served_metrics(address) | BUILTIN
    for target in json.loads(fetch(f"{address}/pipeline/targets")):
        served |= served_metrics(target["targets"][0])
    shown = {name for path in BOARDS for _, query in queries(path) for name in metric_names(query)}
    assert len(shown) > 25
    assert shown <= served
    ours = {name for name in served if name.startswith("dask_pipeline_")}
    redundant = {"dask_pipeline_batches_total", "dask_pipeline_stage_active", "dask_pipeline_worker_batches_total"}
    assert ours - shown == redundant, "boards show all our metrics, except those that repeat another"


def unused_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@contextlib.contextmanager
def prometheus(config: Path) -> Iterator[str]:
    """Start Prometheus with a config; yield its address."""
    address = f"127.0.0.1:{unused_port()}"
    options = [f"--storage.tsdb.path={config.parent}/storage", f"--web.listen-address={address}", "--log.level=warn"]
    process = subprocess.Popen([str(PROMETHEUS), f"--config.file={config}", *options], stderr=subprocess.DEVNULL)
    try:
        yield address
    finally:
        process.terminate()
        process.wait()


def run_query(address: str, query: str) -> list:
    with contextlib.suppress(OSError):
        return json.loads(fetch(f"{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"))["data"]["result"]
    return []


@pytest.mark.cluster
@needs_prometheus
def test_every_query_of_every_panel_has_an_answer(cluster_and_run, tmp_path):
    session, run = cluster_and_run
    subprocess.run([str(PROMTOOL), "check", "config", HERE / "prometheus.yml"], check=True, capture_output=True)
    shipped = (HERE / "prometheus.yml").read_text()
    assert shipped.count("127.0.0.1:8787") == 3, "in both targets, and in the comment about them"
    # With the address replaced, as the README says, and scraped more often, so that there is a rate soon.
    text = shipped.replace("127.0.0.1:8787", urllib.parse.urlsplit(session.dashboard).netloc).replace(": 5s", ": 1s")
    (tmp_path / "prometheus.yml").write_text(text)
    values = {
        **{"$run": run, "$worker": ".*", "$metric": "log_loss"},
        **{"$__rate_interval": "10s", "$__range": "30s", " or vector(0)": ""},
    }
    waiting = set()
    for path in BOARDS:
        for title, query in queries(path):
            for name, value in values.items():
                query = query.replace(name, value)
            bare_query = re.sub(r"^query_result\((.*)\)$", r"\1", query)
            waiting.add((path.stem, title, re.sub(r"^label_values\((.*), \w+\)$", r"\1", bare_query)))
    with prometheus(tmp_path / "prometheus.yml") as address:
        deadline = time.monotonic() + 40
        answers: dict = {}
        while waiting and time.monotonic() < deadline:
            time.sleep(0.5)
            answers |= {panel: samples for panel in waiting if (samples := run_query(address, panel[2]))}
            waiting -= answers.keys()
        assert not waiting
    by_title = {title: samples for (_, title, _), samples in answers.items()}
    assert [float(sample["value"][1]) for sample in by_title["Processes that do not answer"]] == [0.0]
    assert [float(sample["value"][1]) for sample in by_title["Run"]] == [0.0]
    assert {sample["metric"]["stage"]: float(sample["value"][1]) for sample in by_title["Progress of the stages"]} == {
        "statistics": 1.0,
        "train": 1.0,
        "evaluate": 1.0,
    }
    assert float(by_title["Rows rejected"][0]["value"][1]) > 0
