"""Statistics: what the training rows look like, in one pass, as states that merge.

Belongs here: every quantity that the encoding or a report needs to know about all rows. A state is a frozen value
with ``of`` (the rows of one batch) and ``merge`` (the states of neighbouring parts, in order); `summary` holds all
states of a batch. The ledger is here, too: how many rows of each batch had which role.

May import: `errors`, `notices`, `io`, `config`, `preparation`.

To add a statistic, write one file like `counts` and add a field to `summary.Summary`.
"""
