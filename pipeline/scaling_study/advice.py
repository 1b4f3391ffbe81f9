"""Advice: what a person should know after a study, a line each, from the content of scale.json."""

from collections.abc import Mapping, Sequence
from typing import Any

Summary = Mapping[str, Any]


def give_advice(summary: Summary, function: str | None = None) -> dict[str, str]:
    """Write the lines by name.

    Parameters
    ----------
    summary
        As `summary.summarise_study` gives it.
    function
        ``prepare.function``, which may be to blame for what grows.
    """
    return {
        **_work_advice(summary["work"], summary["rows_per_batch"], function),
        **_batch_rows_advice(summary["batch_rows"], function),
        **_time_advice(summary["time"]),
        **_bottleneck_advice(summary["critical_path"]),
        **_forecast_advice(summary),
    }


def _work_advice(work: Summary, rows: int, function: str | None) -> dict[str, str]:
    if work["r2"] is None:
        return {}
    low, high = (1e3 * value for value in work["interval"])
    verdict = f"O(n), power {work['power']:.2f}" if work["linear"] else "too few sizes to tell how it grows"
    if work["linear"] is False:
        steep = {name: work["stages"][name]["power"] for name in work["not_linear"]}
        verdict = f"not O(n): {_powers(steep) or 'all stages together'}{_suspect(work['not_linear'], function)}"
    return {
        "work": f"{1e3 * work['seconds_per_batch']:.1f} ms for each batch of {rows:,} rows [{low:.1f}, {high:.1f}] "
        f"and {work['fixed_seconds']:.2f} s in addition, R² {work['r2']:.4f}: {verdict}"
    }


def _batch_rows_advice(batch_rows: Summary, function: str | None) -> dict[str, str]:
    steep = {name: batch_rows["power"][name] for name in batch_rows.get("not_linear", [])}
    if not steep:
        return {}
    return {
        "batches": "a row costs more in larger batches, so this is not O(n) in the rows of a batch: "
        f"{_powers(steep)}{_suspect(list(steep), function)}"
    }


def _time_advice(time: Summary) -> dict[str, str]:
    lines: dict[str, str] = {}
    for row in time["measured"]:
        name = f"lanes {row['lanes']}"
        text = f"{count_workers(row['workers'])} {row['seconds']:.2f} s"
        if row["efficiency"] != 1:
            text += f" (efficiency {row['efficiency']:.2f})"
        lines[name] = f"{lines[name]}, {text}" if name in lines else text
    if time["amdahl"]:
        lines["amdahl"] = f"{time['amdahl']['serial']:.1%} of the time does not fall with the workers"
    return lines


def _bottleneck_advice(paths: Summary) -> dict[str, str]:
    most = max(map(int, paths))
    path = paths[str(most)]
    share = f"{path['share']:.0%} of the critical path on {count_workers(most)}"
    return {"bottleneck": f"{path['bottleneck']}, {share}"}


def _forecast_advice(summary: Summary) -> dict[str, str]:
    forecast = summary.get("forecast")
    if forecast is None:
        return {}
    workers, enough = max(map(int, summary["critical_path"])), forecast["enough_workers"]
    seconds, larger = forecast["by_workers"][str(enough)], forecast["ten_times_the_data"]
    sizes = ", ".join(f"{int(rows):,}" for rows in forecast["batch_rows"])
    lines = {
        "next worker": f"{forecast['next_worker']:.2f} s instead of {forecast['now']:.2f} s",
        "enough": f"{count_workers(enough)}: twice as many would save less than a quarter of {seconds:.2f} s",
        "best lanes": f"{forecast['best_lanes']} on {count_workers(workers)}, "
        f"{forecast['best_lanes_at_enough_workers']} on {enough}",
        "best batch": f"{forecast['best_batch_rows']:,} rows, of {sizes}",
        "10 x data": f"{larger['now']:.1f} s on {count_workers(workers)}, {larger['enough_workers']:.1f} s on {enough}",
    }
    errors = summary["simulator"]
    if errors["checks"]:
        lines["simulator"] = (
            f"its forecasts of the measured runs are off by {errors['median_error']:.1%} (median), "
            f"{errors['largest_error']:.1%} at most"
        )
    return lines


def count_workers(workers: int) -> str:
    """The number of workers in words.

    >>> count_workers(1), count_workers(2)
    ('1 worker', '2 workers')
    """
    return f"{workers:,} worker{'s' if workers != 1 else ''}"


def _powers(powers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} (power {power:.2f})" for name, power in powers.items())


def _suspect(stages: Sequence[str], function: str | None) -> str:
    """Name the user's function if reading, which includes preparation, grows."""
    return f"; look at prepare.function = {function}" if function and "read" in stages else ""
