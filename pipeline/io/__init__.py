"""Files: where the data is, and one batch of it as a DataFrame.

Belongs here: everything that touches storage. Which files a path means (`file_listing`), which of them count by the
log of a table (`table_formats/`), what they are (`file_kinds`), what folder names (`hive_partitions`) and footers
(`parquet_footers`) say about them, the data set that they form (`dataset`), how row groups become batches, and of what
size (`batching`), how a batch is read (`reader`), connections and credentials (`storage`, `urls`), retries (`retry`),
secrets kept out of messages (`redact`), and the run folder (`run_folder`).

May import: `errors`, `notices`.

To add a table format, write its listing in `table_formats/`, let `recognition` know its log, and call it in
`file_listing`. To add a file format, read its metadata as `parquet_footers` does, and teach `reader` to read
a batch of it.
"""
