"""Evaluation: from a model and held-out rows to figures that can be trusted.

Belongs here: what is computed from predictions beyond a single metric. Slices, baselines, intervals, permutation
importance, drift, the learning curve. A metric itself belongs in `metrics`.

May import: `errors`, `io`, `config`, `preparation`, `statistics`, `encoding`, `models`, `metrics`.

To add an analysis, add its state to `evaluator.evaluate_batch` and what it becomes to `results`.
"""
