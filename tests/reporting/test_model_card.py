"""The model card says what the report says, and nothing that comes from data writes Markdown."""

import contextlib

import pytest

from pipeline.commands.run import run
from pipeline.reporting.model_card import FILE, model_card
from tests.builders import make_config, make_table, write_config, write_parquet


@pytest.mark.cluster
def test_a_run_leaves_a_card_of_its_report(session, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.engine.cluster.session.connect", lambda *_: contextlib.nullcontext(session))
    frame = make_table(3_000)
    frame.loc[frame["n"] == 7, "y"] = None
    hostile = "re|d\n# <script>*"
    config = make_config(
        write_parquet(frame.assign(c=frame["c"].replace("red", hostile)), tmp_path / "data", 2),
        features={"numeric": ["x", "n"], "categorical": ["c"]},
        model={"calibrate": "sigmoid"},
        evaluate={"slices": ["c"]},
    )
    report = run(write_config(config, tmp_path / "c.toml"), out=tmp_path / "run")
    card = (tmp_path / "run" / FILE).read_text()
    assert card.startswith("# run\n\n## Model\n")
    for said in (
        report["model"]["fingerprint"],
        f"{report['rows']['train']:,} to train on, {report['rows']['test']:,} held out",
        f"- Rejected: {report['rows']['rejected']:,} label missing",
        f"| roc\\_auc | {report['metrics']['roc_auc']:.4f} | [{report['intervals']['roc_auc'][0]:.4f}, ",
        "calibrated (sigmoid) on rows that were kept out",
        "## Slices\n\n| slice |",
        "| c = re\\|d�\\# \\<script\\>\\* |",
        f"Only {report['rows']['test']:,} rows were held out",
        "a random part of the same data",
        f"{report['rows']['rejected'] / 3000:.1%} of the rows were rejected",
        "## What matters\n\nHow much the log-loss rises",
    ):
        assert said in card, said
    assert "<script>" not in card
    for line in card.splitlines():
        assert line == "" or line[0] in "#-|" or line.startswith("How much")
    # A report with less in it has a card, too.
    bare = {**report, "baselines": {}, "intervals": {}, "classes": {}, "importance": {}, "worst_slices": []}
    text = model_card(bare, make_config("p"), "bare")
    assert "There are none (`evaluate.slices`)" in text
    assert "What matters\n" not in text
