"""Encoding: a scikit-learn transformer fitted from statistics, and the rows of a packed batch to learn from."""

from pipeline.encode.coding import Coding, Rows, joined, make_encoder
from pipeline.encode.encoder import Encoder

__all__ = ["Coding", "Encoder", "Rows", "joined", "make_encoder"]
