#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Records the CPU figures of tools/bench/NOTES.md: runs each command and writes its output, headed by
# commit, processor and command, to one log. Meant for an otherwise idle machine.
#
#   tools/bench/record_cpu.sh OUT [NAME...]      NAME: the figures to record (default: all)
#
# CONFGEN names the program (build/confgen), COMMIT the commit (default: asked of git).
set -uo pipefail
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
(($# >= 1)) || { sed -n '3,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
out=$1
shift
. "$root/tools/bench/record.sh"
machine="CPU $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
prepare

record first_run --input "$root/data/geom_drugs_sample.smi" --gens 2k --output "$work/sample.sdf.zst" \
  --report "$out/first_run.json"
record decode_64 bench decode --batch 64 --gens 22 --seconds 40 --etkdg --json "$out/decode_64.json"
record decode_1 bench decode --batch 1 --limit 3 --gens 1 --seconds 12 --json "$out/decode_1.json"
record templates bench templates "$root/data/geom_drugs_test.smi" --workers 1,2
for mode in off count repair; do
  record "geometry_$mode" --input "$root/data/geom_drugs_sample.smi" --gens 2k --geometry $mode --overwrite \
    --output "$work/geometry.sdf.zst" --report "$out/geometry_$mode.json" --quiet
done
exit $failed
