"""Statistics: what the training rows look like, in one pass, as states that merge.

Belongs here: every quantity that the encoding or a report needs to know about all rows. A state is a frozen value with
``of`` (some rows) and ``merge`` (a neighbour's state); `summary` holds all states of a batch. The ledger is here, too:
which role each row of each batch had.

May import: `errors`, `io`, `config`, `preparation`.

To add a statistic, write one file like `counts` and add a field to `summary.Summary`.
"""
