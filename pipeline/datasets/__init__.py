"""Data sets to start with: what makes them, and the config that trains on them."""
