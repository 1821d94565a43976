#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The stereo and the angles of delivered conformers, by judges that are not confgen's: RDKit perceives the
# configuration from the coordinates, and signed volumes are compared with those of a conformer that
# RDKit embeds (tools/judge_stereo.py). The set has 2,000 molecules with every kind of stereocentre
# and double bond (tools/make_stereo_set.py).
#
#   STRIDE=25        every STRIDE-th molecule; 1: all
#   GENS=2           conformers of each
#   JUDGE=PYTHON     a Python with RDKit (python3, else the distribution's); the newest is on PyPI
#   POSEBUSTERS=     1: also PoseBusters, which that Python has
#   DEVICE=cpu       --device
#   RECORDS=         judge these conformers of the set, made elsewhere, instead of making them
. "$(dirname "$0")/lib.sh"

stride=${STRIDE:-25} gens=${GENS:-2} judge=
: "${JUDGE_REQUIRED:=auto}" # enabled: a machine without RDKit for Python fails the test
for python in ${JUDGE:-python3 /usr/bin/python3}; do
  if [ -z "$judge" ] && "$python" -c 'import rdkit' 2>/dev/null; then judge=$python; fi
done
if [ -z "$judge" ]; then
  [ "$JUDGE_REQUIRED" = enabled ] || skip 'no RDKit for Python'
  fail 'no RDKit for Python: tools/setup.sh --with-judge installs it'
  finish
fi
awk -v n="$stride" 'NR % n == 0' "$CONFGEN_SOURCE_ROOT/tests/data/chem/stereo_set.smi" >set.smi
records=${RECORDS:-$work/out.sdf.zst}

say "$(wc -l <set.smi) molecules, $gens conformers each"
if [ -z "${RECORDS:-}" ]; then
  check 0 'all are delivered' --input set.smi --gens "$gens" --check --quiet --device "${DEVICE:-cpu}" \
    --output "$records"
fi
status=0
"$judge" "$CONFGEN_SOURCE_ROOT/tools/judge_stereo.py" set.smi "$records" --each "$gens" \
  ${POSEBUSTERS:+--posebusters} || status=$?
verdict 'the judges agree with each conformer that passes' test "$status" = 0
finish
