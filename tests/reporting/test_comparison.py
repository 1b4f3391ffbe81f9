"""`pipeline report` on run folders, as its user meets it."""

import json
import webbrowser

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.reporting.comparison import comparison_rows
from tests.builders import make_table, write_parquet
from tests.cli.test_main import MINIMAL


def report(*arguments: str):
    return CliRunner().invoke(main, ["report", *arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of the command in one folder."""
    here = tmp_path_factory.mktemp("compare")
    write_parquet(make_table(1_000), here / "data", 3)
    (here / "c.toml").write_text(MINIMAL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        for name, options in {"one": [], "two": ["--set", "train.epochs=3"]}.items():
            done = CliRunner().invoke(main, ["run", "c.toml", "--out", name, "--workers", "0", *options])
            assert done.exit_code == 0, done.output
    return here


@pytest.fixture
def here(runs, monkeypatch):
    monkeypatch.chdir(runs)
    return runs


def test_one_run_is_shown_again_and_its_page_made_anew(here):
    page = (here / "one/report.html").read_text()
    (here / "one/report.html").unlink()
    shown = report("one", "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout) == json.loads((here / "one/report.json").read_text())
    assert "log_loss" in shown.stderr
    again = (here / "one/report.html").read_text()
    assert again.partition("<footer")[0] == page.partition("<footer")[0]


def test_two_runs_side_by_side(here):
    shown = report("one", "two", "--out", "both.html", "--json")
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert found["config"] == {"train.epochs": [1, 3]}
    assert found["runs"]["two"] == json.loads((here / "two/report.json").read_text())
    one, two = (f"{found['runs'][name]['metrics']['log_loss']:.4f}" for name in ("one", "two"))
    line = next(line for line in shown.stderr.splitlines() if line.startswith("log_loss"))
    assert line.index(one) < line.index(two)
    page = (here / "both.html").read_text()
    assert "train.epochs" in page
    assert f"{one} [" in page
    assert "both.html" in shown.stderr
    taken = report("one", "two", "--out", "both.html")
    assert (taken.exit_code, (here / "both.html").read_text()) == (2, page)
    assert "both.html: exists" in taken.stderr


def test_open_option_opens_the_page(here, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda uri: bool(opened.append(uri)) or True)
    assert report("one", "--open").exit_code == 0
    assert opened == [(here / "one/report.html").as_uri()]
    monkeypatch.setattr(webbrowser, "open", lambda uri: False)
    assert "no browser" in report("one", "--open").stderr


CASES = {
    "no run": (lambda d: (d / "bad").mkdir(), ["bad"], 1, "report.json: cannot be read (No such file"),
    "no JSON": (lambda d: _fill(d / "bad", "{"), ["bad"], 1, "cannot be read"),
    "an older report": (lambda d: _fill(d / "bad", '{"task": "classification"}'), ["bad"], 1, "has no 'data'"),
    "no object": (lambda d: _fill(d / "bad", "[]"), ["bad"], 1, "has no 'task'"),
    "one run twice": (lambda d: None, ["one", "one"], 2, "one is named twice"),
    "none": (lambda d: None, [], 2, "Missing argument"),
}


def _fill(folder, text: str) -> None:
    folder.mkdir()
    (folder / "report.json").write_text(text)
    (folder / "config.toml").write_text("")


@pytest.mark.parametrize("case", CASES)
def test_mistakes_get_one_sentence(runs, tmp_path, monkeypatch, case):
    spoil, arguments, code, sentence = CASES[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one").symlink_to(runs / "one")
    spoil(tmp_path)
    done = report(*arguments)
    assert (done.exit_code, sentence in done.stderr) == (code, True), done.stderr
    assert not list(tmp_path.rglob("*.html"))


def test_runs_of_different_tasks_have_each_its_own_figures():
    class Fake:
        def __init__(self, metrics, config):
            rows = {"train": 1, "test": 1}
            self.report = {"data": {"label": "y"}, "rows": rows, "metrics": metrics, "intervals": {}}
            self.report |= {"seconds": {"total": 1.0}, "model": {"fingerprint": "f"}}
            self.config = config

    rows = dict(comparison_rows({"a": Fake({"r2": 0.5}, "[x]\nk=1"), "b": Fake({"accuracy": 1.0}, "")}))
    assert rows["r2"] == ["0.5000", ""]
    assert rows["accuracy"] == ["", "1.0000"]
    assert rows["x.k"] == ["1", "-"]
