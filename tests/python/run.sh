#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs a test of the Python package with a Python that has the package's dependencies.
#
#   run.sh TEST.py [ARG...]
#
#   PYTHON=PYTHON     that Python (python3, else the distribution's)
#   PYTHON_REQUIRED   enabled: a machine without such a Python fails the test
set -euo pipefail

modules='cffi rdkit pandas build setuptools wheel pip'
missing=
for python in ${PYTHON:-python3 /usr/bin/python3}; do
  missing=
  for module in $modules; do
    "$python" -c "import $module" 2>/dev/null || missing+=" $module"
  done
  [ -n "$missing" ] || exec "$python" -B -W error::ResourceWarning "$@"
done
printf '%s has no%s: tools/setup.sh --with-python installs them\n' "$python" "$missing"
[ "${PYTHON_REQUIRED:-auto}" = enabled ] && exit 1
echo 'skipped: no Python with these packages'
exit 77
