#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A task of the array: generates its shard, or resumes it. Submitted by nightly.sh:
# sbatch --array=0-N --requeue shard.sh RUN
#
# A task is stopped by preemption or, `stop_before` seconds before its time limit, by --signal. The
# step (confgen) then gets SIGTERM, completes its output and exits with 130. If Slurm has not requeued
# the task, this script does; the next attempt continues with --resume, also after SIGKILL or the loss
# of the node.
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
# The number of lines of the manifest, one per molecule written
written() { { wc -l <"$output.manifest"; } 2>/dev/null || echo 0; }
printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$(date -u +%FT%TZ)" "$SLURM_JOB_ID" "${SLURM_RESTART_COUNT:-0}" \
  "$(hostname)" "${machine:-unknown}" "$(written)" >>"$at/attempts-$task.tsv" || die "$at: cannot be written"
attempt=$(wc -l <"$at/attempts-$task.tsv")
say "shard $task of $shards, attempt $attempt, job $SLURM_JOB_ID on $(hostname), $(date -u +%FT%TZ)"
((attempt <= max_restarts + 1)) || die "shard $task: started $attempt times, giving up (max_restarts)"
[ "$(sha256sum <"$program")" = "$(jq -r .program_sha256 "$run/run.json")  -" ] ||
  die "$program has changed since the run was submitted"

# On a GPU attention, batch, cache and steps are measured; a resumed run must use the first one's.
first_options=()
if [ -e "$output.manifest" ]; then
  arithmetic=$(head -n 1 "$output.manifest" | jq -r '.fingerprint.arithmetic // ""' 2>/dev/null) || arithmetic=
  [[ ! $arithmetic =~ attention\ ([A-Za-z0-9_-]+) ]] || first_options+=(--attention "${BASH_REMATCH[1]}")
  [[ ! $arithmetic =~ batch\ ([0-9]+) ]] || first_options+=(--batch-size "${BASH_REMATCH[1]}")
  [[ ! $arithmetic =~ KV\ cache\ ([A-Za-z0-9_-]+) ]] || first_options+=(--kv-cache "${BASH_REMATCH[1]}")
  [[ ! $arithmetic =~ cache\ [A-Za-z0-9_-]+,\ step\ tokens\ ([1-9][0-9]*) ]] || first_options+=(--step-tokens "${BASH_REMATCH[1]}")
fi
# Since Slurm 22.05 srun no longer inherits sbatch's --cpus-per-task
cpus=${SLURM_CPUS_PER_TASK:-1}
declare -n partition_options=confgen_$partition

# Slurm signals the step; this shell must outlive it.
trap : TERM
# --shard: the number of shards, not $SLURM_ARRAY_TASK_COUNT, so that a single shard can be repeated.
srun --ntasks=1 --cpus-per-task="$cpus" --input=none \
  "$program" --input "$input" --gens "$gens" --threads "$cpus" \
  ${confgen_options[@]+"${confgen_options[@]}"} ${partition_options[@]+"${partition_options[@]}"} \
  ${first_options[@]+"${first_options[@]}"} --shard "$task/$shards" --output "$output" --failed "$at/failed-$task.tsv" \
  --report "$at/report-$task-$attempt.json" --resume
status=$?
say "shard $task: confgen ended with status $status, $(date -u +%FT%TZ)"

case $status in
  0 | 1) exit 0 ;; # 1: some molecules failed, which the gate counts
  130) ;;
  *) exit $status ;;
esac
# Requeue unless the task was cancelled or Slurm has already requeued it
job=$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)
if [ "$job" = RUNNING ]; then
  now=$(written)
  if ((attempt >= 3)) && [ "$(tail -n 3 "$at/attempts-$task.tsv" | cut -f6 | sort -u)" = "$now" ]; then
    die "shard $task: three attempts were stopped before a molecule was complete, giving up:" \
      "use more time or more shards"
  fi
  say "shard $task: stopped, requeuing"
  scontrol requeue "$SLURM_JOB_ID" || die "shard $task: scontrol requeue failed"
  sleep 300 & # until Slurm ends this attempt
  wait $!
fi
exit $status
