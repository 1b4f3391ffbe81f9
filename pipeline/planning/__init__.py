"""Planning: everything that is decided before the first row is read.

Belongs here: checks of a config against the schema and the model (`checks`), the choice of columns, the batches, the
boundary of the split, and the text of ``pipeline run --plan`` (`description`). `planner` decides step by step,
`plan` is the result.

May import: the rooms of the data (`io` to `evaluation`), nothing of Dask.

To add a check that can fail before any work is done, write a function in `checks` and call it in `planner`.
"""
