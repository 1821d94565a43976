#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the conformer generator with g++ and Debian's librdkit-dev (12: 2022.09).
#
#   tools/model/build.sh PROGRAM [LIBRARIES]
#
# LIBRARIES: a folder that receives the shared libraries that a bare machine lacks.
set -euo pipefail
[ $# -ge 1 ] || { echo "found no argument, wanted: build.sh PROGRAM [LIBRARIES]" >&2; exit 2; }
program=$1
# The library itself: its -dev package, which has the plain name, is not needed otherwise
boost() { /sbin/ldconfig -p | sed -n "s/^\t\(libboost_$1\.so\.[0-9.]*\) .*/\1/p" | sort -V | tail -n 1; }
g++ -O2 -std=c++17 -I/usr/include/rdkit "$(dirname "$0")/gen_conformers.cpp" -o "$program" \
  -lRDKitSubstructMatch -lRDKitFileParsers -lRDKitSmilesParse -lRDKitDistGeomHelpers -lRDKitForceFieldHelpers \
  -lRDKitForceField -lRDKitGraphMol -lRDKitRDGeneral -lRDKitRDGeometryLib \
  "-l:$(boost serialization)" "-l:$(boost iostreams)"
if [ -n "${2:-}" ]; then
  mkdir -p "$2"
  ldd "$program" | sed -n 's/^\t\(lib[^ ]*\) => \(\/[^ ]*\) .*/\1 \2/p' |
    grep -Ev '^lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so' |
    while read -r name path; do cp -L "$path" "$2/$name"; strip --strip-unneeded "$2/$name"; done
fi
