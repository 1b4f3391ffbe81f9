"""Findings of a study: scale.json's content, from the runs that were measured and what is forecast of others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from statistics import mean, median
from typing import Any

import numpy as np

from pipeline.scaling_study import fit
from pipeline.scaling_study.costs import Observation
from pipeline.scaling_study.critical_path import PARTS, bottleneck, path
from pipeline.scaling_study.fit import LINEAR, Line
from pipeline.scaling_study.forecast import Forecast, best, enough, tenfold
from pipeline.scaling_study.graph import Shape

# A stage that is so small a part of the work is not blamed for how it grows.
SMALL = 0.05
# Runs whose rows in all differ by less are of the same data, cut in another way.
SAME = 0.25


def findings(runs: Sequence[Observation], forecast: Forecast | None) -> dict[str, Any]:
    """Everything that is known after the runs; without a forecast, what was measured alone.

    ``work`` is that of the fewest workers, where they are least in each other's way, with the lanes that were
    named first.
    """
    first = runs[0].shape
    plain = [run for run in runs if run.shape.lanes == first.lanes and not run.cut]
    fewest, most = min(run.workers for run in runs), max(run.workers for run in runs)
    alone = [run for run in plain if run.workers == fewest]
    largest = max((run.shape for run in plain), key=lambda shape: shape.batches)
    full = [run for run in plain if run.shape.batches == largest.batches]
    found: dict[str, Any] = {
        "rows_per_batch": largest.rows,
        "kept_in_memory": largest.keep,
        "runs": [_told(run) for run in runs],
        "work": _work(alone),
        "batch_rows": _by_rows(runs, most),
        "wall": {str(workers): _line([r for r in plain if r.workers == workers]) for workers in _workers(plain)},
        "time": _time(runs),
        "critical_path": {str(w): _path([run for run in full if run.workers == w]) for w in _workers(plain)},
    }
    if forecast is not None:
        found["simulator"] = _checked(forecast.check(runs))
        found["forecast"] = _forecast(forecast, largest, most)
        found["time"]["forecast"] = found["forecast"]["by_workers"]
    found["fixed_seconds"] = found["wall"][str(most)].get("fixed_seconds", 0.0)
    found["seconds_now"] = median(run.seconds for run in full if run.workers == most)
    return found


def _workers(runs: Sequence[Observation]) -> list[int]:
    return sorted({run.workers for run in runs})


def _told(run: Observation) -> dict[str, Any]:
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


def _as_line(found: Line) -> dict[str, Any]:
    return {
        "seconds_per_batch": found.per_batch,
        "fixed_seconds": found.fixed,
        "interval": list(found.interval),
        "r2": found.r2,
    }


def _line(runs: Sequence[Observation]) -> dict[str, Any]:
    """Wall seconds against batches; empty for batches of one number alone."""
    sizes = [run.shape.batches for run in runs]
    return _as_line(fit.line(sizes, [run.seconds for run in runs])) if len(set(sizes)) > 1 else {}


def _grown(sizes: Sequence[int], seconds: Sequence[float]) -> dict[str, Any]:
    found = fit.growth(sizes, seconds)
    if found is None:
        return {"power": None, "power_interval": None, "linear": None}
    known = np.isfinite(found.interval).all()
    return {
        "power": found.power,
        "power_interval": list(found.interval) if known else None,
        "linear": found.linear,
    }


def _work(runs: Sequence[Observation]) -> dict[str, Any]:
    """How the seconds of tasks, and the CPU's, grow with the number of batches: in all, and stage by stage."""
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
    staged = [run.work_by_stage() for run in runs]
    stages = {}
    for name in staged[0]:
        seconds = [one.get(name, 0.0) for one in staged]
        stages[name] = _as_line(fit.line(sizes, seconds)) | _grown(sizes, seconds)
        stages[name]["share"] = sum(seconds) / sum(work)
    found = _as_line(fit.line(sizes, work)) | _grown(sizes, work)
    steep = [n for n, s in stages.items() if s["linear"] is False and s["share"] > SMALL]
    return found | {
        "workers": runs[0].workers,
        "lanes": runs[0].shape.lanes,
        "linear": None if found["linear"] is None else found["linear"] and not steep,
        "not_linear": steep,
        "cpu": _as_line(fit.line(sizes, cpu)),
        "stages": stages,
    }


def _by_rows(runs: Sequence[Observation], workers: int) -> dict[str, Any]:
    """Whether a row costs the same in a batch of any size: for each stage, the power of the rows by which it grows."""
    total = [run.shape.total_rows for run in runs if run.cut]
    alike = [run for run in runs if run.workers == workers and run.shape.lanes == runs[0].shape.lanes]
    alike = [run for run in alike if any(abs(run.shape.total_rows / rows - 1) < SAME for rows in total)]
    groups = {run.shape.rows: [other for other in alike if other.cut == run.cut] for run in alike}
    if len(groups) < 2:
        return {}
    sizes = sorted(groups)
    per_row: dict[int, dict[str, float]] = {}
    powers = {}
    work = [(size, run.shape, run.work_by_stage()) for size in sizes for run in groups[size]]
    for name in work[0][2]:
        for size in sizes:
            share = [stages[name] / shape.total_rows for rows, shape, stages in work if rows == size]
            per_row.setdefault(size, {})[name] = mean(share)
        batches = [stages[name] / shape.batches for _, shape, stages in work]
        powers[name] = fit.growth([float(rows) for rows, _, _ in work], batches, fixed=False)
    whole = sum(per_row[sizes[-1]].values())
    return {
        "seconds": {str(size): median(run.seconds for run in groups[size]) for size in sizes},
        "work_seconds_per_row": {str(size): sum(per_row[size].values()) for size in sizes},
        "power": {name: power.power for name, power in powers.items() if power},
        "not_linear": [
            name
            for name, power in powers.items()
            if power and power.interval[0] > LINEAR and per_row[sizes[-1]][name] > SMALL * whole
        ],
    }


def _time(runs: Sequence[Observation]) -> dict[str, Any]:
    """Wall seconds by workers and lanes, of the most batches; what the laws of Amdahl and Gunther make of them."""
    usual = [run for run in runs if not run.cut]
    most = max(run.shape.batches for run in usual)
    usual = [run for run in usual if run.shape.batches == most]
    table: list[dict[str, Any]] = []
    for lanes in dict.fromkeys(run.shape.lanes for run in usual):
        one = None
        for workers in _workers(usual):
            some = [run for run in usual if run.workers == workers and run.shape.lanes == lanes]
            if not some:
                continue
            seconds = median(run.seconds for run in some)
            one = one or (workers, seconds)
            speedup = one[1] / seconds
            table.append(
                {
                    "lanes": lanes,
                    "workers": workers,
                    "seconds": seconds,
                    "speedup": speedup,
                    "efficiency": speedup * one[0] / workers,
                    "stages": {n: median(run.stages.get(n, 0.0) for run in some) for n in some[0].stages},
                }
            )
    first = [row for row in table if row["lanes"] == usual[0].shape.lanes]
    points = [row["workers"] for row in first], [row["seconds"] for row in first]
    amdahl, usl = fit.amdahl(*points), fit.usl(*points)
    return {
        "batches": most,
        "measured": table,
        "amdahl": amdahl and asdict(amdahl),
        "usl": usl and asdict(usl) | {"peak": usl.peak},
    }


def _path(runs: Sequence[Observation]) -> dict[str, Any]:
    """The mean of the runs' critical paths."""
    paths = [path(run.records, run.begin, run.end) for run in runs]
    parts = {part: mean(one[part] for one in paths) for part in PARTS}
    name, share = bottleneck(parts)
    return {"parts": parts, "bottleneck": name, "share": share}


def _checked(rows: list[dict[str, Any]]) -> dict[str, Any]:
    errors = sorted(abs(row["error"]) for row in rows)
    return {
        "checks": rows,
        "median_error": median(errors) if errors else None,
        "largest_error": errors[-1] if errors else None,
    }


def _forecast(forecast: Forecast, shape: Shape, workers: int) -> dict[str, Any]:
    """What other workers, lanes, batches and data would bring, beside the run of all batches on the most workers."""
    by_workers = forecast.by_workers(shape)
    worth = enough(by_workers)
    now = forecast.seconds(shape, workers)
    lanes, there = forecast.lanes(shape, workers), forecast.lanes(shape, worth)
    sizes = forecast.sizes(shape, workers)
    larger = tenfold(shape)
    law = fit.usl(list(by_workers), list(by_workers.values()))
    return {
        "now": now,
        "next_worker": forecast.seconds(shape, workers + 1),
        "by_workers": {str(count): seconds for count, seconds in by_workers.items()},
        "usl": law and asdict(law) | {"peak": law.peak},
        "enough_workers": worth,
        "doubling": [
            {"workers": double, "saves": 1 - by_workers[double] / by_workers[count]}
            for count, double in pairwise(sorted(by_workers))
        ],
        "lanes": {str(count): seconds for count, seconds in lanes.items()},
        "best_lanes": best(lanes, shape.lanes),
        "best_lanes_at_enough_workers": best(there, shape.lanes),
        "batch_rows": {str(rows): seconds for rows, seconds in sizes.items()},
        "best_batch_rows": best(sizes, shape.rows),
        "ten_times_the_data": {
            "now": forecast.seconds(larger, workers),
            "enough_workers": forecast.seconds(larger, worth),
        },
    }


def advice(found: Mapping[str, Any], function: str | None = None) -> dict[str, str]:
    """What a person should know, a line each; ``function`` is prepare.function, which may be to blame."""
    work, said = found["work"], found.get("forecast")
    lines = {}
    if work["r2"] is not None:
        low, high = (1e3 * value for value in work["interval"])
        verdict = f"O(n), power {work['power']:.2f}" if work["linear"] else "too few sizes to tell how it grows"
        if work["linear"] is False:
            names = ", ".join(f"{n} (power {work['stages'][n]['power']:.2f})" for n in work["not_linear"])
            verdict = f"not O(n): {names or 'all stages together'}{_culprit(work['not_linear'], function)}"
        lines["work"] = (
            f"{1e3 * work['seconds_per_batch']:.1f} ms a batch of {found['rows_per_batch']:,} rows "
            f"[{low:.1f}, {high:.1f}] and {work['fixed_seconds']:.2f} s besides, R² {work['r2']:.4f}: {verdict}"
        )
    steep = found["batch_rows"].get("not_linear")
    if steep:
        names = ", ".join(f"{n} (power {found['batch_rows']['power'][n]:.2f})" for n in steep)
        lines["batches"] = (
            f"a row costs more in larger batches, so this is not O(n) in the rows of a batch: {names}"
            f"{_culprit(steep, function)}"
        )
    for row in found["time"]["measured"]:
        key = f"lanes {row['lanes']}"
        text = f"{counted(row['workers'])} {row['seconds']:.2f} s"
        if row["efficiency"] != 1:
            text += f" (efficiency {row['efficiency']:.2f})"
        lines[key] = f"{lines[key]}, {text}" if key in lines else text
    if found["time"]["amdahl"]:
        lines["amdahl"] = f"{found['time']['amdahl']['serial']:.1%} of the time does not fall with the workers"
    most = max(map(int, found["critical_path"]))
    here = found["critical_path"][str(most)]
    lines["bottleneck"] = f"{here['bottleneck']}, {here['share']:.0%} of the critical path on {counted(most)}"
    if said is None:
        return lines
    worth = said["enough_workers"]
    lines["next worker"] = f"{said['next_worker']:.2f} s instead of {said['now']:.2f} s"
    lines["enough"] = f"{counted(worth)}: twice as many would save less than a quarter of {_at(said, worth):.2f} s"
    lines["best lanes"] = f"{said['best_lanes']} on {counted(most)}, {said['best_lanes_at_enough_workers']} on {worth}"
    lines["best batch"] = f"{said['best_batch_rows']:,} rows, of {', '.join(f'{int(n):,}' for n in said['batch_rows'])}"
    ten = said["ten_times_the_data"]
    lines["10 x data"] = f"{ten['now']:.1f} s on {counted(most)}, {ten['enough_workers']:.1f} s on {worth}"
    errors = found["simulator"]
    if errors["checks"]:
        lines["simulator"] = (
            f"off by {errors['median_error']:.1%} in the middle, {errors['largest_error']:.1%} at most, of what was "
            "measured"
        )
    return lines


def counted(workers: int) -> str:
    """Workers in words.

    >>> counted(1), counted(2)
    ('1 worker', '2 workers')
    """
    return f"{workers:,} worker{'s' if workers != 1 else ''}"


def _at(said: Mapping[str, Any], workers: int) -> float:
    return float(said["by_workers"][str(workers)])


def _culprit(stages: Sequence[str], function: str | None) -> str:
    """Reading includes preparation: a function of the user's is the first suspect."""
    return f"; look at prepare.function = {function}" if function and "read" in stages else ""
