# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by the scripts of this folder. $here is the folder.

# say TEXT, warn TEXT, die TEXT: one line, on standard output or standard error
say() { printf 'nightly: %s\n' "$*"; }
warn() { printf 'nightly: %s\n' "$*" >&2; }
die() { warn "$@"; exit 1; }

need() {
  local program
  for program; do
    command -v "$program" >/dev/null || die "$program is not installed here"
  done
}

# conf_number NAME REGEX WANTED: the variable NAME of the configuration matches
conf_number() {
  [[ ${!1-} =~ ^($2)$ ]] || die "$conf: $1 is '${!1-}', wanted: $3"
}

# conf_list NAME: the variable NAME is an array
conf_list() {
  [[ $(declare -p "$1" 2>/dev/null) == 'declare -a'* ]] ||
    die "$conf: $1 is not there, or is no list: wanted $1=(...)"
}

# conf_path PATH: seen from the configuration's folder
conf_path() {
  case $1 in
    /*) printf '%s' "$1" ;;
    *) printf '%s/%s' "$conf_folder" "$1" ;;
  esac
}

# The configuration, checked. $1: the file; $2: what relative paths are seen from, if not its folder.
# shellcheck disable=SC2154 # assigned by the configuration
conf_read() {
  local name partition
  conf=$1
  [ -r "$conf" ] || die "$conf: cannot be read; nightly.sh --conf names the configuration"
  conf_folder=${2:-$(cd "$(dirname "$conf")" && pwd)}
  # shellcheck source=nightly.conf
  . "$conf" || die "$conf: bash does not read it"
  for name in state program input reference gens; do
    [ -n "${!name-}" ] || die "$conf: $name is not set"
  done
  state=$(conf_path "$state")
  input=$(conf_path "$input")
  reference=$(conf_path "$reference")
  [[ $program != */* ]] || program=$(conf_path "$program")
  conf_number shards '[1-9][0-9]{0,4}' 'a number of tasks'
  conf_number stop_before '[0-9]{1,5}' 'seconds'
  conf_number max_restarts '[0-9]{1,4}' 'a number'
  conf_number speed_runs '[1-9][0-9]{0,3}' 'a number of runs'
  conf_number speed_min_runs '[1-9][0-9]{0,3}' 'a number of runs'
  conf_number keep '[1-9][0-9]{0,4}' 'a number of runs'
  conf_number speed_figure '(conformers|tokens)_per_second' \
    'conformers_per_second or tokens_per_second'
  for name in tolerance_share tolerance_rmsd speed_tolerance speed_sigmas \
    speed_tolerance_few; do
    conf_number $name '[0-9]+(\.[0-9]+)?' 'a number, 0 or more'
  done
  for name in partitions confgen_options eval_options finish_sbatch notify; do
    conf_list $name
  done
  ((${#partitions[@]})) || die "$conf: partitions is empty"
  for partition in "${partitions[@]}"; do
    [[ $partition =~ ^[A-Za-z0-9_]+$ ]] ||
      die "$conf: partition '$partition': wanted letters, digits and _"
    conf_list "sbatch_$partition"
    conf_list "confgen_$partition"
  done
  commit=${commit-}
  history=$state/history.jsonl
  page=$state/index.html
}

# The configuration that a run was submitted with, and what its run.json says. $1: the run's folder.
run_read() {
  run=$1
  [ -r "$run/run.json" ] || die "$run: no run.json: this is no run's folder"
  conf_read "$run/nightly.conf" "$(jq -r .conf_folder "$run/run.json")"
  name=$(jq -r .run "$run/run.json")
  partition=$(jq -r .partition "$run/run.json")
  # shellcheck disable=SC2034 # for the script that called
  shards=$(jq -r .shards "$run/run.json")
  program=$(jq -r .program "$run/run.json")
}

# What history.jsonl holds, as an array: of each run its last line. Accepted runs are good ones.
history_read() {
  [ -e "$history" ] || { echo '[]'; return; }
  jq -sc 'map(select(.accept | not)) as $lines
    | map(select(.accept) | {(.accept): .why}) | add as $accepted
    | $lines | [group_by(.run)[] | last] | sort_by(.date)
    | map(. + {accepted: ($accepted[.run]? // null)})
    | map(. + {good: (.gate.verdict == "pass" or .accepted != null)})' "$history" ||
    die "$history: a line of it is no JSON"
}

# history_add LINE: in one piece, one writer at a time; then the page
history_add() {
  mkdir -p "$state"
  (
    flock 9
    printf '%s\n' "$1" >>"$history"
    page_write
  ) 9>"$state/lock"
}

# shellcheck disable=SC2154 # here: the script that called
page_write() {
  history_read >"$page.history"
  jq -nr --slurpfile history "$page.history" --arg now "$(date -u +%FT%TZ)" \
    --arg figure "$speed_figure" -f "$here/page.jq" >"$page.new" || return 1
  mv "$page.new" "$page"
  rm -f "$page.history"
}

# tell_all PARTITION FOLDER REASONS: the configured command; its failure is said, too
tell_all() {
  ((${#notify[@]})) || return 0
  NIGHTLY_PARTITION=$1 NIGHTLY_RUN=$2 NIGHTLY_PAGE=$page "${notify[@]}" <<<"$3" ||
    warn "notify: '${notify[*]}' ended with status $?"
}

# broken_line RUN REASON...: the line of a run, by its folder, that cannot be judged
broken_line() {
  local run=$1
  shift
  jq -c --arg now "$(date -u +%FT%TZ)" '{format: "confgen-nightly-1", run, date, ended: $now,
    partition, commit, gate: {verdict: "broken", reasons: $ARGS.positional, notes: [], against: [],
    checks: []}}' \
    "$run/run.json" --args "$@"
}
