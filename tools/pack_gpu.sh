#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Packs a build for a GPU machine that has neither a compiler nor our libraries: stripped programs,
# plugins and the CUDA module in one archive; the distribution's shared libraries, without the C and
# C++ run time, in another.
#
#   tools/pack_gpu.sh [--stubs] [BUILD [FOLDER [PROGRAM...]]]
#
# --stubs packs stubs of libraries that a run on a GPU does not call (tools/stub_libraries.py): 3 MB in place of 13.
# BUILD (build) is smallest if it is made for one GPU architecture:
#   meson setup build-gpu -Dgpu_archs=90a -Dgpu_ptx=
# FOLDER (BUILD/pack) receives confgen-gpu.tar.xz and libs.tar.xz. PROGRAMs are further files of the
# build folder, e.g. tests/plugins/test_flash. Data and scripts come from a checkout. There:
#   tools/gpu_check.sh LOGS --unpack FOLDER/confgen-gpu.tar.xz --unpack FOLDER/libs.tar.xz
set -euo pipefail
export LC_ALL=C

stubs=0
if [ "${1:-}" = --stubs ]; then
  stubs=1
  shift
fi
build=${1:-build}
folder=${2:-$build/pack}
shift $(($# < 2 ? $# : 2))
die() { printf 'pack_gpu: %s\n' "$*" >&2; exit 1; }
[ -x "$build/confgen" ] || die "$build/confgen: no such program; build first"
[ -f "$build/core/cuda/confgen_cuda.so" ] || die "$build has no CUDA module: configure where nvcc is installed"

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$folder" "$stage/build" "$stage/libs/libs"

(cd "$build" && printf '%s\n' confgen core/libconfgen.so.*[0-9] core/cuda/confgen_cuda.so \
  tests/conformance/confgen-conformance-{attention,cache} \
  tests/abi/abi_application tests/golden/test_golden_model tests/golden/test_golden_architectures \
  tests/unit/test_decode_executor tests/unit/test_engine_coded tests/unit/test_fsq_decoder \
  tests/unit/test_forcefield_device_minimizer tests/unit/test_engine_minimizer_pool \
  tests/mutants/attention_cuda_mutant.so tests/tools/write_model "$@" &&
  find plugins tests/sdk -name '*.so') | sort -u >"$stage/list"
while read -r file; do
  [ -e "$build/$file" ] || die "$build/$file: no such file"
  mkdir -p "$stage/build/$(dirname "$file")"
  cp -P "$build/$file" "$stage/build/$file"
  [ -L "$build/$file" ] || strip --strip-unneeded "$stage/build/$file"
done <"$stage/list"

# Needed libraries, except the C and C++ run time, those of NVIDIA, and the build itself.
find "$stage/build" -type f -exec ldd {} + 2>/dev/null |
  sed -n 's/^\t\(lib[^ ]*\) => \(\/[^ ]*\) .*/\1 \2/p' | sort -u |
  grep -Ev '^lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s|cuda|cudart|cublas|cublasLt|cudnn|confgen)\.so' \
    >"$stage/needed" || true
while read -r name path; do
  cp -L "$path" "$stage/libs/libs/$name"
  strip --strip-unneeded "$stage/libs/libs/$name"
done <"$stage/needed"

((!stubs)) || "$(dirname "$0")/stub_libraries.py" "$stage/libs/libs" "$stage/build"

tar -C "$stage/build" -cJf "$folder/confgen-gpu.tar.xz" .
tar -C "$stage/libs" -cJf "$folder/libs.tar.xz" libs
for archive in confgen-gpu libs; do
  printf '%s: %s bytes\n' "$folder/$archive.tar.xz" "$(stat -c %s "$folder/$archive.tar.xz")"
done
