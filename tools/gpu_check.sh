#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the GPU tests of a finished build on a machine with a GPU, without compiler or Meson. Prints one
# line per program and "N passed, N failed, N skipped" at the end; writes a log per program to LOGS.
#
#   tools/gpu_check.sh LOGS [OPTION...]
#
#   --build DIR       the build folder (build-gpu with --unpack, else build)
#   --unpack ARCHIVE  unpack an archive of tools/pack_gpu.sh into it first; may be repeated
#   --sanitize TOOLS  also run under compute-sanitizer: memcheck,racecheck,synccheck,initcheck
#   --only REGEX      run only the programs whose name matches
#   --rounds N        random cases per check (default: those of the suites; 4 for cudnn, which
#                     compiles a kernel per plan)
#   --seed S          seed of the random cases (1)
#   --list            print the names of the programs
#
# Search path of libraries: DIR/libs, then, for those of NVIDIA, CONFGEN_CUDA_LIBS (folders separated
# by colons), /usr/local/cuda and the packages of Python.
set -uo pipefail
export LC_ALL=C

root=$(cd "$(dirname "$0")/.." && pwd)
usage() { sed -n '3,${/^#/!q; s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
(($# >= 1)) && [ "${1#-}" = "$1" ] || usage
logs=$1
shift
build='' archives=() sanitize='' only='.' rounds='' seed=1 list=0
while (($#)); do
  case $1 in
    --list) list=1; shift; continue ;;
    --build | --unpack | --sanitize | --only | --rounds | --seed) (($# >= 2)) || usage ;;
    *) usage ;;
  esac
  case $1 in
    --build) build=$2 ;;
    --unpack) archives+=("$2") ;;
    --sanitize) sanitize=${2//,/ } ;;
    --only) only=$2 ;;
    --rounds) rounds=$2 ;;
    --seed) seed=$2 ;;
  esac
  shift 2
done
if [ -z "$build" ]; then
  build=$root/build
  ((${#archives[@]} == 0)) || build=$root/build-gpu
fi
mkdir -p "$logs" "$build" || exit 2
logs=$(cd "$logs" && pwd)
build=$(cd "$build" && pwd)
for archive in ${archives[@]+"${archives[@]}"}; do # tar may lack xz
  python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' \
    "$archive" "$build" || { echo "gpu_check: '$archive' cannot be unpacked" >&2; exit 2; }
done
[ -x "$build/confgen" ] || { echo "gpu_check: $build/confgen: no such program" >&2; exit 2; }

# nvidia_folder LIBRARY: the first folder of NVIDIA libraries that contains it
nvidia_folder() {
  local folder
  while read -r folder; do
    if compgen -G "$folder/$1*" >/dev/null; then printf '%s' "$folder"; return; fi
  done <"$logs/folders"
}
{
  tr ':' '\n' <<<"${CONFGEN_CUDA_LIBS:-}"
  compgen -G '/usr/local/cuda*/lib64'
  python3 - <<'PYTHON' 2>/dev/null
import glob, os, sys
for base in sys.path:
    for folder in sorted(glob.glob(os.path.join(base, "nvidia", "*", "lib*")), reverse=True):
        print(folder)
PYTHON
} >"$logs/folders"
path=$build/libs # only for our programs: those of the machine need its own libraries
for library in libcublasLt.so.13 libcudnn.so.9; do
  folder=$(nvidia_folder $library)
  if [ -n "$folder" ]; then
    path=$path:$folder
  elif ! ldconfig -p 2>/dev/null | grep -q "$library"; then
    echo "gpu_check: $library was not found; add its folder to CONFGEN_CUDA_LIBS" >&2
  fi
done
path=$path${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# Python may link a library that the archive has in another version or as a stub: it runs with those of the machine, and
# confgen by a launcher.
mkdir -p "$logs/launch"
printf '#!/bin/sh\nLD_LIBRARY_PATH=%q exec %q "$@"\n' "$path" "$build/confgen" >"$logs/launch/confgen"
chmod +x "$logs/launch/confgen"
python=(env "LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}" "CONFGEN=$logs/launch/confgen" python3)
export CONFGEN_PLUGIN_PATH=$build/plugins CONFGEN_DATA=$root/data CONFGEN_SOURCE_ROOT=$root
export CONFGEN_CUDA_MODULE=$build/core/cuda/confgen_cuda.so
export CONFGEN=$build/confgen WRITE_MODEL=$build/tests/tools/write_model
export CONFGEN_TEST_GPU=1 CK_FORK=no # CUDA is unusable after fork()

passed=0 failed=0 skipped=0
# verdict NAME STATUS SECONDS: counts a result and prints its line
verdict() {
  case $2 in
    0) passed=$((passed + 1)); printf 'ok       %7ss  %s\n' "$3" "$1" ;;
    77)
      skipped=$((skipped + 1))
      printf 'skipped  %7ss  %s: %s\n' "$3" "$1" \
        "$(grep -Ei 'skip|not checked|no NVIDIA|GPU' "$logs/$1.log" | tail -n 1 | cut -c1-200)" ;;
    *)
      failed=$((failed + 1))
      printf 'FAILED   %7ss  %s (status %s)\n' "$3" "$1" "$2"
      { grep -E '^FAILED|:[FE]:|not ok|=========.*(error|Error|ERROR|hazard)' "$logs/$1.log" ||
        tail -n 5 "$logs/$1.log"; } | head -n 8 | cut -c1-400 | sed 's/^/    /' ;;
  esac
}
# program NAME LIMIT COMMAND...: runs a program for at most LIMIT seconds
program() {
  local name=$1 limit=$2 start=$EPOCHREALTIME status=0
  shift 2
  grep -Eq -- "$only" <<<"$name" || return 0
  if ((list)); then echo "$name"; return; fi
  timeout -k 10 "$limit" env LD_LIBRARY_PATH="$path" "$@" >"$logs/$name.log" 2>&1 || status=$?
  ((status != 124)) || echo "stopped after $limit s" >>"$logs/$name.log"
  verdict "$name" $status "$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $start }")"
}

modules=("$build"/plugins/{attention,cache}/*/*.so "$build"/tests/sdk/{attention,cache}_example.so)
((list)) || { nvidia-smi -L 2>&1 || true; } | tee "$logs/gpus.log"
program doctor 60 "$build/confgen" doctor
program matrix 60 "$build/confgen" plugins matrix --device cuda --batch-size 512
program matrix_deterministic 60 "$build/confgen" plugins matrix --device cuda --batch-size 512 \
  --deterministic
for module in "${modules[@]}"; do
  name=$(basename "$module" .so)
  n=${rounds:-0} # 0: the number of the suite
  [ "$name$rounds" != attention_cudnn ] || n=4
  program "conformance_$name" 300 "$build/tests/conformance/confgen-conformance-${name%%_*}" "$module" \
    --device cuda "$seed" "$n"
done
program mutants 300 env JOBS=4 "${python[@]}" "$root/tests/mutants/run.py" \
  --plugin "$build/tests/mutants/attention_cuda_mutant.so" --device cuda "$logs/launch/confgen" \
  "$root/core/include" "$root/tests/mutants/attention_cuda.txt"
program application 300 "$build/tests/abi/abi_application"
program executor 300 "$build/tests/unit/test_decode_executor"
program fsq_decoder 300 "$build/tests/unit/test_fsq_decoder"
program minimizer 300 "$build/tests/unit/test_forcefield_device_minimizer"
program minimizer_pool 300 "$build/tests/unit/test_engine_minimizer_pool"
program coded 300 "$build/tests/unit/test_engine_coded"
program golden_model 300 "$build/tests/golden/test_golden_model"
program golden_architectures 300 "$build/tests/golden/test_golden_architectures"
program e2e_generate 300 bash "$root/tests/gpu/generate.sh"
program e2e_architectures 300 bash "$root/tests/gpu/architectures.sh"
program docs_commands 300 "${python[@]}" "$root/tests/docs/commands.py" --group gpu "$build"

sanitizer=''
if [ -n "$sanitize" ]; then
  sanitizer=$(command -v compute-sanitizer || compgen -G '/usr/local/cuda*/bin/compute-sanitizer' |
    head -n 1)
  while [ -z "$sanitizer" ] && read -r folder; do
    [ ! -x "${folder%/*}/bin/compute-sanitizer" ] || sanitizer=${folder%/*}/bin/compute-sanitizer
  done <"$logs/folders"
  if [ -z "$sanitizer" ] && ((!list)); then
    echo 'compute-sanitizer was not found' | tee "$logs/compute-sanitizer.log"
    verdict compute-sanitizer 127 0
    sanitize=''
  fi
fi
for tool in $sanitize; do
  with=("$sanitizer" --tool "$tool" --error-exitcode 99 --print-limit 20)
  for module in "${modules[@]}"; do
    name=$(basename "$module" .so)
    program "${tool}_$name" 580 "${with[@]}" \
      "$build/tests/conformance/confgen-conformance-${name%%_*}" "$module" --in-process --device cuda "$seed" 1
  done
  program "${tool}_executor" 580 "${with[@]}" "$build/tests/unit/test_decode_executor"
done

((list)) && exit 0
if ((passed + failed + skipped == 0)); then
  echo "gpu_check: the name of no program matches '$only'" >&2
  exit 2
fi
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
