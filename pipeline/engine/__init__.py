"""Engine: all of Dask. Batches become tasks, and the states that tasks return are merged in a tree.

Belongs here: starting and waiting for tasks, where batches come from and how long they stay in memory, the order and
the grouping of batches, and (in `cluster/`) the connection to a cluster and its workers. This room and the dashboard's
plugin are the only places that import `distributed`.

May import: the rooms above it in `tests/test_layering.py`.

To add another kind of cluster (Kubernetes, SLURM, a cloud), see `cluster.remote_cluster`.
"""
