"""Data quality: what looks wrong with a column, and the config key that answers it.

Belongs here: judgements, not measurements. Each is a `finding.Finding`, made of the names and the first rows
(`first_rows`) or of the statistics of all training rows (`training_rows`, `extreme_numbers`). A finding stops nothing.
A false alarm is a defect: thresholds stand as constants with their reason, and ordinary tables have at most a few
findings.

May import: `errors`, `notices`, `io`, `config`, `preparation`, `statistics`.

To add a finding, write a function that returns `Finding`s, with a kind of its own, and call it in one of them.
"""
