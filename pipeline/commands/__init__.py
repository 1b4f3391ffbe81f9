"""Commands: the work of each subcommand of ``pipeline``, one file each; `cli` reads their arguments.

Belongs here: what one subcommand does from its arguments to its output, with as little logic of its own as possible.

May import: every room.

To add a subcommand, write a file here with one function, and a file of the same name in `cli` with its options.
(`search` is `run` with a search; `data` calls `datasets`.)
"""
