"""A trained Pipeline as one ONNX graph, from the columns as they are to labels and probabilities.

The encoder and a linear model together are sums: of a number times its weight, and of the weight of a category's
slot. So the graph looks weights up, where scikit-learn multiplies a wide matrix.

Every column of the DataFrame is an input of shape (n,). Numbers are double, NaN for missing. Texts are strings, the
empty one for missing. Whole numbers that are categories are int64. Datetimes are the microseconds of their wall clock
since 1970, int64. The least int64 stands for missing in both.

To export another treatment of columns, add it to `columns`; another kind of model, to `outputs`; and what is still
impossible to `limits`.
"""
