"""The model card: what a person should know before using the model, in Markdown beside it.

After M. Mitchell et al., *Model Cards for Model Reporting* (2019), as far as a run knows it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline import config as cfg
from pipeline.reporting.terminal import between, short, shown, signed

FILE = "model-card.md"
# Columns and weights that are named.
TOP = 10
# With fewer test rows figures are told to be rough.
FEW_ROWS = 1_000

Report = Mapping[str, Any]


def model_card(report: Report, config: cfg.Config, name: str) -> str:
    """The card of one run."""
    sections = {
        "Model": _model(report, config),
        "Data": _data(report, config),
        "Figures on the rows held out": _figures(report),
        "Slices": _slices(report, config),
        "What matters": _matters(report),
        "Limits": _limits(report, config),
    }
    parts = [f"# {_text(name)}", *(f"## {title}\n\n{text}" for title, text in sections.items() if text)]
    return "\n\n".join(parts) + "\n"


def _text(value: Any) -> str:
    """A name that may come from the data, as text that Markdown leaves alone."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&])", r"\\\1", short(str(value), 100))


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [list(line) for line in lines]
    if not rows:
        return ""
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(head), ["---"] * len(head), *rows])


def _model(report: Report, config: cfg.Config) -> str:
    model = config.model
    estimator = "the default, a linear model with adaptive rates" if model.estimator == "default" else model.estimator
    facts = [
        f"- Task: {report['task']} of `{_text(report['data']['label'])}`",
        f"- Estimator: {_text(estimator)}" + (f", {_text(model.params)}" if model.params else ""),
        f"- Trained for {report['training']['epochs']} epochs, seed {config.train.seed}",
        f"- Fingerprint: {report['model']['fingerprint']}",
    ]
    if model.calibrate:
        facts.insert(2, f"- Probabilities: calibrated ({model.calibrate}) on rows that were kept out of training")
    if config.evaluate.threshold is not None:
        facts.insert(2, f"- Threshold: {config.evaluate.threshold:g} for the second class")
    if "continued" in report:
        before = report["continued"]
        facts.append(f"- Goes on from {_text(before['from'])} ({before['fingerprint'][:16]}); see Data")
    return "\n".join(facts)


def _data(report: Report, config: cfg.Config) -> str:
    rows, split = report["rows"], config.split
    how = f"{_text(split.path)}, given apart" if split.path else f"{split.test:g} of the rows, by {split.by}"
    facts = [
        f"- Rows: {rows['read']:,} read from {_text(report['data']['path'])}, {rows['train']:,} to train on, "
        f"{rows['test']:,} held out, {rows['rejected']:,} rejected",
        f"- Held out: {how}",
    ]
    facts += [f"- Rejected: {count:,} {_text(reason)}" for reason, count in rows["rejected_by_reason"].items()]
    if "continued" in report:
        facts += [
            f"- Before: {run['rows']['train']:,} rows to train on, of {_text(run['data'])}"
            for run in report["continued"]["runs"]
        ]
    return "\n".join(facts)


def _figures(report: Report) -> str:
    constant = report["baselines"].get("constant", {}).get("difference", {})
    lines = []
    for name, value in report["metrics"].items():
        beside = constant.get(name)
        against = f"{signed(beside['value'])} {between(beside['interval'], signed)}" if beside else ""
        lines.append([_text(name), shown(value), between(report["intervals"].get(name)), against])
    figures = _table(["metric", "value", "95% interval", "against a constant"], lines)
    classes = [
        [_text(name), f"{each['rows']:,.0f}", *(shown(each[figure]) for figure in ("precision", "recall", "f1"))]
        for name, each in report["classes"].items()
    ]
    return "\n\n".join(
        part for part in (figures, _table(["class", "rows", "precision", "recall", "f1"], classes)) if part
    )


def _slices(report: Report, config: cfg.Config) -> str:
    if not config.evaluate.slices:
        return "None were asked for (`evaluate.slices`): the figures may hide groups for which the model is worse."
    lines = [
        [
            f"{_text(one['slice'])} = {_text(one['value'])}",
            f"{one['rows']:,}",
            f"{one['metric']} {shown(one['figure'])}",
            between(one["interval"]),
            "worse" if one["worse"] else "within chance",
        ]
        for one in report["worst_slices"]
    ]
    return _table(["slice", "rows", "figure", "95% interval", "against the whole"], lines)


def _matters(report: Report) -> str:
    found = report["importance"]
    if not found:
        return ""
    columns = list(found["columns"].items())[:TOP]
    text = f"How much the {found['loss']} rises on {found['rows']:,} rows when a column is shuffled."
    return text + "\n\n" + _table(["column", "rise"], [[_text(name), shown(rise["mean"])] for name, rise in columns])


def _limits(report: Report, config: cfg.Config) -> str:
    rows, metrics = report["rows"], report["metrics"]
    limits = []
    if config.split.by != "time" and not config.split.path:
        limits.append(
            f"The rows held out are a random part of the same data (by {config.split.by}): nothing here tells how the "
            "model does on later rows, or on rows from elsewhere."
        )
    if rows["test"] < FEW_ROWS:
        limits.append(f"Only {rows['test']:,} rows were held out: the figures are rough, as their intervals say.")
    if rows["rejected"]:
        share = rows["rejected"] / max(rows["read"], 1)
        limits.append(f"{share:.1%} of the rows were rejected: the model is not for such rows.")
    worse = [one for one in report["worst_slices"] if one["worse"]]
    if worse:
        named = ", ".join(f"{_text(one['slice'])} = {_text(one['value'])}" for one in worse)
        limits.append(f"Worse than on the whole, beyond chance: {named}.")
    error = metrics.get("expected_calibration_error")
    if error is not None:
        limits.append(f"Probabilities are off by {shown(error)} on average (expected calibration error).")
    limits += [
        f"{_text(name.removesuffix('_error'))} was counted in steps and may be off by {shown(value)}."
        for name, value in metrics.items()
        if name.removesuffix("_error") in metrics.keys() - {name}
    ]
    baseline = report["baselines"].get("constant", {}).get("difference", {})
    for name in ("log_loss", "root_mean_squared_error"):
        if name in baseline and baseline[name]["interval"] and baseline[name]["interval"][1] >= 0:
            limits.append(f"Its {_text(name)} is not clearly better than that of a constant prediction.")
    limits.append(
        "A value that was not seen in training counts as none, or as other; how far data has drifted, and what the "
        "model is worth on it, `pipeline evaluate` tells."
    )
    limits.append("What matters to the model is not what causes the label.")
    return "\n".join(f"- {limit}" for limit in limits)
