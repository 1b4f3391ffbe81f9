"""Training: from statistics to a trained and evaluated model.

Belongs here: the order of the stages (`run_stages`), what they share (`run_context`), each stage on the cluster
(`statistics_stage`, `training_stage`, `evaluation_stage`, `cross_validation`), whether the rows suffice
(`row_checks`), lanes and rounds (`lane`, `trainer`), models that learn from groups of batches at once
(`group_trainer`), checkpoints, and training that continues from an older run (`warm_start`).

May import: `errors`, `notices`, `io`, `config`, `preparation`, `statistics`, `data_quality`, `encoding`, `models`,
`metrics`, `evaluation`, `planning`, `monitoring`, `engine`.

To add a rule that ends training early, see `trainer`; to add a stage to a run, write a file here and call it in
`run_stages`.
"""
