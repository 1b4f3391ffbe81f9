"""Inference: a finished model elsewhere. Predictions from Parquet to Parquet, ONNX, MLflow's pyfunc.

Belongs here: what uses a trained model without evaluating it. To predict, `scoring_plan` decides, `batch_scorer` runs
tasks on the cluster, `scoring` is one task, `output_file` writes its file, `staging` and `manifest` make the folder
whole.

May import: `errors`, `notices`, `io`, `config`, `preparation`, `statistics`, `data_quality`, `encoding`, `models`,
`metrics`, `evaluation`, `planning`, `monitoring`, `engine`, `training`, `model_selection`, `scaling_study`.

To add a format that the model is exported to, write a file here and name it in `commands.export`. To add a column to
predictions, see `scoring`; another file format for them, `output_file`.
"""
