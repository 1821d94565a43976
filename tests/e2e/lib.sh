# SPDX-License-Identifier: MIT
# Sourced by the end-to-end scripts; bash. In the environment:
#
#   CONFGEN              the built program
#   WRITE_MODEL          tests/tools/write_model: makes a tiny model of random weights
#   CONFGEN_SOURCE_ROOT  the source tree
#
# A script runs in its own directory, $work, which is removed at the end. It prints each check,
# continues after a failed one, and ends with `finish`.
set -euo pipefail
export LC_ALL=C
: "${CONFGEN:?the built program}" "${WRITE_MODEL:?tests/tools/write_model}"
: "${CONFGEN_SOURCE_ROOT:?the source tree}"

data=$CONFGEN_SOURCE_ROOT/data
default_model=$data/confgen-default
work=$(mktemp -d "${TMPDIR:-/tmp}/confgen-e2e-XXXXXX")
n_checks=0
n_failed=0
cleanup_more() { :; } # overridden by scripts that have more to clean up
trap 'cleanup_more; rm -rf "$work"' EXIT
cd "$work"

say() { printf '# %s\n' "$*"; }
skip() { printf 'skipped: %s\n' "$*"; exit 77; }

pass() { n_checks=$((n_checks + 1)); printf 'ok %d - %s\n' "$n_checks" "$*"; }
# Prints a failed check and the end of the program's standard error
fail() {
  n_checks=$((n_checks + 1))
  n_failed=$((n_failed + 1))
  printf 'not ok %d - %s\n' "$n_checks" "$*"
  if [ -s "$work/err" ]; then sed 's/^/    /' "$work/err" | tail -n 12 | cut -c1-400; fi
}
# verdict TEXT COMMAND...: passes if the command succeeds
verdict() {
  local text=$1
  shift
  if "$@"; then pass "$text"; else fail "$text"; fi
}

# run STATUS ARG...: runs the program, with output in ./out and ./err; fails on another exit status
run() {
  local wanted=$1 status=0
  shift
  "$CONFGEN" "$@" >"$work/out" 2>"$work/err" || status=$?
  if [ "$status" != "$wanted" ]; then
    fail "found status $status, wanted $wanted: confgen $*"
    return 1
  fi
}
# check STATUS TEXT ARG...: run as a check of its own
check() {
  local wanted=$1 text=$2
  shift 2
  if run "$wanted" "$@"; then pass "$text"; fi
}
# says REGEX TEXT: checks the program's last standard error
says() { verdict "$2" grep -Eq -- "$1" "$work/err"; }
same() { verdict "$3" cmp -s -- "$1" "$2"; }

# The number of records of an SDF on standard input
count_sdf() { grep -c '^\$\$\$\$$' || true; }
# json_number FILE KEY: the first number of that name in a report
json_number() { sed -n "s/^ *\"$2\": \(-\{0,1\}[0-9.e+-]*\),\{0,1\}\$/\1/p" "$1" | head -n 1; }
# sdf_item FILE NAME: the values of a data item, one per line
sdf_item() { sed -n "/^>  <$2>\$/{n;p}" "$1"; }

# Small molecules of many kinds: rings, charges, stereo, dots, two-letter elements, isotopes
write_molecules() {
  printf '%s\t%s\t%s\n' \
    CCO ethanol 3 c1ccccc1 benzene 2 'C[C@H](N)C(=O)O' alanine 2 \
    'CC(=O)Oc1ccccc1C(=O)O' aspirin 4 '[NH4+].[Cl-]' salmiac 1 'C/C=C/C' butene 2 \
    'FC(F)(F)c1ccncc1' picoline 3 'O=C1NC(=O)C=C1' maleimide 2 'BrCC[Si](C)(C)C' silane 1 \
    '[2H]C([2H])([2H])S' thiol 2 'c1cc[nH]c1' pyrrole 2 'C#N' prussic 1 >"$1"
}
# tiny_model DIR [ARG...]: writes a tiny model of random weights (arguments of write_model). Its geometry is
# beyond repair: use --geometry off or count.
tiny_model() {
  mkdir -p "$1"
  "$WRITE_MODEL" "$@"
  cp "$default_model"/tokenizer.json "$default_model"/tokenizer_config.json "$default_model"/confgen.json "$1"
}

finish() {
  printf '# %d checks, %d failed\n' "$n_checks" "$n_failed"
  [ "$n_failed" = 0 ]
  exit
}
