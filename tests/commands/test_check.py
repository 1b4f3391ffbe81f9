"""`pipeline check`: figures of all rows against pandas, and the files that it leaves."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.commands.check import check
from pipeline.monitoring.progress import Monitor
from tests.builders import make_config, make_table, write_config, write_parquet

THREADS = {"cluster": {"workers": 0}}


def made(tmp_path, frame, label="y", **sections):
    write_parquet(frame, tmp_path / "data", 3)
    return write_config(make_config(tmp_path / "data", label, **(THREADS | sections)), tmp_path / "c.toml")


@pytest.fixture(scope="module")
def frame():
    table = make_table(2_000).drop(columns=["three", "amount"])
    return table.assign(big=10**15 + np.arange(2_000) * 3, spike=np.where(table["n"] < 30, 0, table["x"]))


@pytest.mark.cluster
def test_figures_are_those_of_pandas_over_all_rows(tmp_path, frame):
    labelled = frame.assign(y=frame["y"].astype(float).mask(frame["n"] == 3))
    found = check(made(tmp_path, labelled), monitor=Monitor(quiet=True))
    assert found["rows"]["rejected_by_reason"] == {"label missing": int((frame["n"] == 3).sum())}
    for name in ("x", "n", "big", "spike"):
        column, values = found["columns"][name], frame[name]
        wanted = values.quantile([0, 0.25, 0.5, 0.75, 1])
        assert list(column["quantiles"].values()) == pytest.approx(wanted.tolist(), rel=1e-12)
        assert column["distinct"] == values.nunique()
        assert column["missing"] == pytest.approx(values.isna().mean())
        assert (column["mean"], column["std"]) == pytest.approx((values.mean(), values.std(ddof=0)))
        assert sum(column["histogram"]["shares"]) == pytest.approx(1, abs=1e-3)
    top = frame["n"].value_counts(normalize=True)
    assert [share for _, share in found["columns"]["n"]["top"]] == pytest.approx(top.head(5).tolist(), abs=1e-6)
    assert found["columns"]["spike"]["top"][0][0] == 0
    colours = frame["c"].value_counts(normalize=True)
    assert found["columns"]["c"]["top"] == [[name, pytest.approx(share, abs=1e-6)] for name, share in colours.items()]
    times = found["columns"]["t"]
    assert times["type"] == "datetime"
    assert times["quantiles"]["min"] == str(frame["t"].min())
    assert times["distinct"] == frame["t"].nunique()


@pytest.mark.cluster
def test_a_number_to_predict_has_quantiles_and_many_classes_are_cut(tmp_path):
    table = make_table(1_500)
    found = check(made(tmp_path / "amount", table.drop(columns=["y", "three"]), "amount"), monitor=Monitor(quiet=True))
    assert found["label"]["50%"] == pytest.approx(table["amount"].median())
    assert found["label"]["std"] == pytest.approx(table["amount"].std(ddof=0))
    classes = table[["x", "c"]].assign(y=[f"class {i % 300}" for i in range(1_500)])
    found = check(made(tmp_path / "many", classes), monitor=Monitor(quiet=True))
    assert (len(found["label"]), found["classes"], found["single"]) == (300, 300, 0)


@pytest.mark.cluster
def test_the_command_leaves_a_page_and_json_and_prints_no_blanks(tmp_path, frame):
    config = made(tmp_path, frame.assign(same="<b>one</b>"), features={"exclude": ["big"]})
    result = CliRunner().invoke(main, ["check", str(config), "--json", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert json.loads((tmp_path / "out" / "check.json").read_text()) == found
    assert found["left_out"] == {"big": "features.exclude"}
    assert [notice["subject"] for notice in found["notices"]] == ["column 'same'"]
    table = [line for line in result.stderr.splitlines() if line.startswith(("x ", "n ", "c ", "t ", "same "))]
    assert len(table) == 5
    assert all(line == line.rstrip() for line in table)
    page = (tmp_path / "out" / "check.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "&lt;b&gt;one" in page
    assert "<b>one</b>" not in page
    assert page.count('class="bars"') >= 4
    assert len(page) < 200_000
    assert "prefers-color-scheme: dark" in page


@pytest.mark.cluster
def test_thousands_of_columns_do_not_flood_the_terminal(tmp_path, capfd):
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 300)), columns=[f"x{i}" for i in range(300)])
    check(made(tmp_path, wide.assign(y=np.arange(200) % 2)), monitor=Monitor())
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) < 80
    assert "240 more columns in check.json of --out FOLDER" in lines
