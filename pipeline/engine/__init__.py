"""Engine: all of Dask. Batches become tasks, and the states that tasks return are merged in a tree.

Belongs here: submitting tasks (`task_runner`, `task_graph`) and waiting for them (`stage`), the tree of merges
(`tree_reduction`), in which order and groups batches are worked on (`batch_schedule`), where their packed form comes
from (`batch_source`, `read_groups`), whether it stays in memory (`memory_policy`), what killed a worker
(`failure_diagnosis`), and in `cluster/` the connection to a cluster and its workers. The size of a batch is decided
in `io.batching`. This room and the dashboard's plugin are the only places that import `distributed`.

May import: `errors`, `notices`, `io`, `config`, `preparation`, `statistics`, `data_quality`, `encoding`, `models`,
`metrics`, `evaluation`, `planning`, `monitoring`.

To add another kind of cluster (Kubernetes, SLURM, a cloud), see `cluster.remote_cluster`.
"""
