"""Table formats: folders of Parquet files of which a log says which count.

`recognition` finds that a path is such a table, or lies in one. `delta` and `iceberg` list the files of one version by
the log, with the values of partition columns; both need an extra of the project. `table_columns` holds the files to the
columns of the table. Hudi is recognised and refused.
"""
