"""Scaling: what a run costs, how that grows with the data, and what more workers would bring."""
