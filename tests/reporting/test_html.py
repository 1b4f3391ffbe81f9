"""The page: what stands in it, and what a real browser makes of it, light and dark, narrow and wide."""

import asyncio
import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from pipeline import config as cfg
from pipeline.reporting.html.plots.canvas import BLUE, ORANGE
from pipeline.reporting.html.plots.effects import plot_weights
from pipeline.reporting.html.plots.search import plot_settings
from pipeline.reporting.html.render import report_page
from tests import browser
from tests.builders import execute, make_table, make_table_config, report_of, write_parquet

HOSTILE = "</script><script>document.title='taken'</script><b>\n'\"&{{7*7}}"
READY = "document.documentElement.dataset.plots !== undefined"
DRAWN = {
    "y": {"Learning curve", "ROC", "Precision and recall", "Gain", "Calibration", "Worst slices"},
    "three": {"Learning curve", "ROC", "Precision and recall", "Gain", "Calibration", "Worst slices"},
    "amount": {"Learning curve", "Residuals", "Worst slices"},
}
EFFECTS = {"Permutation importance", "Largest weights"}
SERIES = (59, 130, 246)
WIDE, NARROW = 1280, 390


@pytest.fixture(scope="module")
def pages(session, tmp_path_factory):
    """The page of a run for each kind of task, its data full of markup, and the report it is made of."""
    place = tmp_path_factory.mktemp("page")
    frame = make_table(1_500).replace({"c": {"red": HOSTILE}})
    folder = write_parquet(frame, place / "data", 10)
    found = {}
    for label in DRAWN:
        settings = make_table_config(folder, label, evaluate={"slices": ["c", ["c", "n"]]}, split={"folds": 2})
        report = json.loads(json.dumps(report_of(execute(session, settings), settings)))
        worker = {"worker": "w", "read": 1.0, "statistics": 1, "train": 2, "evaluate": 1, "other": 0, "transfer": 0.1}
        report["cost"] = {"stages": {"train": {"tasks": 3, "compute": 2.0, "transfer": 0.1}}, "workers": [worker]}
        file = place / f"{label}.html"
        file.write_text(report_page(report, cfg.dump(settings), HOSTILE), encoding="utf-8")
        found[label] = file, report
    return found


@pytest.mark.cluster
@pytest.mark.parametrize("label", DRAWN)
def test_the_page_has_its_plots_and_escapes_what_comes_from_data(pages, label):
    file, report = pages[label]
    text = file.read_text(encoding="utf-8")
    titles = set(re.findall(r"<h3>([^<]+)</h3>", text)) - {"Rows", "Classes", "Confusion matrix", "Seconds by stage"}
    assert titles == DRAWN[label] | EFFECTS | {"Seconds by worker"}
    assert ("Confusion matrix" in text) == (label != "amount")
    assert "<script>document.title" not in text
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", text, flags=re.DOTALL)[0]
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text.partition("<script>")[0])
    for name in report["metrics"]:
        assert f"<td>{name}</td>" in text
    assert len(text) < 2_000_000


def test_a_page_of_nearly_nothing():
    report = {
        "task": "classification",
        "data": {"path": "p", "label": "y"},
        "rows": {"read": 0, "train": 0, "validation": 0, "test": 0, "rejected": 0, "rejected_by_reason": {}}
        | {"pruned": 0, "unmatched": {}},
        "batches": {"read": 0, "rejected": 0, "kept_in_memory": False},
        "training": {"epochs": 0, "validation": []},
        "seconds": {"total": 0.0},
        "cluster": {"workers": 0, "threads": 0, "scheduler": ""},
        "model": {"fingerprint": "0"},
        "worst_slices": [],
        "weights": [],
        "progressive": [],
    }
    for key in ("metrics", "intervals", "baselines", "classes", "slices", "importance", "curves"):
        report[key] = {}
    report |= {"cross_validation": {}, "cost": {}}
    text = report_page(report, "", "empty")
    assert "Bokeh" not in text
    assert '<div class="plot"' not in text


def test_names_that_are_cut_to_the_same_text_stay_apart():
    long = "x" * 60
    found = [{"feature": f"{long}{i}", "weight": float(i)} for i in range(3)]
    plot = plot_weights({"weights": found})
    assert len(set(plot.y_range.factors)) == 3


needs_browser = pytest.mark.skipif(browser.COMMAND is None, reason="Chromium is not installed")


@pytest.mark.cluster
@pytest.mark.browser
@needs_browser
def test_a_browser_draws_every_plot_in_light_and_dark_on_any_width(pages):
    with browser.chromium() as port:
        asyncio.run(_look(pages, port))


async def _look(pages, port: int) -> None:
    for label, (file, _) in pages.items():
        for width in (WIDE, NARROW):
            for dark in (False, True) if label == "y" else (width == WIDE,):
                page = await browser.open_page(port)
                await page.look(file, width, dark, READY)
                assert page.errors == []
                assert page.requests == [file.resolve().as_uri()]
                assert await page.value("document.title") != "taken"
                assert await page.value("document.documentElement.scrollWidth") <= width
                picture = await _picture(page)
                places = await page.value(
                    "[...document.querySelectorAll('.plot')].map(p => {const b = p.getBoundingClientRect();"
                    "return [b.left, b.top + scrollY, b.right, b.bottom + scrollY].map(Math.round)})"
                )
                assert len(places) == len(DRAWN[label]) + 3
                for place in places:
                    left, top, right, bottom = place
                    assert right - left > 250
                    assert bottom - top > 80
                    plot = picture[top:bottom, left:right]
                    assert (np.abs(plot - SERIES).sum(axis=2) < 160).sum() > 100, (label, width, dark, place)
                    assert tuple(plot[0, 0]) == ((24, 30, 40) if dark else (255, 255, 255))
        # From dark to light and to paper: the plots are drawn anew.
        await page.scheme(True)
        dark = await _picture(page)
        await page.scheme(False)
        light = await _picture(page)
        left, top, right, bottom = places[0]
        text_dark, text_light = (p[top:bottom, left : left + 60].astype(int) for p in (dark, light))
        assert text_dark.mean() < 60
        assert text_light.mean() > 220
        assert text_light.min() < 180  # labels of the axis are there, and dark
        paper = base64.b64decode((await page.call("Page.printToPDF", printBackground=True))["data"])
        assert paper.startswith(b"%PDF")


async def _picture(page) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(await page.screenshot())).convert("RGB")).astype(int)


def test_parallel_coordinates_are_a_line_for_each_trial_that_was_scored():
    values = [{"l2": 0.001, "c": "a"}, {"l2": 1.0, "c": "b"}, {"l2": 1000.0, "c": "a"}]
    trials = [{"trial": i, "share": 1.0, "score": 0.5 - i / 10, "values": v} for i, v in enumerate(values)]
    trials.append({"trial": 3, "share": 1.0, "score": None, "values": values[0]})
    search = {"trials": trials, "best": 2, "metric": "log_loss", "greater_is_better": False}
    plot = plot_settings({"search": search})
    lines = plot.renderers[0].data_source.data
    assert lines["xs"][0] == ["l2", "c", "trained on", "log_loss"]
    np.testing.assert_allclose(lines["ys"], [[0, 0, 0.5, 1], [0.5, 1, 0.5, 0.5], [1, 0, 0.5, 0]])
    assert lines["colour"] == [BLUE, BLUE, ORANGE]
    assert plot_settings({}) is None
