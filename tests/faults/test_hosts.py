"""One config file, unchanged, from threads to three hosts, its data on an S3: row 32, and the same bits everywhere."""

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

from tests.conftest import table, write
from tests.faults.network import Network, Unavailable

ROOT = Path(__file__).parents[2]
SECONDS = 180
LONG = "FAULTS_LONG" in os.environ
# Each process imports everything anew: half a minute for each of these on two cores.
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
IMPATIENT = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "11s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "20s",
}


class Place:
    """Where processes run: a folder with the config, a prefix to commands, and the address of an S3."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack):
        self.folder, self._stack = folder, stack
        folder.joinpath("c.toml").write_text(CONFIG)

    def begin(self, *command: str, name: str, within: tuple[str, ...] = (), **environment: str) -> subprocess.Popen:
        """A process that ends with the test; what it says is in the file ``name``.log."""
        output = self._stack.enter_context((self.folder / f"{name}.log").open("w"))
        path = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            [*within, sys.executable, "-m", *command],
            cwd=self.folder,
            env=os.environ | path | environment,
            stdout=output,
            stderr=output,
        )

        def end() -> None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

        self._stack.callback(end)
        return process

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def until(self, true: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < deadline, what
            time.sleep(0.1)

    def s3(self, host: str, data: Path, within: tuple[str, ...] = ()) -> dict[str, str]:
        """The environment by which the config finds it."""
        self.begin("tests.faults.s3_server", host, str(data), name="s3", within=within)
        self.until(lambda: "S3 at" in self.said("s3"), "no S3")
        endpoint = self.said("s3").partition("S3 at ")[2].strip()
        return {"S3_KEY": "k", "S3_SECRET": "s", "S3_ENDPOINT": endpoint}

    def run(self, name: str, *options: str, within: tuple[str, ...] = (), **environment: str) -> str:
        """Run the config; its fingerprint."""
        out = ("--out", name, "--log", f"{name}.jsonl")
        process = self.begin("pipeline", "run", "c.toml", *out, *options, name=name, within=within, **environment)
        assert process.wait(SECONDS) == 0, self.said(name)
        report = json.loads((self.folder / name / "report.json").read_text())
        return str(report["model"]["fingerprint"])


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    return write(table(1_200), tmp_path_factory.mktemp("hosts") / "data", 4)


@pytest.fixture
def place(tmp_path) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        yield Place(tmp_path, stack)


@pytest.fixture(scope="module")
def expected(rows, tmp_path_factory) -> str:
    """The fingerprint that all of them must have: that of threads, without a cluster."""
    with contextlib.ExitStack() as stack:
        place = Place(tmp_path_factory.mktemp("threads"), stack)
        return place.run("threads", "--workers", "0", **place.s3("127.0.0.1", rows))


def openssl(here: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=here, check=True, capture_output=True)


@pytest.fixture(scope="module")
def tls(tmp_path_factory) -> dict[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make certificates with")
    here = tmp_path_factory.mktemp("tls")
    common = ("-newkey", "rsa:2048", "-nodes", "-keyout")
    openssl(here, "req", "-x509", *common, "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    openssl(here, "req", *common, "node.key", "-out", "node.csr", "-subj", "/CN=node")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    openssl(here, "x509", "-req", "-in", "node.csr", *signed, "-out", "node.pem", "-days", "2")
    return {"ca": str(here / "ca.pem"), "cert": str(here / "node.pem"), "key": str(here / "node.key")}


def for_dask(tls: dict[str, str]) -> list[str]:
    return [part for kind, path in tls.items() for part in (f"--tls-{'ca-file' if kind == 'ca' else kind}", path)]


def for_us(tls: dict[str, str]) -> list[str]:
    return [part for kind, path in tls.items() for part in ("--set", f"cluster.tls_{kind}={path}")]


def cluster(
    place: Place,
    tls: dict[str, str],
    scheduler: str,
    port: int,
    workers: list[str],
    at: Callable[[str], tuple[str, ...]],
) -> str:
    """Start a scheduler and workers by hand, each on its host; the scheduler's address."""
    certificates = [*for_dask(tls), "--no-dashboard"]
    listen = ("--host", f"tls://{scheduler}", "--port", str(port))
    place.begin(
        "distributed.cli.dask_scheduler", *listen, *certificates, name="scheduler", within=at(scheduler), **IMPATIENT
    )
    address = f"tls://{scheduler}:{port}"
    place.until(lambda: "Scheduler at" in place.said("scheduler"), "no scheduler")
    for i, host in enumerate(workers):
        how = ("--nthreads", "1", "--host", f"tls://{host}", *certificates)
        place.begin("distributed.cli.dask_worker", address, *how, name=f"worker-{i}", within=at(host), **IMPATIENT)
    return address


@pytest.fixture
def network() -> Iterator[Network]:
    """10.99.0.1 to 3, with 20 ms and 1% loss from each to each."""
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(Network([f"10.99.0.{i}" for i in (1, 2, 3)], latency=0.02, loss=0.01))
        except Unavailable as error:
            pytest.skip(f"no hosts out of network namespaces here: {error}")
        yield made


def answers(network: Network, count: int) -> list[float]:
    """Seconds of each answer of the second host to the first."""
    ping = [*network.within("10.99.0.1"), sys.executable, "-m", "tests.faults.ping", "10.99.0.2", str(count)]
    return json.loads(subprocess.run(ping, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def test_cables_take_their_time_lose_packets_and_can_be_cut(network):
    took = answers(network, 500)
    assert 0.04 <= median(took) < 0.06
    # Of some 1,000 packets, there and back: 3 standard deviations around 10.
    assert 1 <= network.lost <= 20
    assert len(took) == 500 - network.lost
    network.cut("10.99.0.2")
    assert answers(network, 20) == []
    network.mend("10.99.0.2")
    assert len(answers(network, 20)) >= 15


@slow
@pytest.mark.timeout(400)
def test_row_32_three_hosts_of_which_one_is_cut_off_give_the_local_bits(place, rows, expected, tls, network):
    here = network.within("10.99.0.1")
    environment = place.s3("10.99.0.1", rows, within=here)
    address = cluster(place, tls, "10.99.0.1", 8786, ["10.99.0.2", "10.99.0.3"], network.within)

    def cut() -> None:
        events = place.folder / "hosts.jsonl"
        place.until(lambda: events.exists() and '"stage": "train"' in events.read_text(), "no training")
        network.cut("10.99.0.3")
        time.sleep(30)
        network.mend("10.99.0.3")

    cutter = threading.Thread(target=cut, daemon=True)
    cutter.start()
    options = ("--scheduler", address, "--workers", "2", *for_us(tls))
    assert place.run("hosts", *options, within=here, **environment) == expected
    cutter.join(60)
    assert network.lost > 0
    removed = [line for line in place.said("scheduler").splitlines() if "Remove worker" in line]
    assert any("10.99.0.3" in line for line in removed), "the cut was felt"


@slow
@pytest.mark.timeout(400)
def test_one_config_runs_unchanged_on_this_machine_and_on_a_scheduler(place, rows, expected, tls, unused_tcp_port):
    environment = place.s3("127.0.0.1", rows)
    address = cluster(place, tls, "127.0.0.1", unused_tcp_port, ["127.0.0.1"] * 2, lambda host: ())
    assert place.run("local", "--workers", "2", **environment) == expected
    assert place.run("tls", "--scheduler", address, *for_us(tls), **environment) == expected


@slow
@pytest.mark.timeout(400)
def test_one_config_runs_unchanged_over_ssh(place, rows, expected, unused_tcp_port):
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None or importlib.util.find_spec("asyncssh") is None:
        pytest.skip("needs sshd (openssh-server) and the package asyncssh")
    here, port = place.folder, unused_tcp_port
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(here / name)], check=True)
    shutil.copy(here / "user.pub", here / "authorized")
    public = " ".join((here / "host.pub").read_text().split()[:2])
    (here / "known").write_text(f"[127.0.0.1]:{port} {public}\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    (here / "sshd").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host\nAuthorizedKeysFile {here}/authorized\n"
        "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n"
    )
    daemon = subprocess.Popen([sshd, "-D", "-f", str(here / "sshd")])
    try:
        environment = place.s3("127.0.0.1", rows)
        options = {
            "hosts": ["127.0.0.1"] * 3,
            "remote_python": sys.executable,
            "worker_options": {"nthreads": 1},
            "scheduler_options": {"host": "127.0.0.1", "port": 0, "dashboard": False},
            "connect_options": {
                "port": port,
                "username": os.environ.get("USER", "root"),
                "client_keys": [str(here / "user")],
                "known_hosts": str(here / "known"),
            },
        }
        inline = toml_inline(options)
        sets = ("--scheduler", "distributed:SSHCluster", "--set", f"cluster.options={inline}")
        assert place.run("ssh", *sets, **environment) == expected
    finally:
        daemon.kill()
        daemon.wait()


def toml_inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_inline(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)
