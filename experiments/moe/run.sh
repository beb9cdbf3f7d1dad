#!/bin/sh
# One run of the study: trains a model on one core and leaves its shape, log and weights.
#
#   experiments/moe/run.sh MODEL SEED [option of `hadal train` ...]      MODEL: a file of models/
#
# Environment: HADAL (program with the trainer, default build-train/hadal), WORK (checkpoints, default build-train/moe),
# RESULTS (default experiments/moe/runs).
set -eu
model=$1; seed=$2; shift 2
here=$(dirname "$0")
hadal=${HADAL:-build-train/hadal}
run=${WORK:-build-train/moe}/$model-s$seed
results=${RESULTS:-$here/runs}/$model-s$seed
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
mkdir -p "$run" "$results"
"$hadal" train --config "$here/../world_model/base.json" --config "$here/base.json" --config "$here/models/$model.json" --seed "$seed" \
  --tokenizer "$here/../world_model/tokenizer.json" --out "$run" "$@" 2>>"$run/run.txt"
rm -rf "$run/bf16"
"$hadal" convert -m "$run" --out "$run/bf16" --dtype bf16 >/dev/null
cp "$run/bf16/model.safetensors" "$run/bf16/config.json" "$run/bf16/tokenizer.json" "$run/train.json" "$run/run.txt" "$results/"
cp "$run/train.csv" "$results/log.csv"
