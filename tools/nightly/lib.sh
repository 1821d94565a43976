# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by the scripts of this directory, $here.

# say TEXT, warn TEXT, die TEXT: print a line on standard output, on standard error, and exit with 1
say() { printf 'nightly: %s\n' "$*"; }
warn() { printf 'nightly: %s\n' "$*" >&2; }
die() { warn "$@"; exit 1; }

need() {
  local program
  for program; do
    command -v "$program" >/dev/null || die "$program is not installed"
  done
}

# conf_number NAME REGEX WANTED: requires that variable NAME of the configuration matches
conf_number() {
  [[ ${!1-} =~ ^($2)$ ]] || die "$conf: $1 is '${!1-}', wanted: $3"
}

# conf_list NAME: requires that variable NAME is an array
conf_list() {
  [[ $(declare -p "$1" 2>/dev/null) == 'declare -a'* ]] ||
    die "$conf: $1 is missing or not a list, wanted $1=(...)"
}

# conf_path PATH: a path relative to the configuration's directory
conf_path() {
  case $1 in
    /*) printf '%s' "$1" ;;
    *) printf '%s/%s' "$conf_folder" "$1" ;;
  esac
}

# conf_partition NAME: puts the values that the configuration has for partition NAME alone into input, reference, gens,
# shards and eval_options
conf_partition() {
  local variable own
  for variable in input reference gens shards; do
    own=${variable}_$1
    [ -z "${!own-}" ] || printf -v "$variable" %s "${!own}"
  done
  input=$(conf_path "$input")
  reference=$(conf_path "$reference")
  conf_number shards '[1-9][0-9]{0,4}' "a number of tasks (partition $1)"
  if [ -n "$(declare -p "eval_options_$1" 2>/dev/null)" ]; then
    conf_list "eval_options_$1"
    local -n own_options=eval_options_$1
    # shellcheck disable=SC2034 # used by the calling script
    eval_options=(${own_options[@]+"${own_options[@]}"})
  fi
}

# conf_read FILE [DIR]: reads and checks the configuration; relative paths start at DIR, by default the
# directory of FILE.
# shellcheck disable=SC2154 # assigned by the configuration
conf_read() {
  local name partition
  conf=$1
  [ -r "$conf" ] || die "$conf: cannot be read; nightly.sh --conf names the configuration"
  conf_folder=${2:-$(cd "$(dirname "$conf")" && pwd)}
  # shellcheck source=nightly.conf
  . "$conf" || die "$conf: not readable by bash"
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

# run_read RUN: reads the configuration and run.json of a submitted run.
run_read() {
  run=$1
  [ -r "$run/run.json" ] || die "$run: not the directory of a run, it has no run.json"
  conf_read "$run/nightly.conf" "$(jq -r .conf_folder "$run/run.json")"
  name=$(jq -r .run "$run/run.json")
  partition=$(jq -r .partition "$run/run.json")
  conf_partition "$partition"
  # shellcheck disable=SC2034 # used by the calling script
  shards=$(jq -r .shards "$run/run.json")
  program=$(jq -r .program "$run/run.json")
}

# Prints history.jsonl as an array with the last line of each run. Accepted runs are good.
history_read() {
  [ -e "$history" ] || { echo '[]'; return; }
  jq -sc 'map(select(.accept | not)) as $lines
    | map(select(.accept) | {(.accept): .why}) | add as $accepted
    | $lines | [group_by(.run)[] | last] | sort_by(.date)
    | map(. + {accepted: ($accepted[.run]? // null)})
    | map(. + {good: (.gate.verdict == "pass" or .accepted != null)})' "$history" ||
    die "$history: contains a line that is not JSON"
}

# history_add LINE: appends a line under a lock and writes the page
history_add() {
  mkdir -p "$state"
  (
    flock 9
    printf '%s\n' "$1" >>"$history"
    page_write
  ) 9>"$state/lock"
}

# shellcheck disable=SC2154 # here: set by the calling script
page_write() {
  history_read >"$page.history"
  jq -nr --slurpfile history "$page.history" --arg now "$(date -u +%FT%TZ)" \
    --arg figure "$speed_figure" -f "$here/page.jq" >"$page.new" || return 1
  mv "$page.new" "$page"
  rm -f "$page.history"
}

# notify_all PARTITION RUN REASONS: calls the configured command and warns if it fails
notify_all() {
  ((${#notify[@]})) || return 0
  NIGHTLY_PARTITION=$1 NIGHTLY_RUN=$2 NIGHTLY_PAGE=$page "${notify[@]}" <<<"$3" ||
    warn "notify: '${notify[*]}' ended with status $?"
}

# broken_line RUN REASON...: prints the history line of a run that cannot be judged
broken_line() {
  local run=$1
  shift
  jq -c --arg now "$(date -u +%FT%TZ)" '{format: "confgen-nightly-1", run, date, ended: $now,
    partition, commit, gate: {verdict: "broken", reasons: $ARGS.positional, notes: [], against: [],
    checks: []}}' \
    "$run/run.json" --args "$@"
}
