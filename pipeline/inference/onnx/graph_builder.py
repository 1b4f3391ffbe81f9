"""The nodes and constants of an ONNX graph, as they are added."""

from collections.abc import Collection
from typing import Any

import numpy as np


class GraphBuilder:
    """Collects nodes and constants; every method that adds one returns its name, which is none of ``inputs``."""

    def __init__(self, inputs: Collection[str] = ()) -> None:
        import onnx  # of an extra

        self._inputs = frozenset(inputs)
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant."""
        array = np.asarray(value, dtype=dtype)
        name = self._free(f"constant_{len(self.constants)}")
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node."""
        name = self._free(f"{operator.lower()}_{len(self.nodes)}")
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [name], **attributes))
        return name

    def _free(self, name: str) -> str:
        while name in self._inputs:
            name += "_"
        return name

    def name_output(self, source: str, name: str) -> None:
        """Make a node an output of the graph."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [source], [name]))

    def count_passed(self, values: str, edges: np.ndarray) -> str:
        """Count how many of ``edges`` are not above each value, int64 (n,)."""
        column = self.add("Unsqueeze", values, self.constant([1], np.int64))
        passed = self.add("GreaterOrEqual", column, self.constant(edges[None], np.float64))
        ones = self.add("Cast", passed, to=self.onnx.TensorProto.INT64)
        return self.add("ReduceSum", ones, self.constant([1], np.int64), keepdims=0)
