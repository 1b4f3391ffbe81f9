"""Inference: a finished model elsewhere. Predictions from Parquet to Parquet, ONNX, MLflow's pyfunc.

Belongs here: what uses a trained model without evaluating it.

May import: the rooms above it in `tests/test_layering.py`.

To add a format that the model is exported to, write a file here and name it in `commands/export`. To add something to
predictions, see `scoring`.
"""
