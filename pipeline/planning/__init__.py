"""Planning: everything that is decided before the first row is read.

Belongs here: checks of a config against the data and the model (`checks`; a rule between keys alone is in
`config.checks`), which columns are read, the task, the boundary of the split, and the text of ``pipeline run --plan``
(`description`). `planner` decides step by step, `plan` is the result.

May import: `errors`, `notices`, `io`, `config`, `preparation`, `statistics`, `data_quality`, `encoding`, `models`,
`metrics`, `evaluation`; nothing of Dask.

To add a check that can fail before any work is done, write a function in `checks` and call it in `planner`.
"""
