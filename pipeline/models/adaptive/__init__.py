"""Linear models that need no tuning: one pass, adaptive rates, compiled, mergeable."""
