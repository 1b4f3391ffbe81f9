"""Planning: everything that is decided before the first row is read.

Belongs here: checks of a config against the schema, the choice of columns, the batches, the boundary of the split, and
the text of ``pipeline run --plan``.

May import: every room of the data (`io` to `evaluation`), nothing of Dask.

To add a check that can fail before any work is done, add it here.
"""
