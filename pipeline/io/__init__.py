"""Files: where the data is, and one batch of it as a DataFrame.

Belongs here: everything that touches storage. Which files a path means, what their Parquet footers say, how row
groups become batches, how a batch is read, retries, secrets kept out of messages, and the run folder.

May import: `errors`.

To add a file format or a table format, teach `dataset` to list it and `reader` to read a batch of it.
"""
