"""The scaling study: what a run costs, how that grows with the data, and what more workers would bring.

Belongs here: measured costs of tasks, a simulator of the task graph, fits and forecasts. Scaling of features belongs in
`encoding`.

May import: the rooms above it in `tests/test_layering.py`.

To add a law, see `fit`; a forecast, `forecast`. Their results go into `summary`, and what they mean into `advice`.
"""
