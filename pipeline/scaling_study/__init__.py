"""The scaling study: what a run costs, how that grows with the data, and what more workers would bring.

Belongs here: measured costs of tasks, a simulator of the task graph, fits and forecasts. Scaling of features belongs in
`encoding`.

May import: the rooms above it in `tests/test_layering.py`.

To add a law or a forecast, write a file here and show its result in `summary`.
"""
