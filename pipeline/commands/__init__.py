"""Commands: one file for each subcommand of ``pipeline``; `cli` reads their arguments.

May import: every room.
"""
