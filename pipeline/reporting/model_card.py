"""The model card: what a person should know before using the model, in Markdown in its run folder.

After M. Mitchell et al., *Model Cards for Model Reporting* (2019), as far as a run knows it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline import config as cfg
from pipeline.reporting.formatting import format_difference, format_interval, format_value, shorten

FILE = "model-card.md"
# Classes whose figures are given.
MAX_CLASSES = 20
# Columns whose importance is given.
MAX_COLUMNS = 10
# With fewer test rows, the card warns that figures are rough.
MIN_TEST_ROWS = 1_000
MAX_TEXT_CHARS = 100

Report = Mapping[str, Any]


def model_card(report: Report, config: cfg.Config, name: str) -> str:
    """Write the card of one run."""
    sections = {
        "Model": _model(report, config),
        "Data": _data(report, config),
        "Figures on the rows held out": _figures(report),
        "Slices": _slices(report, config),
        "What matters": _importance(report),
        "Limits": _limits(report, config),
    }
    parts = [f"# {_text(name)}", *(f"## {title}\n\n{text}" for title, text in sections.items() if text)]
    return "\n\n".join(parts) + "\n"


def _text(value: Any) -> str:
    """Escape a name that may come from the data, so that Markdown leaves it alone."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&])", r"\\\1", shorten(str(value), MAX_TEXT_CHARS))


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
        facts.insert(2, f"- Threshold: {config.evaluate.threshold:g} for the positive class")
    if report["positive"] is not None:
        facts.insert(2, f"- Positive class: {_text(report['positive'])}")
    if "continued" in report:
        earlier = report["continued"]
        facts.append(f"- Trained on from {_text(earlier['from'])} ({earlier['fingerprint'][:16]}); see Data")
    return "\n".join(facts)


def _versions(report: Report) -> str:
    versions = report["data"].get("versions") or {}
    return f" ({', '.join(f'{version} of {_text(path)}' for path, version in versions.items())})" if versions else ""


def _data(report: Report, config: cfg.Config) -> str:
    rows, split = report["rows"], config.split
    held_out = (
        f"{_text(split.path_text)}, a data set of its own"
        if split.path
        else f"{split.test:g} of the rows, by {split.by}"
    )
    facts = [
        f"- Rows: {rows['read']:,} read from {_text(report['data']['path'])}{_versions(report)}, "
        f"{rows['train']:,} to train on, {rows['test']:,} held out, {rows['rejected']:,} rejected",
        f"- Held out: {held_out}",
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
        change = constant.get(name)
        interval = format_interval(change["interval"], format_difference) if change else ""
        against = f"{format_difference(change['value'])} {interval}" if change else ""
        lines.append([_text(name), format_value(value), format_interval(report["intervals"].get(name)), against])
    figures = _table(["metric", "value", "95% interval", "against a constant"], lines)
    classes = [
        [_text(name), f"{each['rows']:,.0f}", *(format_value(each[figure]) for figure in ("precision", "recall", "f1"))]
        for name, each in list(report["classes"].items())[:MAX_CLASSES]
    ]
    table = _table(["class", "rows", "precision", "recall", "f1"], classes)
    more = len(report["classes"]) - MAX_CLASSES
    notes = [f"{more:,} more classes are in report.json."] if more > 0 else []
    notes += [
        f"{_text(name)} was not computed: {_text(reason)}." for name, reason in report["metrics_not_computed"].items()
    ]
    return "\n\n".join(part for part in (figures, table, *notes) if part)


def _slices(report: Report, config: cfg.Config) -> str:
    if not config.evaluate.slices:
        return "There are none (`evaluate.slices`): the figures may hide groups for which the model is worse."
    lines = [
        [
            f"{_text(each['slice'])} = {_text(each['value'])}",
            f"{each['rows']:,}",
            f"{each['metric']} {format_value(each['figure'])}",
            format_interval(each["interval"]),
            "worse" if each["worse"] else "within chance",
        ]
        for each in report["worst_slices"]
    ]
    return _table(["slice", "rows", "figure", "95% interval", "against all rows"], lines)


def _importance(report: Report) -> str:
    importance = report["importance"]
    if not importance:
        return ""
    rises = [[_text(name), format_value(rise["mean"])] for name, rise in importance["columns"].items()]
    text = f"How much the {importance['loss']} rises on {importance['rows']:,} rows when a column is shuffled."
    if "of" in importance:
        text += (
            f" Of {importance['of']:,} columns, {len(rises):,} were shuffled: those with the largest weights, if any."
        )
    return text + "\n\n" + _table(["column", "rise"], rises[:MAX_COLUMNS])


def _limits(report: Report, config: cfg.Config) -> str:
    rows, metrics = report["rows"], report["metrics"]
    limits = []
    if config.split.by != "time" and not config.split.path:
        limits.append(
            f"The rows held out are a random part of the same data (by {config.split.by}): nothing here says how the "
            "model does on later rows, or on rows from elsewhere."
        )
    if rows["test"] < MIN_TEST_ROWS:
        limits.append(f"Only {rows['test']:,} rows were held out: the figures are rough, as their intervals say.")
    if rows["rejected"]:
        share = rows["rejected"] / max(rows["read"], 1)
        limits.append(f"{share:.1%} of the rows were rejected: the model is not for such rows.")
    worse = [f"{_text(each['slice'])} = {_text(each['value'])}" for each in report["worst_slices"] if each["worse"]]
    if worse:
        limits.append(f"Worse than on all rows together, beyond chance: {', '.join(worse)}.")
    error = metrics.get("expected_calibration_error")
    if error is not None:
        limits.append(f"Probabilities are off by {format_value(error)} on average (expected calibration error).")
    limits += [
        f"{_text(name.removesuffix('_error'))} was counted in steps and may be off by {format_value(value)}."
        for name, value in metrics.items()
        if name.removesuffix("_error") in metrics.keys() - {name}
    ]
    constant = report["baselines"].get("constant", {}).get("difference", {})
    for name in ("log_loss", "root_mean_squared_error"):
        if name in constant and constant[name]["interval"] and constant[name]["interval"][1] >= 0:
            limits.append(f"Its {_text(name)} is not clearly better than that of a constant prediction.")
    limits.append(
        "A value that was not seen in training counts as no category, or as other; `pipeline evaluate` measures how "
        "far data has drifted, and what the model is worth on it."
    )
    limits.append("What matters to the model is not what causes the label.")
    return "\n".join(f"- {limit}" for limit in limits)
