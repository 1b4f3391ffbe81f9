"""Reporting: what people read after a run. report.json, the HTML page, the model card, the terminal's table.

Belongs here: presentation alone; the figures come from `evaluation`. A new plot of the page is a function in `html/plots`.

May import: the rooms above it in `tests/test_layering.py`.
"""
