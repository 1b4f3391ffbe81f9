#!/usr/bin/env bash
# A scheduler, a worker for each task and one run, in one allocation: sbatch slurm.sh my.toml
#SBATCH --job-name=etl-train
#SBATCH --ntasks=8
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=4G
#SBATCH --time=01:00:00
set -euo pipefail

config=${1:?the config to run}
file="$PWD/scheduler-$SLURM_JOB_ID.json" # on a file system that all nodes share
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

dask scheduler --scheduler-file "$file" &
scheduler=$!
workers=
trap 'kill $workers $scheduler 2>/dev/null || true; rm -f "$file"' EXIT
until [ -s "$file" ]; do sleep 1; done

srun dask worker --scheduler-file "$file" --nthreads 1 --memory-limit 3.5GiB --local-directory "${TMPDIR:-/tmp}" &
workers=$!
pipeline run "$config" --scheduler "$file" --workers "$SLURM_NTASKS" --set cluster.timeout=300
