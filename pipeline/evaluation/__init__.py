"""Evaluation: from a model and held-out rows to figures with intervals, baselines and slices.

Belongs here: what is computed from predictions beyond a single metric. Predictions of a model, slices, baselines,
intervals, permutation importance, drift, the learning curve. A metric itself belongs in `metrics`.

May import: `errors`, `notices`, `io`, `config`, `preparation`, `statistics`, `data_quality`, `encoding`, `models`,
`metrics`.

To add an analysis, write a file here like `slices`, add its state to `evaluator.EvaluationState` and its figures to
`results.EvaluationResults`. To add
a baseline, write a class with `predict` in `baselines`, and name it in `training.evaluation_stage`.
"""
