"""Reporting: what people read after a run. report.json, the HTML page, the model card, the terminal's tables, MLflow.

Belongs here: presentation alone; the figures come from `evaluation`. Numbers and names are written by `formatting`.

May import: `errors`, `notices`, `io`, `config`, `preparation`, `statistics`, `data_quality`, `encoding`, `models`,
`metrics`, `evaluation`, `planning`, `monitoring`, `engine`, `training`, `model_selection`, `scaling_study`,
`inference`.

To add a plot to the page, write a function in a file of `html/plots` and name it in its ``__init__``. To add a file
to the run folder, see `report.render_files`; a line in the terminal, `terminal`; another tracking server, write a
file like `mlflow_tracking` and name it in `commands/export`.
"""
