#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A task of the array: its shard, from the beginning or from where it was stopped. Submitted by
# nightly.sh: sbatch --array=0-N --requeue shard.sh RUN
#
# A task is stopped by preemption or, `stop_before` seconds before its time limit, by --signal. The
# step (confgen) gets SIGTERM then, writes down what it has and ends with 130. Where Slurm has not
# requeued the task itself, this script asks it to; the next attempt goes on with --resume, also
# after SIGKILL or the loss of the node.
set -uo pipefail
here=$1/tools
# shellcheck source=lib.sh
. "$here/lib.sh"
need jq sha256sum srun squeue scontrol
run_read "$1"

task=$SLURM_ARRAY_TASK_ID
at=$run/shards
mkdir -p "$at"
machine=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
output=$at/out-$task.sdf.zst
# Lines of the manifest: one a molecule that is written
written() { { wc -l <"$output.manifest"; } 2>/dev/null || echo 0; }
printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$SLURM_JOB_ID" "${SLURM_RESTART_COUNT:-0}" \
  "$(hostname)" "${machine:-unknown}" "$(written)" >>"$at/begun-$task.tsv" || die "$at: cannot be written"
attempt=$(wc -l <"$at/begun-$task.tsv")
say "shard $task of $shards, attempt $attempt, job $SLURM_JOB_ID on $(hostname), $(date -u +%FT%TZ)"
((attempt <= max_restarts + 1)) || die "shard $task was begun $attempt times: given up (max_restarts)"
[ "$(sha256sum <"$program")" = "$(jq -r .program_sha256 "$run/run.json")  -" ] ||
  die "$program is another program than when the run was submitted"

# A GPU's batch, cache and steps are measured; a resumed run must have what the first one had.
same=()
if [ -e "$output.manifest" ]; then
  sums=$(head -n 1 "$output.manifest" | jq -r '.fingerprint.arithmetic // ""' 2>/dev/null) || sums=
  [[ ! $sums =~ attention\ ([A-Za-z0-9_-]+) ]] || same+=(--attention "${BASH_REMATCH[1]}")
  [[ ! $sums =~ batch\ ([0-9]+) ]] || same+=(--batch-size "${BASH_REMATCH[1]}")
  [[ ! $sums =~ KV\ cache\ ([A-Za-z0-9_-]+) ]] || same+=(--kv-cache "${BASH_REMATCH[1]}")
  [[ ! $sums =~ step\ tokens\ ([1-9][0-9]*) ]] || same+=(--step-tokens "${BASH_REMATCH[1]}")
fi
# srun does not take over sbatch's --cpus-per-task since Slurm 22.05
cpus=${SLURM_CPUS_PER_TASK:-1}
declare -n partition_options=confgen_$partition

# Slurm tells the step by itself; this shell has to live until the step has ended.
trap : TERM
# --shard: the array is 0 to shards - 1, so that this is $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT;
# but one shard can be repeated by itself.
srun --ntasks=1 --cpus-per-task="$cpus" --input=none \
  "$program" --input "$input" --gens "$gens" --threads "$cpus" \
  ${confgen_options[@]+"${confgen_options[@]}"} ${partition_options[@]+"${partition_options[@]}"} \
  ${same[@]+"${same[@]}"} --shard "$task/$shards" --output "$output" --failed "$at/failed-$task.tsv" \
  --report "$at/report-$task-$attempt.json" --resume
status=$?
say "shard $task: confgen ended with status $status, $(date -u +%FT%TZ)"

case $status in
  0 | 1) exit 0 ;; # 1: some molecules failed, which the gate counts
  130) ;;
  *) exit $status ;;
esac
# Cancelled, or requeued already: the state tells
job=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)
if [ "$job" = RUNNING ]; then
  now=$(written)
  if ((attempt >= 3)) && [ "$(tail -n 3 "$at/begun-$task.tsv" | cut -f6 | sort -u)" = "$now" ]; then
    die "shard $task: three attempts were stopped before a molecule was complete: given up;" \
      "it needs more time, or more shards"
  fi
  say "shard $task: stopped; requeued to go on"
  scontrol requeue "$SLURM_JOB_ID" || die "shard $task: scontrol requeue failed: this task ends here"
  sleep 300 & # for Slurm to end this attempt
  wait $!
fi
exit $status
