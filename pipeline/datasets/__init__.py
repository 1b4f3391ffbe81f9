"""Data sets for demos and benchmarks: real flights, synthetic clicks.

To add one, write a file with a function ``write`` here, and name it in `cli`.
"""
