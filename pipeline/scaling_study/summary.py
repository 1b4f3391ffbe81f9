"""The summary of a study: the content of scale.json, from the measured runs and the forecast of others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from statistics import mean, median
from typing import Any

import numpy as np

from pipeline.scaling_study.costs import Observation
from pipeline.scaling_study.critical_path import PARTS, bottleneck, critical_path
from pipeline.scaling_study.fit import MAX_LINEAR_POWER, LineFit, fit_amdahl, fit_line, fit_power, fit_usl
from pipeline.scaling_study.forecast import Forecast, best_option, enough_workers, with_ten_times_the_data
from pipeline.scaling_study.graph import Shape

# A stage with a smaller share of the work is not blamed for how it grows.
MIN_SHARE = 0.05
# Runs whose total rows differ by less are of the same data, cut into batches of another size.
SAME_DATA_TOLERANCE = 0.25


def summarise_study(runs: Sequence[Observation], forecast: Forecast | None) -> dict[str, Any]:
    """Summarise the measured runs, and forecast others if there are costs for it.

    ``work`` is of the runs with the fewest workers, which slow each other down least, and with the lanes that were
    named first.
    """
    lanes = runs[0].shape.lanes
    usual = [run for run in runs if run.shape.lanes == lanes and not run.cut]
    fewest, most = min(run.workers for run in runs), max(run.workers for run in runs)
    largest = max((run.shape for run in usual), key=lambda shape: shape.batches)
    full = [run for run in usual if run.shape.batches == largest.batches]
    summary: dict[str, Any] = {
        "rows_per_batch": largest.rows,
        "kept_in_memory": largest.keep,
        "runs": [_run_row(run) for run in runs],
        "work": _work([run for run in usual if run.workers == fewest]),
        "batch_rows": _work_by_batch_rows(runs, most),
        "wall": {str(n): _wall_line([run for run in usual if run.workers == n]) for n in _workers(usual)},
        "time": _time(runs),
        "critical_path": {str(n): _mean_path([run for run in full if run.workers == n]) for n in _workers(usual)},
    }
    if forecast is not None:
        summary["simulator"] = _simulator_errors(forecast.check(runs))
        summary["forecast"] = _forecast(forecast, largest, most)
        summary["time"]["forecast"] = summary["forecast"]["by_workers"]
    summary["fixed_seconds"] = summary["wall"][str(most)].get("fixed_seconds", 0.0)
    summary["seconds_now"] = median(run.seconds for run in full if run.workers == most)
    return summary


def _workers(runs: Sequence[Observation]) -> list[int]:
    return sorted({run.workers for run in runs})


def _run_row(run: Observation) -> dict[str, Any]:
    shape = run.shape
    return {
        "batches": shape.batches,
        "rows_per_batch": shape.rows,
        "workers": run.workers,
        "lanes": shape.lanes,
        "cut": run.cut,
        "seconds": round(run.seconds, 4),
        "work": round(run.work, 4),
        "cpu": round(run.cpu, 4),
        "stages": {name: round(value, 4) for name, value in run.stages.items()},
    }


def _line_row(line: LineFit) -> dict[str, Any]:
    return {
        "seconds_per_batch": line.per_batch,
        "fixed_seconds": line.fixed,
        "interval": list(line.interval),
        "r2": line.r2,
    }


def _power_row(sizes: Sequence[int], seconds: Sequence[float]) -> dict[str, Any]:
    growth = fit_power(sizes, seconds)
    if growth is None:
        return {"power": None, "power_interval": None, "linear": None}
    finite = np.isfinite(growth.interval).all()
    return {
        "power": growth.power,
        "power_interval": list(growth.interval) if finite else None,
        "linear": growth.linear,
    }


def _wall_line(runs: Sequence[Observation]) -> dict[str, Any]:
    """Fit wall seconds to batches; empty if all runs have the same number of batches."""
    sizes = [run.shape.batches for run in runs]
    return _line_row(fit_line(sizes, [run.seconds for run in runs])) if len(set(sizes)) > 1 else {}


def _work(runs: Sequence[Observation]) -> dict[str, Any]:
    """How the seconds of tasks, and of the CPU, grow with the number of batches: in total, and for each stage."""
    sizes = [run.shape.batches for run in runs]
    work, cpu = [run.work for run in runs], [run.cpu for run in runs]
    if len(set(sizes)) < 2:
        return {
            "seconds_per_batch": mean(work) / sizes[0],
            "fixed_seconds": 0.0,
            "r2": None,
            "power": None,
            "linear": None,
        }
    by_stage = [run.work_by_stage() for run in runs]
    stages = {}
    for name in by_stage[0]:
        seconds = [stages_of_run.get(name, 0.0) for stages_of_run in by_stage]
        stages[name] = _line_row(fit_line(sizes, seconds)) | _power_row(sizes, seconds)
        stages[name]["share"] = sum(seconds) / sum(work)
    total = _line_row(fit_line(sizes, work)) | _power_row(sizes, work)
    steep = [name for name, stage in stages.items() if stage["linear"] is False and stage["share"] > MIN_SHARE]
    return total | {
        "workers": runs[0].workers,
        "lanes": runs[0].shape.lanes,
        "linear": None if total["linear"] is None else total["linear"] and not steep,
        "not_linear": steep,
        "cpu": _line_row(fit_line(sizes, cpu)),
        "stages": stages,
    }


def _work_by_batch_rows(runs: Sequence[Observation], workers: int) -> dict[str, Any]:
    """Whether a row costs the same in a batch of any size: for each stage, the power of the rows by which it grows."""
    total_rows = [run.shape.total_rows for run in runs if run.cut]
    same = [run for run in runs if run.workers == workers and run.shape.lanes == runs[0].shape.lanes]
    same = [
        run for run in same if any(abs(run.shape.total_rows / rows - 1) < SAME_DATA_TOLERANCE for rows in total_rows)
    ]
    by_rows = {run.shape.rows: [other for other in same if other.cut == run.cut] for run in same}
    if len(by_rows) < 2:
        return {}
    sizes = sorted(by_rows)
    work = [(size, run.shape, run.work_by_stage()) for size in sizes for run in by_rows[size]]
    per_row: dict[int, dict[str, float]] = {size: {} for size in sizes}
    growths = {}
    for name in work[0][2]:
        for size in sizes:
            per_row[size][name] = mean(stages[name] / shape.total_rows for rows, shape, stages in work if rows == size)
        per_batch = [stages[name] / shape.batches for _, shape, stages in work]
        growths[name] = fit_power([float(rows) for rows, _, _ in work], per_batch, fixed=False)
    total = sum(per_row[sizes[-1]].values())
    return {
        "seconds": {str(size): median(run.seconds for run in by_rows[size]) for size in sizes},
        "work_seconds_per_row": {str(size): sum(per_row[size].values()) for size in sizes},
        "power": {name: growth.power for name, growth in growths.items() if growth},
        "not_linear": [
            name
            for name, growth in growths.items()
            if growth and growth.interval[0] > MAX_LINEAR_POWER and per_row[sizes[-1]][name] > MIN_SHARE * total
        ],
    }


def _time(runs: Sequence[Observation]) -> dict[str, Any]:
    """Wall seconds of the most batches by workers and lanes, and the laws of Amdahl and Gunther through them."""
    usual = [run for run in runs if not run.cut]
    batches = max(run.shape.batches for run in usual)
    usual = [run for run in usual if run.shape.batches == batches]
    table: list[dict[str, Any]] = []
    for lanes in dict.fromkeys(run.shape.lanes for run in usual):
        table += _time_rows([run for run in usual if run.shape.lanes == lanes])
    rows = [row for row in table if row["lanes"] == usual[0].shape.lanes]
    points = [row["workers"] for row in rows], [row["seconds"] for row in rows]
    amdahl, usl = fit_amdahl(*points), fit_usl(*points)
    return {
        "batches": batches,
        "measured": table,
        "amdahl": amdahl and asdict(amdahl),
        "usl": usl and asdict(usl) | {"peak": usl.peak},
    }


def _time_rows(runs: Sequence[Observation]) -> list[dict[str, Any]]:
    """A row for each number of workers; speedup and efficiency are relative to the fewest workers."""
    rows: list[dict[str, Any]] = []
    fewest = min(run.workers for run in runs)
    base = median(run.seconds for run in runs if run.workers == fewest)
    for workers in _workers(runs):
        group = [run for run in runs if run.workers == workers]
        seconds = median(run.seconds for run in group)
        speedup = base / seconds
        rows.append(
            {
                "lanes": group[0].shape.lanes,
                "workers": workers,
                "seconds": seconds,
                "speedup": speedup,
                "efficiency": speedup * fewest / workers,
                "stages": {name: median(run.stages.get(name, 0.0) for run in group) for name in group[0].stages},
            }
        )
    return rows


def _mean_path(runs: Sequence[Observation]) -> dict[str, Any]:
    """The mean of the runs' critical paths."""
    paths = [critical_path(run.records, run.begin, run.end) for run in runs]
    parts = {part: mean(path[part] for path in paths) for part in PARTS}
    name, share = bottleneck(parts)
    return {"parts": parts, "bottleneck": name, "share": share}


def _simulator_errors(checks: list[dict[str, Any]]) -> dict[str, Any]:
    errors = sorted(abs(row["error"]) for row in checks)
    return {
        "checks": checks,
        "median_error": median(errors) if errors else None,
        "largest_error": errors[-1] if errors else None,
    }


def _forecast(forecast: Forecast, shape: Shape, workers: int) -> dict[str, Any]:
    """What other workers, lanes, batches and data would bring, compared with all batches on the most workers."""
    by_workers = forecast.by_workers(shape)
    enough = enough_workers(by_workers)
    by_lanes, by_lanes_at_enough = forecast.by_lanes(shape, workers), forecast.by_lanes(shape, enough)
    by_batch_rows = forecast.by_batch_rows(shape, workers)
    larger = with_ten_times_the_data(shape)
    usl = fit_usl(list(by_workers), list(by_workers.values()))
    return {
        "now": forecast.seconds(shape, workers),
        "next_worker": forecast.seconds(shape, workers + 1),
        "by_workers": _text_keys(by_workers),
        "usl": usl and asdict(usl) | {"peak": usl.peak},
        "enough_workers": enough,
        "doubling": [
            {"workers": double, "saves": 1 - by_workers[double] / by_workers[count]}
            for count, double in pairwise(sorted(by_workers))
        ],
        "lanes": _text_keys(by_lanes),
        "best_lanes": best_option(by_lanes, shape.lanes),
        "best_lanes_at_enough_workers": best_option(by_lanes_at_enough, shape.lanes),
        "batch_rows": _text_keys(by_batch_rows),
        "best_batch_rows": best_option(by_batch_rows, shape.rows),
        "ten_times_the_data": {
            "now": forecast.seconds(larger, workers),
            "enough_workers": forecast.seconds(larger, enough),
        },
    }


def _text_keys(seconds: Mapping[int, float]) -> dict[str, float]:
    """JSON's keys are texts."""
    return {str(option): value for option, value in seconds.items()}
