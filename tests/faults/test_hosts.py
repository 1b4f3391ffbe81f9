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

import pytest

from tests.conftest import table, write

ROOT = Path(__file__).parents[2]
SECONDS = 180
LATENCY = ("delay", "20ms", "loss", "1%")
# What stands before a command that is to run on another host.
Prefix = tuple[str, ...]
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
function = "tests.faults.parts:slow"
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

    def s3(self, host: str, port: int, data: Path, within: tuple[str, ...] = ()) -> dict[str, str]:
        """The environment by which the config finds it."""
        self.begin("tests.faults.s3", host, str(port), str(data), name="s3", within=within)
        self.until(lambda: "there" in self.said("s3"), "no S3")
        return {"S3_KEY": "k", "S3_SECRET": "s", "S3_ENDPOINT": f"http://{host}:{port}"}

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
def hosts(tmp_path) -> Iterator[Callable[[str], tuple[str, ...]]]:
    """Three hosts, each a network namespace with a cable to a switch in a fourth: 10.99.0.1 to 3.

    Gives what stands before a command that is to run on one; ``cut`` of it takes a host's cable out, or plugs it in.
    """
    if shutil.which("ip") is None:
        pytest.skip("no ip (iproute2) here to make hosts with")
    prefix = f"w{os.getpid()}"

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)

    switch, names = f"{prefix}s", {f"10.99.0.{i}": f"{prefix}h{i}" for i in (1, 2, 3)}
    try:
        try:
            ip("netns", "add", switch)
            ip("-n", switch, "link", "add", "br0", "type", "bridge")
            ip("-n", switch, "link", "set", "br0", "up")
            for i, (address, name) in enumerate(names.items()):
                ip("netns", "add", name)
                ip("-n", switch, "link", "add", f"p{i}", "type", "veth", "peer", "name", "eth0", "netns", name)
                ip("-n", switch, "link", "set", f"p{i}", "master", "br0", "up")
                ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
                ip("-n", name, "link", "set", "eth0", "up")
                ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces with cables here: {error.stderr.strip()}")

        def at(address: str) -> tuple[str, ...]:
            return ("ip", "netns", "exec", names[address])

        def cut(address: str, state: str) -> None:
            ip("-n", switch, "link", "set", f"p{list(names).index(address)}", state)

        def worsen() -> str:
            """20 ms and 1% loss on every cable; why not, where the system has no netem."""
            for name in names.values():
                wrong = subprocess.run(
                    [
                        "tc",
                        "-n",
                        name,
                        *["qdisc", "add", "dev", "eth0", "root", "netem", "delay", "20ms", "loss", "1%"],
                    ],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if wrong.returncode:
                    return wrong.stderr.strip()
            return ""

        at.cut, at.worsen = cut, worsen  # type: ignore[attr-defined]
        yield at
    finally:
        for name in (switch, *names.values()):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@slow
@pytest.mark.timeout(400)
def test_row_32_three_hosts_of_which_one_is_cut_off_give_the_local_bits(place, rows, tls, hosts, unused_tcp_port):
    expected = place.run("local", "--workers", "0", **place.s3("127.0.0.1", unused_tcp_port, rows))
    missing = hosts.worsen()
    if missing:
        print(f"without latency and loss: {missing}")
    environment = place.s3("10.99.0.1", 5000, rows, within=hosts("10.99.0.1"))
    address = cluster(place, tls, "10.99.0.1", 8786, ["10.99.0.2", "10.99.0.3"], hosts)

    def cut() -> None:
        events = place.folder / "hosts.jsonl"
        place.until(lambda: events.exists() and '"stage": "train"' in events.read_text(), "no training")
        hosts.cut("10.99.0.3", "down")
        time.sleep(30)
        hosts.cut("10.99.0.3", "up")

    cutter = threading.Thread(target=cut, daemon=True)
    cutter.start()
    options = ("--scheduler", address, "--workers", "2", *for_us(tls))
    assert place.run("hosts", *options, within=hosts("10.99.0.1"), **environment) == expected
    cutter.join(60)
    removed = [line for line in place.said("scheduler").splitlines() if "Remove worker" in line]
    assert any("10.99.0.3" in line for line in removed), "the cut was felt"


@slow
@pytest.mark.timeout(400)
def test_one_config_runs_unchanged_without_a_cluster_on_this_machine_and_on_a_scheduler(
    place, rows, tls, unused_tcp_port
):
    environment = place.s3("127.0.0.1", unused_tcp_port, rows)
    address = cluster(place, tls, "127.0.0.1", unused_tcp_port + 1, ["127.0.0.1"] * 2, lambda host: ())
    expected = place.run("threads", "--workers", "0", **environment)
    assert place.run("local", "--workers", "2", **environment) == expected
    assert place.run("tls", "--scheduler", address, *for_us(tls), **environment) == expected


@slow
@pytest.mark.timeout(400)
def test_one_config_runs_unchanged_over_ssh(place, rows, unused_tcp_port):
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None or importlib.util.find_spec("asyncssh") is None:
        pytest.skip("needs sshd (openssh-server) and the package asyncssh")
    here, port = place.folder, unused_tcp_port + 2
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
        environment = place.s3("127.0.0.1", unused_tcp_port, rows)
        expected = place.run("threads", "--workers", "0", **environment)
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
