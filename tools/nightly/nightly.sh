#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The nightly evaluation on a Slurm cluster.
#
#   tools/nightly/nightly.sh [--conf FILE] submit [PARTITION...]   submit tonight's jobs; for cron
#   tools/nightly/nightly.sh [--conf FILE] dry-run [PARTITION...]  ask Slurm whether it would take them; submit nothing
#   tools/nightly/nightly.sh [--conf FILE] again RUN               submit the rest of a broken run
#   tools/nightly/nightly.sh [--conf FILE] accept RUN WHY          count a failed run as good
#   tools/nightly/nightly.sh [--conf FILE] page                    write the page
#   tools/nightly/nightly.sh [--conf FILE] check                   check the configuration and that its files can be read
#
# FILE: $CONFGEN_NIGHTLY_CONF, else nightly.conf in this script's directory. See README.md.
# Exit status: 0; 1 if something could not be done, or `submit` finds an earlier night that was never
# judged; 2 usage error.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

usage() { sed -n '3,${/^#/!q; s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
file=${CONFGEN_NIGHTLY_CONF:-$here/nightly.conf}
if [ "${1-}" = --conf ]; then
  (($# >= 2)) || usage
  file=$2
  shift 2
fi
(($# >= 1)) || usage
command=$1
shift
need jq flock sha256sum
conf_read "$file"

# submit_array PARTITION N SBATCH-ARG...: submits N tasks, or with --test-only asks whether they would be taken
submit_array() {
  local -n options=sbatch_$1
  local partition=$1 last=$(($2 - 1))
  shift 2
  # singleton: only after the previous night on the same partition
  sbatch --job-name="confgen-nightly-$partition" --array="0-$last" --dependency=singleton --requeue \
    --signal="TERM@$stop_before" --open-mode=append ${options[@]+"${options[@]}"} "$@"
}

# submit_finish PARTITION SBATCH-ARG...: the job after the array likewise
submit_finish() {
  local partition=$1
  shift
  sbatch --job-name="confgen-judge-$partition" --requeue --open-mode=append \
    ${finish_sbatch[@]+"${finish_sbatch[@]}"} "$@"
}

# queue RUN: submits the array and the job after it
queue() {
  local run=$1 name partition last array finish=
  name=$(basename "$run")
  partition=$(jq -r .partition "$run/run.json")
  last=$(($(jq .shards "$run/run.json") - 1))
  array=$(submit_array "$partition" $((last + 1)) --parsable --output="$run/log/shard-%a.log" "$run/tools/shard.sh" "$run") ||
    { warn "$name: sbatch refused the array"; return 1; }
  array=${array%%;*}
  finish=$(submit_finish "$partition" --parsable --dependency="afterany:$array,singleton" \
    --output="$run/log/finish.log" "$run/tools/finish.sh" "$run") || {
    warn "$name: sbatch refused the job after the array; cancelling the array"
    scancel "$array"
    return 1
  }
  printf '%s\n' "$array" "${finish%%;*}" >"$run/jobs"
  say "$name: array $array of $((last + 1)) tasks, then job ${finish%%;*}"
}

# prepare PARTITION: makes the directory of a new run, $run
prepare() {
  local partition=$1 date stamp input=$input reference=$reference gens=$gens shards=$shards eval_options
  conf_partition "$partition"
  date=$(date -u +%FT%TZ)
  stamp=$(date -u +%Y-%m-%dT%H%M%SZ)
  run=$state/runs/$stamp-$partition
  mkdir -p "$state/runs"
  mkdir "$run" "$run/log" "$run/shards" "$run/tools"
  # copies, which the jobs read hours later, when the originals may have changed
  cp "$conf" "$run/nightly.conf"
  cp "$here"/*.sh "$here"/*.jq "$run/tools"
  jq -n --arg run "$stamp-$partition" --arg date "$date" --arg partition "$partition" \
    --argjson shards "$shards" --arg gens "$gens" --arg program "$program" --arg commit "$commit" \
    --arg program_sha256 "$program_sha256" --arg input_sha256 "$(sum_of "$input")" \
    --arg reference_sha256 "$(sum_of "$reference")" --arg conf_folder "$conf_folder" \
    '$ARGS.named' >"$run/run.json"
}

# give_up RUN REASON: records that a run will never be judged
give_up() {
  warn "$(basename "$1"): $2; see $1/log"
  history_add "$(broken_line "$1" "$2")"
  notify_all "$(jq -r .partition "$1/run.json")" "$1" "$(basename "$1"): broken: $2"
}

# Gives up runs that are neither in the history nor in the queue; returns 1 if there is one
give_up_lost() {
  local known run name job found=0
  # without an answer the jobs may still exist
  squeue --noheader --format=%i >/dev/null || die 'squeue does not answer: nothing submitted'
  known=$(history_read | jq -r '.[].run')
  for run in "$state"/runs/*/; do
    run=${run%/}
    name=$(basename "$run")
    [ -e "$run/jobs" ] || continue
    [[ $'\n'$known$'\n' != *$'\n'$name$'\n'* ]] || continue
    job=$(tail -n 1 "$run/jobs")
    # squeue fails for a job that Slurm has forgotten
    [ -z "$(squeue --noheader --jobs="$job" --format=%i 2>/dev/null)" ] || continue
    # it may have ended since the history was read
    ! history_read | jq -e --arg run "$name" 'any(.[]; .run == $run)' >/dev/null || continue
    found=1
    give_up "$run" "its job $job is gone and left no verdict"
  done
  return $found
}

sum_of() { sha256sum <"$1" | cut -d' ' -f1; }

# files_of PARTITION: requires that its input and references can be read
files_of() {
  local input=$input reference=$reference gens=$gens shards=$shards eval_options
  conf_partition "$1"
  [ -r "$input" ] || die "$conf: input of $1: $input cannot be read"
  [ -r "$reference" ] || die "$conf: reference of $1: $reference cannot be read"
}

# want PARTITION...: sets $wanted to them, by default to all, and checks what a submission needs
want() {
  local partition
  wanted=("$@")
  ((${#wanted[@]})) || wanted=("${partitions[@]}")
  for partition in "${wanted[@]}"; do
    [[ " ${partitions[*]} " == *" $partition "* ]] ||
      die "'$partition' is not a partition of $conf: ${partitions[*]}"
    files_of "$partition"
  done
  need sbatch squeue scancel
  program=$(command -v "$program") || die "$conf: program: not found or not executable"
  program=$(readlink -f "$program")
}

# dry_run [PARTITION...]: submits nothing; returns 1 if Slurm would refuse a job
dry_run() {
  local wanted partition failed=0
  want "$@"
  for partition in "${wanted[@]}"; do
    # in a subshell, whose values are the partition's
    (conf_partition "$partition" &&
      submit_array "$partition" "$shards" --test-only "$here/shard.sh" / &&
      submit_finish "$partition" --test-only "$here/finish.sh" / &&
      say "$partition: Slurm would take $shards tasks and the job after them: --input $input --gens $gens; eval --ref $reference ${eval_options[*]}") ||
      { warn "$partition: Slurm would refuse a job"; failed=1; }
  done
  return $failed
}

submit() {
  local wanted partition failed=0
  want "$@"
  if [ -z "$commit" ]; then
    commit=$(git -C "$(dirname "$program")" describe --always --dirty --abbrev=12 --exclude='*' \
      2>/dev/null) || commit=$("$program" --version)
  fi
  program_sha256=$(sum_of "$program")
  mkdir -p "$state/runs"
  give_up_lost || failed=1
  for partition in "${wanted[@]}"; do
    prepare "$partition"
    queue "$run" || {
      failed=1
      give_up "$run" 'sbatch refused it'
    }
  done
  return $failed
}

# run_folder NAME: the directory of a run
run_folder() {
  [[ $1 != */* && -e $state/runs/$1/run.json ]] || die "'$1' is not a run in $state/runs"
  printf '%s' "$state/runs/$1"
}

case $command in
  submit) submit "$@" ;;
  dry-run) dry_run "$@" ;;
  again)
    (($# == 1)) || usage
    need sbatch squeue scancel
    run=$(run_folder "$1")
    if [ -n "$(squeue --noheader --jobs="$(paste -sd, "$run/jobs")" --format=%i 2>/dev/null)" ]; then
      die "$1: its jobs are still in the queue"
    fi
    queue "$run"
    ;;
  accept)
    (($# >= 2)) || usage
    accepted=$1
    history_read | jq -e --arg run "$accepted" 'any(.[]; .run == $run and .figures)' >/dev/null ||
      die "'$accepted' is not an evaluated run: see $history"
    shift
    history_add "$(jq -nc --arg accept "$accepted" --arg why "$*" \
      --arg date "$(date -u +%FT%TZ)" '$ARGS.named')"
    say "$accepted accepted: later nights are compared with it"
    ;;
  page)
    (($# == 0)) || usage
    mkdir -p "$state"
    (flock 9; page_write) 9>"$state/lock"
    say "$page"
    ;;
  check)
    (($# == 0)) || usage
    for partition in "${partitions[@]}"; do files_of "$partition"; done
    say "$conf: partitions ${partitions[*]}; $shards shards; state in $state"
    ;;
  *) usage ;;
esac
