"""Preparation: from a DataFrame as it was read to a packed batch.

Belongs here: what happens to the rows of one batch before anything is learned. Joins, derived columns, filters, the
user's function, the choice of features, the split, the hashes of rows and words, and the packed form that stays in
memory. Each step is a function of one batch that does not change its input; `batch_pipeline` calls them in order.

May import: `errors`, `notices`, `io`, `config`.

To add a step without fitted state, add it to `transforms.apply_steps`. A function for the expressions of a config
goes into the tables of `expressions`, a part of a date into `columns.DATETIME_PARTS`.
"""
