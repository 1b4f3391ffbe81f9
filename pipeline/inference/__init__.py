"""Inference: a finished model elsewhere. Predictions from Parquet to Parquet, ONNX, MLflow's pyfunc.

Belongs here: what uses a trained model without evaluating it. Another export format is a file here.

May import: the rooms above it in `tests/test_layering.py`.
"""
