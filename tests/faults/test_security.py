"""Ports, certificates, malice and secrets: rows 22, 23 and 27 to 30 of the matrix."""

import json
import pickle
import shutil
import subprocess
import sys
import warnings
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from distributed import LocalCluster
from sklearn.pipeline import Pipeline

import pipeline
from pipeline import config as cfg
from pipeline.commands.run import run
from pipeline.engine.cluster.session import connect
from pipeline.engine.cluster.tls import load_security
from pipeline.errors import ClusterError, ConfigError, DataError
from pipeline.models import persistence
from tests.builders import bits, execute, make_small_config, make_table, write_config, write_parquet


def test_row_22_worker_without_a_package_is_named_before_anything_runs(workers, monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.worker_requirements.REQUIRED_PACKAGES", ("pandas", "no_such_package"))
    with (
        pytest.raises(ClusterError, match=r"worker tcp://127.0.0.1:\d+: lacks the package no_such_package; install it"),
        connect(cfg.ClusterConfig(scheduler=workers.scheduler)),
    ):
        pass


def test_row_23_taken_dashboard_port_is_replaced_on_loopback_with_a_notice(workers):
    port = workers.dashboard.rpartition(":")[2].partition("/")[0]
    config = cfg.ClusterConfig(workers=1, dashboard=f"127.0.0.1:{port}")
    with warnings.catch_warnings(record=True) as warned, connect(config) as other:
        assert other.notices == (f"port        {port} is taken, so the dashboard uses another",)
        assert other.dashboard.startswith("http://127.0.0.1:")
        assert other.dashboard != workers.dashboard
        this = psutil.Process()
        sockets = [c for p in [this, *this.children(recursive=True)] for c in p.net_connections("tcp")]
        assert {c.laddr.ip for c in sockets if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
    assert not warned


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> dict[str, dict[str, str]]:
    """Two authorities without trust in each other, and for each a certificate that it signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificates = {}
    for name in ("ours", "theirs"):
        folder = tmp_path_factory.mktemp(name)

        def openssl(*arguments: str, folder: Path = folder) -> None:
            subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

        common = ("-newkey", "rsa:2048", "-nodes", "-keyout")
        openssl("req", "-x509", *common, "ca.key", "-out", "ca.pem", "-subj", f"/CN={name}", "-days", "2")
        openssl("req", *common, "node.key", "-out", "node.csr", "-subj", "/CN=node")
        openssl("x509", "-req", "-in", "node.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out",
                "node.pem", "-days", "2")  # fmt: skip
        files = {"tls_ca": "ca.pem", "tls_cert": "node.pem", "tls_key": "node.key"}
        certificates[name] = {key: str(folder / file) for key, file in files.items()}
    return certificates


def test_row_27_tls_cluster_refuses_other_certificates_and_plain_clients(certificates, data, expected):
    ours, theirs = certificates["ours"], certificates["theirs"]
    with connect(cfg.ClusterConfig(workers=2, dashboard="127.0.0.1:0", **ours)) as session:
        address = session.scheduler
        assert address.startswith("tls://127.0.0.1")
        assert bits(execute(session, make_small_config(data))) == expected
        quick = {"timeout": 2.0, "scheduler": address}
        for config, error, reason in (
            (cfg.ClusterConfig(**quick, **theirs), ClusterError, "TLS was refused"),
            (cfg.ClusterConfig(**quick, **{**ours, "tls_ca": theirs["tls_ca"]}), ClusterError, "TLS was refused"),
            (cfg.ClusterConfig(**quick), ConfigError, r"cluster.tls_ca: missing, but tls://.* speaks TLS"),
            (cfg.ClusterConfig(**quick, tls_ca=ours["tls_ca"]), ConfigError, "cluster.tls_cert: missing"),
            (
                cfg.ClusterConfig(**quick, **{**ours, "tls_key": "/no/file"}),
                ConfigError,
                "cluster.tls_key: no file /no/file",
            ),
            (cfg.ClusterConfig(**quick, **{**ours, "tls_key": theirs["tls_key"]}), ConfigError, "are of no use"),
        ):
            with pytest.raises(error, match=reason), connect(config):
                pass
        plain = address.replace("tls://", "tcp://")
        with (
            pytest.raises(ClusterError, match=r"no scheduler answered within 2 s .*tls:// where it speaks TLS, ws://"),
            connect(cfg.ClusterConfig(timeout=2.0, scheduler=plain)),
        ):
            pass
        with (
            pytest.raises(ConfigError, match="a plain connection, but TLS was asked for"),
            connect(cfg.ClusterConfig(scheduler=plain, **ours)),
        ):
            pass


def test_row_27_tls_websockets_refuse_other_certificates_and_protocols(certificates, data, expected, monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])
    ours, theirs = certificates["ours"], certificates["theirs"]
    security = load_security(cfg.ClusterConfig(**ours))
    options = {"protocol": "wss://", "security": security, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **options) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("wss://")
        with connect(cfg.ClusterConfig(scheduler=address, **ours)) as session:
            assert bits(execute(session, make_small_config(data))) == expected
        for config, error, reason in (
            (cfg.ClusterConfig(scheduler=address, timeout=2.0, **theirs), ClusterError, "TLS was refused"),
            (cfg.ClusterConfig(scheduler=address), ConfigError, r"cluster.tls_ca: missing, but wss://.* speaks TLS"),
            (
                cfg.ClusterConfig(scheduler=address.replace("wss://", "tls://"), timeout=1.0, **ours),
                ClusterError,
                r"no scheduler answered within 1 s .*wss:// where it speaks websockets",
            ),
        ):
            with pytest.raises(error, match=reason), connect(config):
                pass


class Malicious:
    def __reduce__(self):
        return eval, ("open('hacked', 'w')",)


@pytest.fixture
def finished(workers, data, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])
    write_config(make_small_config(data), tmp_path / "c.toml")
    run(tmp_path / "c.toml", (), {"scheduler": workers.scheduler}, out=str(tmp_path / "run"))
    return tmp_path / "run"


def test_row_28_malicious_or_changed_model_is_refused_and_runs_nothing(finished, tmp_path):
    file = finished / "model.skops"
    content_written = file.read_bytes()
    assert pipeline.load(finished)
    attacks = {
        "a pickle": pickle.dumps(Malicious()),
        "another type": persistence.dumps(Pipeline([("model", Malicious())])),
        "cut": content_written[:-200],
        "one bit": content_written[:5000] + bytes([content_written[5000] ^ 1]) + content_written[5001:],
        "nothing": b"",
    }
    with zipfile.ZipFile(file) as archive:  # a schema that names a function
        schema = json.loads(archive.read("schema.json"))
        schema["__class__"], schema["__module__"] = "system", "os"
    with zipfile.ZipFile(tmp_path / "forged", "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    attacks["a function"] = (tmp_path / "forged").read_bytes()
    for content in attacks.values():
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"is not the file that the run wrote, by its sha256"):
            pipeline.load(finished)
        outside = tmp_path / "outside.skops"
        outside.write_bytes(content)
        if content != attacks["one bit"]:
            with pytest.raises(DataError, match=r"not trusted|not a readable model"):
                pipeline.load(outside)
    assert not (tmp_path / "hacked").exists()


HOSTILE = [
    "<script>alert(1)</script>",
    "</td><img src=x onerror=alert(2)>",
    "two\nlines\r\n",
    "nul\0inside",
    "🦄 \u202e reversed \x1b[31mred",
    "{{ 7*7 }}{% raw %}",
    "'; DROP TABLE rows; --",
    "=HYPERLINK(1)",
]


class TagCollector(HTMLParser):
    """Collects every tag and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.names += [tag, *(f"{tag}.{name}" for name, _ in attrs)]


def test_row_29_hostile_names_and_values_are_harmless(workers, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("pipeline.engine.cluster.session.prepare_workers", lambda client, modules: [])
    rng = np.random.default_rng(0)
    frame = make_table(1_200)[["x", "y"]]
    for i, name in enumerate(HOSTILE):
        frame[name] = rng.choice(HOSTILE, len(frame)) if i % 2 else rng.normal(size=len(frame))
    frame["long"] = "a" * 1_000_000
    frame.loc[frame.index[1:], "long"] = "short"
    folder = write_parquet(frame, tmp_path / "data", 2)
    config = make_small_config(folder, evaluate={"slices": [HOSTILE[1], [HOSTILE[3], HOSTILE[5]]]})
    write_config(config, tmp_path / "c.toml")
    report = run(tmp_path / "c.toml", (), {"scheduler": workers.scheduler}, out=str(tmp_path / "run"))
    page = (tmp_path / "run/report.html").read_text()
    clean = run(
        tmp_path / "c.toml", ("evaluate.slices=[]",), {"scheduler": workers.scheduler}, out=str(tmp_path / "two")
    )
    assert report["model"]["fingerprint"] == clean["model"]["fingerprint"]
    tags = TagCollector()
    tags.feed(page)
    assert "script.src" not in tags.names
    assert not any(".on" in name for name in tags.names)
    assert "img" not in tags.names
    printed = capfd.readouterr().err
    assert "\x1b[31mred" not in printed
    assert "\0" not in printed
    assert max(map(len, printed.splitlines())) < 2_000
    model = pipeline.load(tmp_path / "run")
    assert np.isfinite(model.predict_proba(frame.head())).all()
    assert len(pd.read_csv(tmp_path / "run/ledger.csv")) > 0


CANARY = "c4n4ry-s3cr3t"


def test_row_30_secret_of_a_failing_run_is_written_nowhere(tmp_path):
    """By the command itself, with short waits for the server; in `test_storage` the server answers."""
    (tmp_path / "c.toml").write_text(
        f'[data]\npath = "http://user:{CANARY}@127.0.0.1:9/data.parquet?token={CANARY}"\nlabel = "y"\n'
        f'[data.storage_options]\nclient_kwargs = {{ headers = {{ secret = "{CANARY}" }} }}\n'
    )
    impatient = "import pipeline.io.retry, pipeline.cli; pipeline.io.retry.WAIT_SECONDS = (0.1,); pipeline.cli.main()"
    command = [sys.executable, "-c", impatient, "run", "c.toml", "--out", "out"]
    runs = [  # side by side: most of the time they wait
        subprocess.Popen([*command, option], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for option in ("--debug", "--plan")
    ]
    for process in runs:
        out, error = process.communicate(timeout=60)
        assert process.returncode in (1, 2)
        assert CANARY not in out + error
        assert "127.0.0.1:9/data.parquet" in error
    for path in tmp_path.rglob("*"):
        assert path.name == "c.toml" or path.is_dir() or CANARY.encode() not in path.read_bytes(), path
