"""The cluster: threads, a cluster on this machine or one elsewhere, with our code on its workers.

`session.connect` chooses between `local_threads`, `local_cluster` and `remote_cluster`. Another kind of cluster
(Kubernetes, SLURM, a cloud) belongs in `remote_cluster`, whose docstring says how.
"""
