"""Data sets for demos and benchmarks: real flights, synthetic clicks.

Belongs here: code that writes a public or synthetic table as Parquet, and the config of a demo.

May import: `errors`, `notices`, `io`, `config`, `engine`.

To add a data set, write a file with a function ``write`` here, and add its subcommand to `cli.data`.
"""
