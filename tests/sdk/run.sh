#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs confgen into a staging directory and uses only that: `confgen plugins new` for each kind,
# built by each of Make, CMake and Meson, checked, run and measured; and the program `embed`.
#
#   run.sh BUILD_DIR [NVCC]     NVCC: also builds projects with a GPU part
set -euo pipefail
export LC_ALL=C

build=$1 nvcc=${2-}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/confgen-sdk-XXXXXX")
trap 'rm -rf "$work"' EXIT
stage=$work/stage

say() { printf -- '-- %s\n' "$*"; }
die() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
# quietly TITLE COMMAND...: prints the command's output only if it fails
quietly() {
  local title=$1
  shift
  "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; die "$title"; }
}
# wants PATTERN TITLE COMMAND...: the command succeeds and a line of its output matches
wants() {
  local pattern=$1 title=$2
  shift 2
  quietly "$title" "$@"
  grep -Eq -- "$pattern" "$work/log" || { cat "$work/log"; die "$title: no line matches: $pattern"; }
}

# The caller's environment must not affect the result.
unset CONFGEN_DATA CONFGEN_PLUGIN_PATH LD_LIBRARY_PATH PKG_CONFIG_PATH CPPFLAGS LDFLAGS MAKEFLAGS
command -v cmake >/dev/null || die "no cmake: tools/setup.sh installs it"

say "installing"
meson install -C "$build" --no-rebuild --quiet --destdir "$stage"
# Of an optional part, CUDA or the reference, nothing is listed. LIB is the system's folder of libraries. The prefix is
# that of the build, /usr for packages.
prefix=$(dirname "$(dirname "$(cd "$stage" && find . -path '*/bin/confgen')")")
(cd "$stage/$prefix" && find . -type f -o -type l) |
  sed -E 's#^\./#usr/local/#; s#^(usr/local/)lib[^/]*(/[^/]*-linux-gnu)?/#\1LIB/#; s#\.so\.0\.[0-9.]+#.so.0.X#' |
  grep -Ev 'cudnn|hopper|confgen_cuda|doc/confgen/reference/' | LC_ALL=C sort >"$work/installed"
diff "$here/installed.txt" "$work/installed" || die "other files are installed than installed.txt lists (>: not listed)"
pc=$(find "$stage" -name confgen.pc)
[ -n "$pc" ] || die "no confgen.pc was installed"
PATH=$(dirname "$(find "$stage" -path '*/bin/confgen')"):$PATH
data=$(dirname "$(find "$stage" -type d -name confgen-default)")
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR=$stage
PKG_CONFIG_LIBDIR=$(dirname "$pc")
# a plugin must not need further headers or libraries
[ -z "$(pkg-config --print-requires confgen)" ] || die "confgen.pc requires other packages"
plugindir=$stage$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=plugindir confgen)
[ -d "$plugindir" ] || die "plugindir '$plugindir' of confgen.pc does not exist"
cd "$work" # out of reach of the source tree

# build PROJECT SYSTEM: prints the plugin
build() {
  local folder=$1 system=$2 name
  name=$(basename "$(echo "$folder"/*.c)" .c)
  case $system in
    make) quietly "make in $folder" make -C "$folder" CFLAGS='-O2 -Werror' GPU_CODE=sm_90 ;;
    ci) # the commands of the recipe, without those that install confgen
      sed -n 's/^ *run: \(make.*\)/\1/p' "$folder/.github/workflows/ci.yml" >"$folder/ci"
      [ "$(wc -l <"$folder/ci")" = 3 ] || die "$folder: wanted three commands in ci.yml"
      while read -r command; do
        quietly "$command in $folder" bash -c "cd $folder && $command"
      done <"$folder/ci"
      [ "$(grep -c '^\$\$\$\$$' "$folder/molecules.sdf")" = 4 ] || die "make example: wanted 4 records in $folder"
      ;;
    cmake)
      quietly "cmake in $folder" cmake -S "$folder" -B "$folder/build" -DCMAKE_C_FLAGS=-Werror \
        ${nvcc:+"-DCMAKE_CUDA_COMPILER=$nvcc"}
      quietly "cmake --build in $folder" cmake --build "$folder/build"
      ;;
    meson)
      sed -i "s/'sm_80,sm_90,compute_80'/'sm_90'/" "$folder/meson.build"
      quietly "meson in $folder" meson setup --werror "$folder/build" "$folder"
      quietly "ninja in $folder" ninja -C "$folder/build"
      ;;
  esac
  find "$folder" -name "*_$name.so"
}

# measure KIND PLUGIN NAME: the plugin shows up in a bench
measure() {
  local table=(--molecules "$work/two.smi" --limit 1 --gens 1 --batch 2 --seconds 0 --rounds 1 --threads 1)
  case $1 in
    attention)
      wants "$3" "bench attention" confgen bench attention --plugin "$2" --attention "$3" \
        --kv-cache static --case decode --seconds 0.1
      ;;
    cache)
      wants "$3" "bench attention" confgen bench attention --plugin "$2" --attention eager \
        --kv-cache "$3" --case decode --seconds 0.1
      wants "$3" "bench decode" confgen bench decode --plugin "$2" --kv-cache "$3" --constraint grammar \
        "${table[@]}"
      ;;
    constraint)
      wants "$3" "bench decode" confgen bench decode --plugin "$2" --constraint "$3" "${table[@]}"
      ;;
  esac
}

printf 'CCO\tethanol\nOc1ccccc1\tphenol\n' >two.smi
declare -A option=([attention]=--attention [cache]=--kv-cache [constraint]=--constraint)
for kind in attention cache constraint; do
  for system in ci cmake meson; do
    name=my_${kind}_$system
    say "$kind by $system"
    quietly "plugins new" confgen plugins new $kind $name
    ! grep -rE '@(NAME|KIND|OPTION)@' $name || die "$name: a placeholder was not replaced"
    plugin=$PWD/$(build $name $system)
    [ "$(nm -D --defined-only "$plugin" | sed 's/.* //')" = cg_plugin_entry_v1 ] ||
      die "$plugin exports more than its entry"
    ! ldd "$plugin" | grep confgen || die "$plugin links against confgen"
    [ $system = ci ] || quietly "plugins check $plugin" confgen plugins check "$plugin" --rounds 1
    quietly "generation with $plugin" confgen --input $name/molecules.smi --gens 2 \
      --output $name/out.sdf --report $name/report.json --plugin "$plugin" ${option[$kind]} $name
    [ "$(grep -c '^\$\$\$\$$' $name/out.sdf)" = 4 ] || die "wanted 4 records in $name/out.sdf"
    grep -q "\"$name\"" $name/report.json || die "the report does not name $name"
  done
  measure $kind "$plugin" $name
done
quietly "make clean" make -C my_cache_ci clean
(cd my_cache_ci && [ -z "$(find . -name '*.so' -o -name 'molecules.sdf*')" ]) || die "make clean left files"

say "in a plugin directory"
mkdir plugins
cp my_attention_ci/attention_my_attention_ci.so plugins
CONFGEN_PLUGIN_PATH=$work/plugins confgen plugins matrix >matrix
[ "$(grep -c '^my_attention_ci .* ok$' matrix)" = 3 ] || die "the attention does not support all three caches"

say "without an installation"
quietly "plugins new" "$build/confgen" plugins new cache built
(
  unset PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR
  export PKG_CONFIG_PATH=$build/meson-uninstalled PATH=$build:$PATH
  quietly "make against a build" make -C built
)

say "without confgen.pc"
for system in 'make -B -C my_attention_ci' 'cmake -S my_attention_ci -B none' 'meson setup none my_attention_ci'; do
  ! PKG_CONFIG_LIBDIR=$work PKG_CONFIG_PATH= $system >log 2>&1 || die "$system found confgen"
  tr '\n' ' ' <log | tr -s ' ' | grep -q 'confgen.pc was not found: install confgen' || { cat log; die "$system: no reason"; }
  rm -rf none
done

if [ -n "$nvcc" ]; then
  PATH=$PATH:$(dirname "$nvcc")
  for kind in attention cache; do
    for system in make cmake meson; do
      name=gpu_${kind}_$system
      say "$kind by $system, with a GPU part"
      quietly "plugins new --cuda" confgen plugins new $kind $name --cuda
      plugin=$PWD/$(build $name $system)
      [ "$(nm -D --defined-only "$plugin" | sed 's/.* //')" = cg_plugin_entry_v1 ] ||
        die "$plugin exports more than its entry"
      ! ldd "$plugin" | grep -E 'confgen|cudart' || die "$plugin links against confgen, or a shared CUDA run time"
      quietly "plugins check $plugin" confgen plugins check "$plugin" --rounds 1 --device cpu
    done
  done
fi

say "embed"
cc -Wall -Wextra -Werror "$here/embed.c" $(pkg-config --cflags --libs confgen) -o embed
CONFGEN_DATA=$data CONFGEN_PLUGIN_PATH=$plugindir \
  LD_LIBRARY_PATH=$(dirname "$(find "$stage" -name libconfgen.so)") ./embed >embed.xyz
[ "$(grep -c '^CCO, conformer' embed.xyz)" = 3 ] || die "embed: wanted 3 conformers"
[ "$(grep -cE '^[CO] ' embed.xyz)" = 9 ] || die "embed: wanted 9 lines that begin with an element symbol"
say "done"
