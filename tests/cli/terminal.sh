#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# At the terminal: molecules of the command line, operands that are none.
#
#   terminal.sh CONFGEN SOURCE_ROOT
set -uo pipefail

confgen=$(realpath "$1") root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
unset CONFGEN_DATA CONFGEN_PLUGIN_PATH

# expect STATUS PATTERN ARGUMENT...: runs confgen; fails unless it exits with STATUS and a line of its
# output matches PATTERN.
expect() {
  local want=$1 pattern=$2 got
  shift 2
  "$confgen" "$@" >"$work/out" 2>&1
  got=$?
  if [ $got != "$want" ] || ! grep -Eq -- "$pattern" "$work/out"; then
    printf 'FAILED: confgen %s\n  found status %d, wanted %d and a line matching: %s\n' "$*" $got "$want" \
      "$pattern"
    sed 's/^/  | /' "$work/out" | head -n 20
    failures=$((failures + 1))
  fi
}

# molecules of the command line, and operands that are none
expect 0 '^>  <SMILES>$' CCO
expect 0 '^    [0-9.]* .* O  ' --smiles CCO
expect 0 '^standard output: 4 conformers of 2 molecules in ' 'CCO ethanol' --gens 2 c1ccccc1
expect 1 '^confgen: command line:2: open: SMILES offset 1: unclosed ring bond 1$' --smiles 'CCO fine' --smiles 'C1CC open'
expect 1 '^confgen: command line:1: mol_000000: SMILES .C.Fe..: atom 2 .Fe. has bonds' 'C[Fe]'
expect 2 "^confgen: 'C1CC': neither a command nor a SMILES .SMILES offset 1: unclosed ring bond 1., wanted one of them, or --input FILE; see" C1CC
expect 2 "^confgen: 'extra': neither a command nor a SMILES " extra
expect 2 "^confgen: 'genrate': no such command; the nearest is generate; see" genrate
expect 2 "^confgen: 'dorw': no such command; the nearest is draw; see" CCO dorw
expect 2 "^confgen: 'evla': no such command; the nearest is eval; see" help evla
expect 2 "^confgen: 'one.sdf': wanted --input one.sdf; see" one.sdf
expect 2 "^confgen: '$work': wanted --input $work; see" "$work"
expect 2 "^confgen: '': neither a command nor a SMILES" ''
expect 2 "^confgen: --smiles '  ': wanted a SMILES, such as CCO; see" --smiles '  '
expect 2 "^confgen: --smiles 'C.x0aC': has a line end, wanted one SMILES" --smiles "C
C"
expect 2 '^confgen: --input x.smi and a SMILES: wanted one of them; see' --input x.smi CCO
expect 2 '^confgen: --input x.smi and a SMILES: wanted one of them; see' --input x.smi --smiles CCO
expect 2 '^confgen: no input: give a SMILES, such as confgen CCO, or --input FILE' --gens 2
# they are the lines of a list, and standard output has nothing but the records
printf 'CCO ethanol\nSMILES name\nc1ccccc1\tbenzene\t3\n' >"$work/list.smi"
"$confgen" --input "$work/list.smi" --gens 2 --header no --output - >"$work/of_list" 2>"$work/err"
"$confgen" --smiles 'CCO ethanol' --smiles 'SMILES name' --gens 2 --smiles 'c1ccccc1	benzene	3' >"$work/of_words" 2>"$work/err"
if ! cmp "$work/of_list" "$work/of_words" || [ "$(grep -c '^[$][$][$][$]$' "$work/of_words")" != 4 ]; then
  echo 'FAILED: the records of --smiles are not those of the same list'
  failures=$((failures + 1))
fi
expect 0 '^.*/ethanol.sdf: 1 conformer of 1 molecule' 'CCO ethanol' --output "$work/ethanol.sdf"
expect 0 '^.*/ethanol.sdf: 0 conformers of 0 molecules .*; 1 conformers of 1 molecules from an earlier run' 'CCO ethanol' \
  --output "$work/ethanol.sdf" --resume
expect 3 'the run to resume had input .*, this one has ' 'CCC ethanol' --output "$work/ethanol.sdf" --resume
echo "$failures failures"
[ $failures = 0 ]
