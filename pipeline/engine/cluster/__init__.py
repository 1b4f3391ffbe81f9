"""The cluster: threads, a cluster on this machine or one elsewhere, with our code on its workers.

`session.connect` chooses between `local_threads`, `local_cluster` (which also replaces failed workers) and
`remote_cluster`. `scheduler_spec` reads what the config names, `connection` opens the connection and notices when it
is lost, `tls` holds certificates. `version_check`, `worker_requirements` and `code_upload` prepare the workers.

Another kind of cluster (Kubernetes, SLURM, a cloud) belongs in `remote_cluster`, whose docstring says how.
"""
