#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds confgen in the work folder of conda-build, for the prefix PREFIX.
set -euo pipefail

# shellcheck disable=SC2086 # MESON_ARGS are words, of conda's compilers
meson setup build-conda ${MESON_ARGS:-} --prefix="$PREFIX" --libdir=lib --buildtype=release -Dtests=disabled \
  -Dcuda=disabled -Drdkit=adapter -Drdkit_includedir="${RDKIT_INCLUDEDIR:-$PREFIX/include/rdkit}"
ninja -C build-conda ${CPU_COUNT:+-j "$CPU_COUNT"}
meson install -C build-conda --no-rebuild
