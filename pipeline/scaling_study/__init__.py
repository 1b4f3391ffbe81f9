"""The scaling study: what a run costs, how that grows with the data, and what more workers would bring.

Belongs here: measured costs of tasks, a simulator of the task graph, fits and forecasts. Scaling of features belongs
in `encoding`.

May import: `errors`, `notices`, `io`, `config`, `preparation`, `statistics`, `data_quality`, `encoding`, `models`,
`metrics`, `evaluation`, `planning`, `monitoring`, `engine`, `training`, `model_selection`.

To add a law of speed-up or growth, see `fit`; a forecast by simulation, `forecast`. Their results go into `summary`,
and what they mean into `advice`.
"""
