"""Preparation: from a DataFrame as it was read to a packed batch.

Belongs here: what happens to the rows of one batch before anything is learned. Joins, derived columns, filters, the
user's function, the choice of features, the split, the hashes of rows and words, and the packed form that stays in
memory. Everything is a function of one batch.

May import: `errors`, `io`, `config`.

To add a transformation without fitted state, add it to `transforms` (columns) or `expressions` (functions of a
config).
"""
