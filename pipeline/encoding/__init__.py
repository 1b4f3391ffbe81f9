"""Encoding: a scikit-learn transformer, fitted from statistics, that turns prepared rows into a matrix.

Belongs here: every transformation with fitted state. Imputation, scaling, bins and indicators of numbers (`numeric`),
one-hot, ordinal, target and hash encoding of categories (`categorical`, `category_lookup`), the names of the encoded
columns (`output_names`), the compiled loops (`kernel`), and the way around DataFrames for a few rows (`row_packer`).

May import: `errors`, `notices`, `io`, `config`, `preparation`, `statistics`, `data_quality`.

To add one: its key in `config.ColumnTransform`, its statistic in `statistics`, what it learns in `numeric` or
`categorical`, its names in `output_names`, its columns in `encoder`.
"""
