"""The cluster: threads, a local cluster, one to start, or a scheduler by its address; with our code on its workers."""
