"""One config, unchanged, from threads to three hosts, with data on an S3 server: row 32, the same bits everywhere."""

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.builders import make_table, write_parquet
from tests.faults.network import Network, Unavailable

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 180
LONG = "FAULTS_LONG" in os.environ
# Each process imports everything again, which takes half a minute for each of these tests on two cores.
slow = pytest.mark.skipif(not LONG, reason="minutes; FAULTS_LONG=1 runs it")

CONFIG = """
[data]
path = "s3://bucket/data"
label = "y"
batch_rows = 300
keep = "reread"
[data.storage_options]
key = "${S3_KEY}"
secret = "${S3_SECRET}"
client_kwargs = { endpoint_url = "${S3_ENDPOINT}" }
[prepare]
function = "tests.faults.user_code:slow"
[train]
lanes = 2
round_batches = 2
[cluster]
timeout = 60
dashboard = "127.0.0.1:0"
"""
SHORT_TIMEOUTS = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "11s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "20s",
}


class Launcher:
    """Starts processes in a folder with the config; they end with the test."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack):
        self.folder, self._stack = folder, stack
        folder.joinpath("c.toml").write_text(CONFIG)

    def start(self, *command: str, name: str, within: tuple[str, ...] = (), **environment: str) -> subprocess.Popen:
        """Start a process; its output is in the file ``name``.log."""
        log = self._stack.enter_context((self.folder / f"{name}.log").open("w"))
        path = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [*within, sys.executable, "-m", *command],
            cwd=self.folder,
            env=os.environ | path | environment,
            stdout=log,
            stderr=log,
        )

        def end() -> None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

        self._stack.callback(end)
        return process

    def output(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def wait_until(self, condition: Callable[[], bool], failure: str) -> None:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, failure
            time.sleep(0.1)

    def start_s3(self, host: str, data: Path, within: tuple[str, ...] = ()) -> dict[str, str]:
        """Start an S3 server with the data; return the environment by which the config finds it."""
        self.start("tests.faults.s3_server", host, str(data), name="s3", within=within)
        self.wait_until(lambda: "S3 at" in self.output("s3"), "no S3")
        endpoint = self.output("s3").partition("S3 at ")[2].strip()
        return {"S3_KEY": "k", "S3_SECRET": "s", "S3_ENDPOINT": endpoint}

    def run(self, name: str, *options: str, within: tuple[str, ...] = (), **environment: str) -> str:
        """Run the config; return the model's fingerprint."""
        out = ("--out", name, "--log", f"{name}.jsonl")
        process = self.start("pipeline", "run", "c.toml", *out, *options, name=name, within=within, **environment)
        assert process.wait(TIMEOUT_SECONDS) == 0, self.output(name)
        report = json.loads((self.folder / name / "report.json").read_text())
        return str(report["model"]["fingerprint"])


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    return write_parquet(make_table(1_200), tmp_path_factory.mktemp("hosts") / "data", 4)


@pytest.fixture
def launcher(tmp_path) -> Iterator[Launcher]:
    with contextlib.ExitStack() as stack:
        yield Launcher(tmp_path, stack)


@pytest.fixture(scope="module")
def expected(rows, tmp_path_factory) -> str:
    """The fingerprint of a run on threads, without a cluster."""
    with contextlib.ExitStack() as stack:
        launcher = Launcher(tmp_path_factory.mktemp("threads"), stack)
        return launcher.run("threads", "--workers", "0", **launcher.start_s3("127.0.0.1", rows))


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def tls(tmp_path_factory) -> dict[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    common = ("-newkey", "rsa:2048", "-nodes", "-keyout")
    openssl(folder, "req", "-x509", *common, "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    openssl(folder, "req", *common, "node.key", "-out", "node.csr", "-subj", "/CN=node")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    openssl(folder, "x509", "-req", "-in", "node.csr", *signed, "-out", "node.pem", "-days", "2")
    return {"ca": str(folder / "ca.pem"), "cert": str(folder / "node.pem"), "key": str(folder / "node.key")}


def dask_options(tls: dict[str, str]) -> list[str]:
    return [part for kind, path in tls.items() for part in (f"--tls-{'ca-file' if kind == 'ca' else kind}", path)]


def pipeline_options(tls: dict[str, str]) -> list[str]:
    return [part for kind, path in tls.items() for part in ("--set", f"cluster.tls_{kind}={path}")]


def start_cluster(
    launcher: Launcher,
    tls: dict[str, str],
    scheduler: str,
    port: int,
    workers: list[str],
    prefix: Callable[[str], tuple[str, ...]],
) -> str:
    """Start a scheduler and workers, each on its host; return the scheduler's address.

    ``prefix`` returns what stands before a command that runs on a host.
    """
    certificates = [*dask_options(tls), "--no-dashboard"]
    listen = ("--host", f"tls://{scheduler}", "--port", str(port))
    launcher.start(
        "distributed.cli.dask_scheduler",
        *listen,
        *certificates,
        name="scheduler",
        within=prefix(scheduler),
        **SHORT_TIMEOUTS,
    )
    address = f"tls://{scheduler}:{port}"
    launcher.wait_until(lambda: "Scheduler at" in launcher.output("scheduler"), "no scheduler")
    for i, host in enumerate(workers):
        options = ("--nthreads", "1", "--host", f"tls://{host}", *certificates)
        launcher.start(
            "distributed.cli.dask_worker", address, *options, name=f"worker-{i}", within=prefix(host), **SHORT_TIMEOUTS
        )
    return address


@pytest.fixture
def network() -> Iterator[Network]:
    """Hosts 10.99.0.1 to 3, with 20 ms and 1% loss between any two."""
    with contextlib.ExitStack() as stack:
        try:
            network = stack.enter_context(Network([f"10.99.0.{i}" for i in (1, 2, 3)], latency=0.02, loss=0.01))
        except Unavailable as error:
            pytest.skip(f"no network namespaces here: {error}")
        yield network


def ping_seconds(network: Network, count: int) -> list[float]:
    """Seconds of each answer of the second host to the first."""
    ping = [*network.within("10.99.0.1"), sys.executable, "-m", "tests.faults.ping", "10.99.0.2", str(count)]
    return json.loads(subprocess.run(ping, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def test_network_delays_and_loses_packets_and_can_be_cut(network):
    seconds = ping_seconds(network, 500)
    assert 0.04 <= median(seconds) < 0.06
    # Of some 1,000 packets, there and back: 3 standard deviations around 10.
    assert 1 <= network.lost <= 20
    assert len(seconds) == 500 - network.lost
    network.cut("10.99.0.2")
    assert ping_seconds(network, 20) == []
    network.mend("10.99.0.2")
    assert len(ping_seconds(network, 20)) >= 15


@slow
@pytest.mark.timeout(400)
def test_row_32_three_hosts_of_which_one_is_cut_off_same_bits(launcher, rows, expected, tls, network):
    on_first_host = network.within("10.99.0.1")
    environment = launcher.start_s3("10.99.0.1", rows, within=on_first_host)
    address = start_cluster(launcher, tls, "10.99.0.1", 8786, ["10.99.0.2", "10.99.0.3"], network.within)

    def cut() -> None:
        events = launcher.folder / "hosts.jsonl"
        launcher.wait_until(lambda: events.exists() and '"stage": "train"' in events.read_text(), "no training")
        network.cut("10.99.0.3")
        time.sleep(30)
        network.mend("10.99.0.3")

    cutter = threading.Thread(target=cut, daemon=True)
    cutter.start()
    options = ("--scheduler", address, "--workers", "2", *pipeline_options(tls))
    assert launcher.run("hosts", *options, within=on_first_host, **environment) == expected
    cutter.join(60)
    assert network.lost > 0
    removed = [line for line in launcher.output("scheduler").splitlines() if "Remove worker" in line]
    assert any("10.99.0.3" in line for line in removed), "the scheduler has noticed the cut"


@slow
@pytest.mark.timeout(400)
def test_config_runs_unchanged_on_a_local_cluster_and_on_a_tls_scheduler(
    launcher, rows, expected, tls, unused_tcp_port
):
    environment = launcher.start_s3("127.0.0.1", rows)
    address = start_cluster(launcher, tls, "127.0.0.1", unused_tcp_port, ["127.0.0.1"] * 2, lambda host: ())
    assert launcher.run("local", "--workers", "2", **environment) == expected
    assert launcher.run("tls", "--scheduler", address, *pipeline_options(tls), **environment) == expected


@slow
@pytest.mark.timeout(400)
def test_config_runs_unchanged_over_ssh(launcher, rows, expected, unused_tcp_port):
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None or importlib.util.find_spec("asyncssh") is None:
        pytest.skip("needs sshd (openssh-server) and the package asyncssh")
    folder, port = launcher.folder, unused_tcp_port
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    public = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known").write_text(f"[127.0.0.1]:{port} {public}\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "sshd").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
    )
    daemon = subprocess.Popen([sshd, "-D", "-f", str(folder / "sshd")])
    try:
        environment = launcher.start_s3("127.0.0.1", rows)
        options = {
            "hosts": ["127.0.0.1"] * 3,
            "remote_python": sys.executable,
            "worker_options": {"nthreads": 1},
            "scheduler_options": {"host": "127.0.0.1", "port": 0, "dashboard": False},
            "connect_options": {
                "port": port,
                "username": os.environ.get("USER", "root"),
                "client_keys": [str(folder / "user")],
                "known_hosts": str(folder / "known"),
            },
        }
        inline = toml_inline(options)
        sets = ("--scheduler", "distributed:SSHCluster", "--set", f"cluster.options={inline}")
        assert launcher.run("ssh", *sets, **environment) == expected
    finally:
        daemon.kill()
        daemon.wait()


def toml_inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_inline(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)
