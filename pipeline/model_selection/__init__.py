"""Model selection: many settings train side by side on the same batches, and the best one wins.

Belongs here: the space of a search (`search_space`), the settings drawn from it (`trial_settings`), how many of them
train on how much (`successive_halving`), the data and the tasks that trials share (`shared_trial_data`,
`trial_runner`, `batched_trials`), and the loop over all of it (`search`).

May import: `errors`, `notices`, `io`, `config`, `preparation`, `statistics`, `data_quality`, `encoding`, `models`,
`metrics`, `evaluation`, `planning`, `monitoring`, `engine`, `training`.

To add a search method that trains settings in rungs, return its rungs in `successive_halving.brackets`; one that
picks settings by earlier scores draws them in a file of its own and is called by `search`. Add its name to
`config.SearchConfig`.
"""
