"""Reporting: what people read after a run. report.json, the HTML page, the model card, the terminal's table.

Belongs here: presentation alone; the figures come from `evaluation`.

May import: the rooms above it in `tests/test_layering.py`.

To add a plot to the page, write a function in `html/plots` and name it in `html/render`.
"""
