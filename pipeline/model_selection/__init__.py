"""Model selection: many settings, trained beside each other on the same batches; the best one wins.

Belongs here: the space of a search, its methods (`successive_halving`), and how trials share the work.

May import: the rooms above it in `tests/test_layering.py`.

To add a search method, write a file here and add its word to `config.SearchConfig`.
"""
