"""Model selection: many settings, trained beside each other on the same batches; the best one wins.

Belongs here: the space of a search, its methods (`successive_halving`), and how trials share the work. A new search method
is a file here and a word in `config.SearchConfig`.

May import: the rooms above it in `tests/test_layering.py`.
"""
