"""Where data comes from, and that no credential goes anywhere else."""

import contextlib
import json
import logging
import pickle
import re
import threading
import time
import tomllib
import zipfile
from collections import Counter
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tomli_w
from click.testing import CliRunner
from dask.base import tokenize
from deltalake import DeltaTable, write_deltalake
from moto.server import DomainDispatcherApplication, ThreadedMotoServer, create_backend_app
from pyiceberg.catalog.memory import InMemoryCatalog
from s3fs import S3FileSystem
from werkzeug.serving import make_server

from pipeline import config as cfg
from pipeline.cli import main
from pipeline.commands.evaluate import evaluate
from pipeline.commands.predict import predict
from pipeline.commands.run import resume_run, run
from pipeline.commands.run_execution import RunOptions
from pipeline.errors import ConfigError, DataError, Interrupted, StorageError
from pipeline.io import redact
from pipeline.io.batching import form_batches
from pipeline.io.dataset import open_dataset
from pipeline.io.reader import ReadSpec, read_batch
from pipeline.io.run_folder import REPORT_FILE, RunFolder
from pipeline.io.storage import Storage
from pipeline.monitoring.progress import Monitor
from pipeline.planning.planner import make_plan
from pipeline.training.run_stages import run_stages
from tests.builders import make_config, make_table, write_parquet

LEAK = re.compile("canary", re.IGNORECASE)  # in every secret of these tests
KEYS = {"key": "canary-key", "secret": "canary/secret+=="}


@pytest.fixture(autouse=True)
def own_secrets(monkeypatch):
    """Keep these secrets out of other tests, and the waits between retries short."""
    monkeypatch.setattr(redact, "_secrets", set())
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setattr("pipeline.io.retry.WAIT_SECONDS", (0.01, 0.02, 0.03))


def make_storage_config(path="s3://bucket/data", options=None, **data) -> cfg.Config:
    return make_config(path, data={"storage_options": options or {}, **data})


# The values, without a server.


def test_the_saved_config_has_variables_by_name_and_stars_for_texts(monkeypatch, tmp_path):
    monkeypatch.setenv("MY_SECRET", "canary-of-the-environment")
    options = {"key": "canary", "secret": "${MY_SECRET}", "anon": False, "client_kwargs": {"a": ["canary", 1]}}
    config = make_storage_config(options=options)
    saved = cfg.dump(config)
    assert tomllib.loads(saved)["data"]["storage_options"] == {
        "key": "***",
        "secret": "${MY_SECRET}",
        "anon": False,
        "client_kwargs": {"a": ["***", 1]},
    }
    (tmp_path / "c.toml").write_text(saved)
    with pytest.raises(ConfigError, match=r"data\.storage_options\.key: its value was not saved; give it with --set"):
        cfg.load(tmp_path / "c.toml")
    again = ("data.storage_options.key=canary", "data.storage_options.client_kwargs.a=['canary', 1]")
    assert cfg.load(tmp_path / "c.toml", again) == config
    assert redact.redact("to canary-of-the-environment") == "to ***"


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(ConfigError, match=r"data\.storage_options\.a\.secret: the environment variable NO_SUCH is not"):
        make_storage_config(options={"a": {"secret": "x${NO_SUCH}"}})
    with pytest.raises(ConfigError, match=r"data\.storage_options: Expected `object`, got `str`"):
        make_storage_config(options="canary")


def test_urls_are_clean_everywhere_but_in_the_storage(tmp_path):
    config = make_config(
        "https://me:canary1@host/d.parquet?sig=canary2",
        data={"join": [{"path": "ftp://me:canary3@host/j", "on": ["k"], "columns": ["v"]}]},
        split={"path": "https://host/t.parquet?sig=canary4"},
    )
    assert (config.data.path, config.split.path) == ("https://host/d.parquet", "https://host/t.parquet")
    assert config.data.join[0].path == "ftp://host/j"
    storage = config.data.storage_options
    assert storage._with_credentials("https://host/d.parquet") == "https://me:canary1@host/d.parquet?sig=canary2"
    assert storage._with_credentials("ftp://host/j/part.parquet") == "ftp://me:canary3@host/j/part.parquet"
    assert storage._with_credentials("https://other/d.parquet") == "https://other/d.parquet"
    saved = cfg.dump(config)
    assert not LEAK.search(saved + repr(config))
    assert 'path = "https://***@host/d.parquet?***"' in saved
    (tmp_path / "c.toml").write_text(saved)
    with pytest.raises(ConfigError, match=r"d\.parquet\?\*\*\*: its credentials were not saved; give the whole URL"):
        cfg.load(tmp_path / "c.toml")


def test_urls_that_differ_in_their_credentials_alone_are_refused():
    join = {"path": "https://host/f?id=canary1", "on": ["k"], "columns": ["v"]}
    with pytest.raises(ConfigError, match="https://host/f: given with different") as caught:
        make_storage_config("https://host/f?id=canary2", join=[join])
    assert not LEAK.search(str(caught.value))


def test_a_storage_is_a_value_that_shows_no_value():
    one, same = (Storage.from_config({"secret": "canary", "key": "k"}).with_urls(["ftp://u:canary@h/d"]) for _ in "12")
    other = Storage.from_config({"secret": "canary", "key": "l"})
    assert one == same == pickle.loads(pickle.dumps(one)) != other
    assert hash(one) == hash(same)
    assert tokenize(one) == tokenize(same) != tokenize(other)
    assert repr(one) == "Storage(secret, key)"


def test_a_storage_registers_its_secrets_where_it_is_unpickled(monkeypatch):
    sent = pickle.dumps(Storage.from_config({"secret": "canary"}))
    redact._secrets.clear()
    pickle.loads(sent)
    assert redact.redact("canary") == "***"


@pytest.mark.parametrize("error", [ValueError, OSError, KeyError])
def test_what_a_storage_raises_is_an_os_error_without_secrets(monkeypatch, error):
    def fail(*_, **__):
        raise error("GET https://me:canary@h/f?a=b failed\nand canary")

    storage = Storage.from_config({"token": "canary"})
    monkeypatch.setattr(fsspec.core, "url_to_fs", fail)
    with pytest.raises(OSError, match=r"GET https://me:\*\*\*@h/f") as caught, storage.opened("https://h/f"):
        pass
    assert not LEAK.search(str(caught.value))


# A server.


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """An S3 of this machine, with a folder of data, and the options to open it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {**KEYS, "client_kwargs": {"endpoint_url": f"http://{host}:{port}"}}
    store = fsspec.filesystem("s3", **options)
    store.mkdir("bucket")
    folder = write_parquet(make_table(900), tmp_path_factory.mktemp("local") / "data", 3)
    store.put(str(folder), "bucket/data", recursive=True)
    yield store, folder, options, f"{host}:{port}"
    server.stop()


@pytest.fixture
def workdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def workers(session, monkeypatch):
    """Let every run of the test use the same two workers; a function that gives their logs."""
    monkeypatch.setattr("pipeline.engine.cluster.session.connect", lambda *_: contextlib.nullcontext(session))
    return lambda: str(session.client.get_worker_logs())


def write_config_with_secrets(workdir: Path, path: str, options: dict, **sections) -> Path:
    """Write a config as a user does; `write_config` would write its secrets as stars."""
    data = {"path": path, "label": "y", "storage_options": options}
    (workdir / "c.toml").write_text(tomli_w.dumps({"data": data, **sections}))
    return workdir / "c.toml"


def texts(folder: Path) -> str:
    """The content of all files of a folder, also of those in archives."""
    parts = []
    for path in (p for p in folder.rglob("*") if p.is_file()):
        content = [path.read_bytes()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                content += [archive.read(name) for name in archive.namelist()]
        parts += [str(path), *(part.decode(errors="replace") for part in content)]
    return "\n".join(parts)


@pytest.mark.cluster
def test_run_on_s3_equals_the_local_run_and_shows_no_secret(server, workers, workdir, capfd):
    _, folder, options, _ = server
    local = run(write_config_with_secrets(workdir, str(folder), {}), out=workdir / "local")
    remote = run(write_config_with_secrets(workdir, "s3://bucket/data", options), out=workdir / "remote")
    for same in ("rows", "metrics", "intervals"):
        assert remote[same] == local[same]
    assert remote["model"]["fingerprint"] == local["model"]["fingerprint"]
    assert remote["data"]["path"] == "s3://bucket/data"
    assert not LEAK.search(texts(workdir / "remote") + "".join(capfd.readouterr()) + workers())


@pytest.mark.cluster
def test_predictions_on_s3_equal_the_local_ones_and_show_no_secret(server, workers, workdir, capfd):
    store, folder, options, _ = server
    run(write_config_with_secrets(workdir, str(folder), {}), out=workdir / "model")
    predict(workdir / "model", str(folder), str(workdir / "local"))
    secrets = as_overrides(options)
    predict(workdir / "model", "s3://bucket/data", "s3://bucket/predicted", secrets)
    with pytest.raises(ConfigError, match="s3://bucket/predicted: holds finished predictions"):
        predict(workdir / "model", "s3://bucket/data", "s3://bucket/predicted", secrets)
    store.invalidate_cache()
    names = sorted(path.rpartition("/")[2] for path in store.find("bucket/predicted"))
    assert names == sorted(path.name for path in (workdir / "local").iterdir())
    for name in names[1:]:
        assert store.cat(f"bucket/predicted/{name}") == (workdir / "local" / name).read_bytes()
    assert not LEAK.search(store.cat("bucket/predicted/_SUCCESS").decode() + "".join(capfd.readouterr()) + workers())


@pytest.mark.parametrize("debug", [[], ["--debug"]])
@pytest.mark.parametrize(
    ("path", "changes", "message"),
    [
        ("s3://bucket/nowhere", {}, "s3://bucket/nowhere: no such file"),
        ("s3://bucket/data", {"canary-of-no-service": "canary"}, "s3://bucket/data: cannot be listed"),
        ("s3://bucket/data", {"client_kwargs": {"endpoint_url": "canary"}}, "s3://bucket/data: cannot be listed"),
        ("s3://bucket/data/*", {}, "column 'z'"),
        ("http://me:canary@HOST/bucket/none.parquet?sig=canary%2Fb", {}, "bucket/none.parquet: no such file"),
        ("http://me:canary@127.0.0.1:9/none.parquet?sig=canary", {}, "http://127.0.0.1:9/none.parquet: cannot be"),
    ],
)
def test_message_of_a_mistake_shows_no_secret(server, workdir, path, changes, message, debug):
    _, _, options, host = server
    options = {"headers": {"x-token": "canary"}} if path.startswith("http") else {**options, **changes}
    settings = write_config_with_secrets(workdir, path.replace("HOST", host), options, features={"numeric": ["z"]})
    done = CliRunner().invoke(main, ["run", str(settings), "--plan", *debug])
    assert done.exit_code in (1, 2)
    assert message in done.stderr
    assert ("Traceback" in done.stderr) == bool(debug)
    secret = LEAK.search(done.output.replace("canary-of-no-service", ""))  # the name of an option is none
    assert not secret


def test_plan_shows_no_secret(server, workdir):
    _, _, options, _ = server
    done = CliRunner().invoke(
        main, ["run", str(write_config_with_secrets(workdir, "s3://bucket/data", options)), "--plan", "--json"]
    )
    assert done.exit_code == 0
    assert "s3://bucket/data: 900 rows in 3 files" in done.stderr
    assert not LEAK.search(done.output)


@pytest.mark.cluster
@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_failed_run_on_a_worker_shows_no_secret(server, workers, workdir, debug, capfd):
    _, _, _, host = server
    url = f"http://me:canary@{host}/bucket/data/part-000.parquet?sig=canary%2Fb"
    prepare = {"function": "tests.user_code:fail_on_a_worker"}
    settings = write_config_with_secrets(workdir, url, {"headers": {"x-token": "canary"}}, prepare=prepare)
    done = CliRunner().invoke(main, ["run", str(settings), *debug])
    assert done.exit_code == 1
    assert "prepare.function tests.user_code:fail_on_a_worker: raised RuntimeError: as it should" in done.stderr
    logs = workers()
    assert "Compute Failed" in logs
    assert not LEAK.search(done.output + "".join(capfd.readouterr()) + logs)
    assert [path.name for path in workdir.iterdir()] == ["c.toml"]


@pytest.mark.cluster
def test_missing_file_on_a_worker_shows_no_secret(server, session, workers):
    store, _, _, host = server
    store.copy("bucket/data/part-000.parquet", "bucket/gone.parquet")
    settings = make_storage_config(
        f"http://me:canary@{host}/bucket/gone.parquet?sig=canary", {"headers": {"x-token": "canary"}}
    )
    plan = make_plan(settings)
    assert not LEAK.search(repr(plan) + repr(plan.recipe) + repr(plan.batches) + repr(settings))
    store.rm("bucket/gone.parquet")
    with pytest.raises(DataError, match=rf"http://{host}/bucket/gone\.parquet: cannot be read") as caught:
        run_stages(plan, session, Monitor(quiet=True))
    said = workers()
    assert "gone.parquet" in said
    assert not LEAK.search(f"{caught.value!r} {said}")


# A server with faults.


class Faulty:
    """An application in front of an S3 that records requests and answers some of them with faults."""

    def __init__(self, application):
        self.application, self.asked, self.faults = application, [], []
        """Faults are functions of the WSGI environment: None, or (status, code, seconds to wait before)."""

    def __call__(self, environ, begin):
        self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE")))
        for fault in self.faults:
            answer = fault(environ)
            if answer is None:
                continue
            status, code, wait = answer
            time.sleep(wait)
            if status:
                begin(status, [("Content-Type", "application/xml")])
                return [f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()]
        return self.application(environ, begin)

    def gets(self, suffix):
        """Requests for the content of an object, and the bytes that they asked for."""
        ranges = [r for method, path, r in self.asked if method == "GET" and path.endswith(suffix)]
        spans = [r.removeprefix("bytes=").split("-") for r in ranges]
        return len(ranges), sum(int(end) - int(begin) + 1 for begin, end in spans)


@pytest.fixture(scope="module")
def faulty_server(server):
    """The data of ``server`` behind a `Faulty` application, and the options to open it there."""
    application = Faulty(DomainDispatcherApplication(create_backend_app))
    http = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield application, {**KEYS, "client_kwargs": {"endpoint_url": f"http://127.0.0.1:{http.server_port}"}}
    http.shutdown()


@pytest.fixture
def faulty(faulty_server):
    """The same without faults."""
    application, options = faulty_server
    application.asked.clear()
    application.faults.clear()
    S3FileSystem.clear_instance_cache()
    quick = {"config_kwargs": {"retries": {"max_attempts": 1}, "read_timeout": 1}}
    return application, {**options, **quick}


def fail_first(times, status="500 Internal Server Error", code="InternalError", wait=0.0, suffix=".parquet"):
    """A fault of the first requests for the content of each object."""
    seen = Counter()

    def fault(environ):
        place = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "GET" or not place.endswith(suffix):
            return None
        seen[place] += 1
        return (status, code, wait) if seen[place] <= times else None

    return fault


def read_all(path, options):
    """Every row of the columns x and n."""
    dataset = open_dataset(path, storage=Storage.from_config(options))
    schema = pa.schema([dataset.schema.field(name) for name in ("x", "n")])
    batches = form_batches(dataset, "file", schema)
    return pd.concat([read_batch(batch, ReadSpec(schema, storage=dataset.storage)).frame for batch in batches])


@pytest.fixture(scope="module")
def wide(server, tmp_path_factory):
    """One file of four row groups, of 3.3 MB, of which two neighbours of twenty columns are wanted."""
    store, _, _, _ = server
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"a{i}": rng.normal(size=20_000) for i in range(9)})
    frame = frame.assign(x=rng.normal(size=20_000), n=rng.normal(size=20_000))
    frame = frame.assign(**{f"z{i}": rng.normal(size=20_000) for i in range(9)})
    file = tmp_path_factory.mktemp("wide") / "wide.parquet"
    frame.to_parquet(file, row_group_size=5_000, index=False)
    store.put(str(file), "bucket/wide.parquet")
    return frame, file.stat().st_size


def test_the_wanted_columns_alone_come_in_a_request_for_each_row_group(wide, faulty):
    frame, size = wide
    application, options = faulty
    pd.testing.assert_frame_equal(read_all("s3://bucket/wide.parquet", options), frame[["x", "n"]])
    count, asked = application.gets("wide.parquet")
    # The footer for the plan, the footer and the groups for the rows.
    assert count == 1 + 1 + 4
    assert asked < 0.2 * size


def test_a_small_file_comes_in_one_request(server, faulty):
    application, options = faulty
    assert len(read_all("s3://bucket/data/part-000.parquet", options)) == 300
    assert application.gets("part-000.parquet")[0] == 1 + 1


@pytest.mark.parametrize("fault", [{}, {"status": "503 Slow Down", "code": "SlowDown"}, {"status": "", "wait": 1.5}])
def test_a_request_that_fails_or_is_slow_is_tried_again(server, faulty, fault):
    application, options = faulty
    application.faults.append(fail_first(1, **fault))
    _, folder, _, _ = server
    expected = read_all(str(folder), {})
    pd.testing.assert_frame_equal(read_all("s3://bucket/data", options), expected)


def test_requests_that_always_fail_are_one_error(server, faulty):
    application, options = faulty
    application.faults.append(fail_first(99))
    with pytest.raises(DataError, match=r"part-00\d\.parquet: cannot be read \(.*InternalError\); try again when"):
        read_all("s3://bucket/data", options)
    assert application.gets("part-000.parquet")[0] >= 4


def test_tables_on_s3_are_read_by_their_logs_with_the_same_options(server, tmp_path):
    store, _, options, _ = server
    rows = pa.table({"x": [1.0, 2.0, 3.0], "c": ["a b", None, "01"]})
    write_deltalake(str(tmp_path / "delta"), rows, partition_by=["c"])
    write_deltalake(str(tmp_path / "delta"), rows.slice(0, 1), mode="append")
    DeltaTable(str(tmp_path / "delta")).delete("x > 2")
    catalog = InMemoryCatalog("local", warehouse=f"file://{tmp_path}/warehouse")
    catalog.create_namespace("n")
    iceberg = catalog.create_table("n.t", rows.schema)
    iceberg.append(rows)
    iceberg.delete("x > 2")
    store.put(str(tmp_path / "delta"), "bucket/delta", recursive=True)
    store.put(f"{tmp_path}/warehouse/n/t", "bucket/iceberg", recursive=True)
    storage = Storage.from_config(options)
    delta = open_dataset("s3://bucket/delta", storage=storage)
    assert (delta.version, delta.rows, delta.hive_columns) == ("Delta version 2", 3, ("c",))
    assert open_dataset("s3://bucket/delta/", storage=storage, version=0).rows == 3
    assert open_dataset("s3://bucket/iceberg", storage=storage).rows == 2
    for path, message in (
        ("delta/c=01", "lies in the Delta"),
        ("delta/*/*.parquet", "matches files of the Delta"),
        ("*/data/*", "matches files of the Iceberg"),
    ):
        with pytest.raises(DataError, match=message):
            open_dataset(f"s3://bucket/{path}", storage=storage)


@pytest.mark.parametrize("suffix", [".parquet", ""])
def test_expired_credentials_are_one_error_at_once(server, faulty, suffix):
    application, options = faulty
    application.faults.append(fail_first(99, "400 Bad Request", "ExpiredToken", suffix=suffix))
    with pytest.raises(DataError, match=r"s3://bucket/data.* \(ExpiredToken\); renew the credentials or ask for the"):
        read_all("s3://bucket/data", options)
    if suffix:  # the footers were asked for, and nothing twice
        assert application.gets("part-000.parquet")[0] == 1
    else:
        assert len(application.asked) <= 2


def test_results_on_s3_are_there_when_the_last_of_them_is(server, faulty, monkeypatch):
    application, options = faulty
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", options["client_kwargs"]["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret"])
    store = server[0]
    files = {REPORT_FILE: b"{}", "model.skops": b"model", "a.csv": b"a", "z.html": b"z"}
    folder = RunFolder("s3://bucket/runs/one")
    with folder.lock(False):
        application.asked.clear()
        folder.finish(files)
    written = [path.rpartition("/")[2] for method, path, _ in application.asked if method == "PUT"]
    assert set(written) == set(files)
    assert written[-1] == REPORT_FILE

    def fails_last(environ):
        refused = environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith(REPORT_FILE)
        return ("403 Forbidden", "AccessDenied", 0.0) if refused else None

    application.faults.append(fails_last)
    folder = RunFolder("s3://bucket/runs/two")
    with pytest.raises(StorageError, match=r"s3://bucket/runs/two/report\.json: cannot be written"):
        with folder.lock(False):
            folder.finish(files)
    store.invalidate_cache()
    assert store.find("bucket/runs/two") == []
    assert len(store.find("bucket/runs/one")) == len(files)


# The run folder on S3.


def as_overrides(options: dict) -> tuple[str, ...]:
    """The storage's options as overrides, as a user gives them to a command that has no config."""
    endpoint = options["client_kwargs"]["endpoint_url"]
    keys = (f"data.storage_options.{key}={json.dumps(value)}" for key, value in KEYS.items())
    return (*keys, f'data.storage_options.client_kwargs={{endpoint_url = "{endpoint}"}}')


def test_a_run_folder_on_s3_takes_the_options_of_the_config(server, workdir):
    """A whole life there: run, predict, evaluate, a baseline, a run that goes on, each by the config's own options."""
    store, folder, options, _ = server
    sections = {"cluster": {"workers": 0}, "evaluate": {"bootstrap": 0, "importance_rows": 0}}
    model = "s3://bucket/life/one"
    for name, path in (("local", str(folder)), ("remote", "s3://bucket/data")):
        config = write_config_with_secrets(workdir, path, options, **sections)
        report = run(config, out=model)
        store.invalidate_cache()
        assert "bucket/life/one/report.json" in store.find("bucket/life/one")
        found = evaluate(model, config)
        assert found["metrics"] == report["metrics"]
        assert found["model"] == {"path": model, "fingerprint": report["model"]["fingerprint"]}
        assert found["drift"]["x"]["verdict"] == "stable"
        manifest = predict(model, path, str(workdir / name), as_overrides(options), {"workers": 0})
        assert manifest["rows"]["written"] == 900
        further = run(
            config, (f'evaluate.baseline="{model}"',), out="s3://bucket/life/two", options=RunOptions(base_run=model)
        )
        assert further["continued"]["from"] == model
        assert model in further["baselines"]
        store.rm("bucket/life", recursive=True)
        store.invalidate_cache()


def test_a_run_on_s3_is_resumed_by_the_options_of_its_config(server, workdir, capfd):
    store, folder, options, _ = server
    sections = {"cluster": {"workers": 0}, "train": {"checkpoint_seconds": 0, "round_batches": 1}}
    config = write_config_with_secrets(workdir, str(folder), options, **sections)
    place = "s3://bucket/resumed"

    def stop(event):
        if event["event"] == "checkpoint_kept":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="a checkpoint was kept"):
        run(config, out=place, on_event=stop)
    store.invalidate_cache()
    report = resume_run(place, config)
    assert "after the statistics" in capfd.readouterr().err
    assert report["rows"]["read"] == 900
    store.invalidate_cache()
    assert "bucket/resumed/report.json" in store.find("bucket/resumed")
    store.rm("bucket/resumed", recursive=True)


def test_a_run_on_s3_is_shown_by_the_credentials_of_the_environment(server, workdir, monkeypatch):
    store, folder, options, _ = server
    config = write_config_with_secrets(workdir, str(folder), options, cluster={"workers": 0})
    run(config, out="s3://bucket/shown")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", options["client_kwargs"]["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS["secret"])
    S3FileSystem.clear_instance_cache()
    done = CliRunner().invoke(main, ["report", "s3://bucket/shown", "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["rows"]["read"] == 900
    (page,) = (workdir / "runs").glob("shown-*.html")
    assert "shown" in page.read_text()
    store.rm("bucket/shown", recursive=True)


COMMANDS = [
    ["run", "c.toml", "--out", "s3://bucket/none"],
    ["run", "--resume", "s3://bucket/none"],
    ["run", "c.toml", "--from", "s3://bucket/none"],
    ["predict", "s3://bucket/none", "data", "out"],
    ["evaluate", "s3://bucket/none", "c.toml"],
    ["report", "s3://bucket/none"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: " ".join(arguments[:2]))
def test_missing_credentials_are_one_sentence_with_the_url_and_what_to_do(server, workdir, monkeypatch, arguments):
    _, folder, options, _ = server
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(workdir / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(workdir / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", options["client_kwargs"]["endpoint_url"])
    S3FileSystem.clear_instance_cache()
    write_config_with_secrets(workdir, str(folder), {}, cluster={"workers": 0})
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert re.search(
        r"^Error: s3://bucket/none\S*: cannot be \w+ \(.*[Uu]nable to locate credentials.*\); give credentials in "
        r"data\.storage_options or in the environment\.$",
        done.stderr,
        re.MULTILINE,
    ), done.stderr


def test_a_folder_that_must_not_be_written_is_named_before_the_work(server, faulty, workdir):
    _, folder, _, _ = server
    application, options = faulty
    application.faults.append(
        lambda environ: ("403 Forbidden", "AccessDenied", 0.0) if environ["REQUEST_METHOD"] == "PUT" else None
    )
    config = write_config_with_secrets(workdir, str(folder), options, cluster={"workers": 0})
    begin = time.perf_counter()
    with pytest.raises(StorageError, match=r"s3://bucket/runs/no/\S+: cannot be written \(.*\); renew the credentials"):
        run(config, out="s3://bucket/runs/no")
    assert time.perf_counter() - begin < 20


def test_a_place_of_another_kind_than_the_data_is_opened_its_own_way():
    storage = Storage.from_config({"key": "k"})
    assert storage.for_place("s3://b/run", "s3://a/data") is storage
    assert storage.for_place("s3://b/run", "data") is storage
    assert storage.for_place("gs://b/run", "s3://a/data") == Storage()
    assert storage.for_place("runs/one", "s3://a/data") == Storage()
