from pipeline.scaling_study.advice import count_workers, give_advice

STAGES = {"read": {"power": 1.9}, "train": {"power": 1.0}}
SUMMARY = {
    "rows_per_batch": 1_000,
    "work": {
        "r2": 0.99,
        "interval": [0.01, 0.03],
        "power": 1.01,
        "linear": True,
        "not_linear": [],
        "stages": STAGES,
        "seconds_per_batch": 0.02,
        "fixed_seconds": 0.5,
    },
    "batch_rows": {"power": {"read": 1.5}},
    "time": {
        "measured": [
            {"lanes": 4, "workers": 1, "seconds": 8.0, "efficiency": 1},
            {"lanes": 4, "workers": 2, "seconds": 5.0, "efficiency": 0.8},
        ],
        "amdahl": {"serial": 0.25},
    },
    "critical_path": {"1": {"share": 0.9, "bottleneck": "train"}, "2": {"share": 0.5, "bottleneck": "read"}},
}


def test_linear_work_is_called_so_with_its_cost_and_interval():
    advice = give_advice(SUMMARY)
    assert advice["work"] == (
        "20.0 ms for each batch of 1,000 rows [10.0, 30.0] and 0.50 s in addition, R² 0.9900: O(n), power 1.01"
    )
    assert "batches" not in advice


def test_stage_that_is_not_linear_is_named_with_the_users_function():
    work = {**SUMMARY["work"], "linear": False, "not_linear": ["read"]}
    advice = give_advice({**SUMMARY, "work": work}, function="mine:clean")
    assert advice["work"].endswith("not O(n): read (power 1.90); look at prepare.function = mine:clean")


def test_few_sizes_give_no_verdict_and_none_no_line():
    assert give_advice({**SUMMARY, "work": {**SUMMARY["work"], "linear": None}})["work"].endswith(
        "too few sizes to tell how it grows"
    )
    assert "work" not in give_advice({**SUMMARY, "work": {**SUMMARY["work"], "r2": None}})


def test_rows_that_cost_more_in_larger_batches_are_told_apart():
    batch_rows = {**SUMMARY["batch_rows"], "not_linear": ["read"]}
    assert give_advice({**SUMMARY, "batch_rows": batch_rows})["batches"].endswith("rows of a batch: read (power 1.50)")


def test_times_of_all_workers_are_one_line_and_the_bottleneck_is_that_of_the_most_workers():
    advice = give_advice(SUMMARY)
    assert advice["lanes 4"] == "1 worker 8.00 s, 2 workers 5.00 s (efficiency 0.80)"
    assert advice["amdahl"] == "25.0% of the time does not fall with the workers"
    assert advice["bottleneck"] == "read, 50% of the critical path on 2 workers"


def test_workers_are_counted_in_words():
    assert [count_workers(n) for n in (1, 2, 1_000)] == ["1 worker", "2 workers", "1,000 workers"]
