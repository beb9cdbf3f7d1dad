#!/bin/sh
# One run of the ablation: trains an arm with a seed on one core, then plays the weights that it leaves (bf16).
#
#   experiments/world_model/run.sh ARM SEED [option of `hadal train` ...]
#
# Resumes what was interrupted; with the weights in RESULTS it only plays. Environment: HADAL (program with the trainer, default
# build-train/hadal), WORK (checkpoints, default build-train/runs), RESULTS (default experiments/world_model/runs), EPISODES per
# depth (default 300; A, B, C, G: 1000).
set -eu
arm=$1; seed=$2; shift 2
here=$(dirname "$0")
hadal=${HADAL:-build-train/hadal}
run=${WORK:-build-train/runs}/$arm-s$seed
results=${RESULTS:-$here/runs}/$arm-s$seed
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
mkdir -p "$run" "$results"

if [ ! -e "$results/log.csv" ]; then
  "$hadal" train --config "$here/base.json" --config "$here/arms/${arm%%-*}.json" --seed "$seed" \
    --tokenizer "$here/tokenizer.json" --out "$run" "$@" 2>>"$run/run.txt"
  rm -rf "$run/bf16"
  "$hadal" convert -m "$run" --out "$run/bf16" --dtype bf16 >/dev/null
  cp "$run/bf16/model.safetensors" "$run/bf16/config.json" "$run/bf16/tokenizer.json" "$run/train.json" "$run/run.txt" "$results/"
  cp "$run/train.csv" "$results/log.csv"
fi

case $arm in A|B|C|G) episodes=1000 ;; *) episodes=300 ;; esac
play() { # mode of the files' names, then options of `hadal eval worlds`
  mode=$1; shift
  "$hadal" eval worlds -m "$results" -t 1 --options "$results/train.json" --episodes "${EPISODES:-$episodes}" \
    --csv "$results/episodes$mode.csv" --questions-csv "$results/questions$mode.csv" --json "$results/episodes$mode.json" "$@" \
    >"$results/episodes$mode.txt" 2>>"$results/run.txt"
}
play ""
case $arm in F*) play -token_causal --world-model token_causal ;; esac
