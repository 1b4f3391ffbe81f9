"""Commands: one file for each subcommand of ``pipeline``; `cli` reads their arguments.

Belongs here: what one subcommand does from its arguments to its output, with as little logic of its own as possible.

May import: every room.

To add a subcommand, write a file here and its options in `cli`.
"""
