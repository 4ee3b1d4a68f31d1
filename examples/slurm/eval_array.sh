#!/bin/bash
# One job array evaluates a benchmark: each task a shard, then one job puts them together.
#
#   sbatch --array=0-15 examples/slurm/eval_array.sh vsi-bench
#   sbatch --dependency=afterany:<job id> --wrap "spatialclaw eval --merge $OUT"
#
# A task that is killed or preempted goes on where it ended when it is queued again (--requeue).
# Prepare the data once before, on a node with internet: spatialclaw benchmarks prepare vsi-bench

#SBATCH --job-name=spatialclaw-eval
#SBATCH --cpus-per-task=8
#SBATCH --mem=48G
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@120
#SBATCH --output=%x-%A_%a.log

set -euo pipefail

BENCHMARK=${1:?name a benchmark}
# On a file system that all nodes see, so that the shards can be merged.
OUT=${OUT:-$PWD/evals/$BENCHMARK}
# The model's server or servers, commas between them; the key, if any, in SPATIALCLAW_API_KEY.
: "${SPATIALCLAW_BASE_URL:?where does the model answer?}"

exec srun spatialclaw eval "$BENCHMARK" \
    --backend openai \
    --out "$OUT" \
    --shard "${SLURM_ARRAY_TASK_ID:?start me as a job array}/${SLURM_ARRAY_TASK_COUNT:?}" \
    --concurrency 32 \
    "${@:2}"
