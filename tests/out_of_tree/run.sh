#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs confgen into a staging directory, builds the plugin `mine` and the program `embed` with only
# the installed headers and pkg-config file, and runs both.
#
#   run.sh BUILD_DIR
set -euo pipefail

build=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stage

say() { printf -- '-- %s\n' "$*"; }
die() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# The caller's environment must not affect the result.
unset CONFGEN_DATA CONFGEN_PLUGIN_PATH LD_LIBRARY_PATH PKG_CONFIG_PATH CFLAGS LDFLAGS

say "installing"
meson install -C "$build" --no-rebuild --quiet --destdir "$stage"
pc=$(find "$stage" -name confgen.pc)
[ -n "$pc" ] || die "no confgen.pc was installed"
bin=$(dirname "$(find "$stage" -path '*/bin/confgen')")
data=$(dirname "$(find "$stage" -type d -name confgen-default)")

say "building against the stage"
cp "$here"/{mine.c,embed.c,meson.build} "$work" # out of reach of the source tree
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR=$stage
PKG_CONFIG_LIBDIR=$(dirname "$pc")
# a plugin must not need further headers or libraries
pkg-config --cflags --libs confgen
[ -z "$(pkg-config --print-requires confgen)" ] || die "confgen.pc requires other packages"
plugindir=$stage$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=plugindir confgen)
[ -d "$plugindir" ] || die "plugindir '$plugindir' of confgen.pc does not exist"
meson setup "$work/out" "$work" >"$work/log" 2>&1 || { cat "$work/log"; die "meson setup"; }
ninja -C "$work/out" --quiet || die "the build"
mine=$work/out/mine.so

say "confgen plugins check mine.so"
"$bin/confgen" plugins check "$mine" --rounds 4 || die "mine.so fails the conformance checks"

say "generating with --attention mine"
cd "$work"
printf 'CCO\tethanol\nOc1ccccc1\tphenol\n' >two.smi
"$bin/confgen" --input two.smi --gens 2 --output two.sdf --report report.json \
  --plugin "$mine" --attention mine
[ "$(grep -c '^\$\$\$\$$' two.sdf)" = 4 ] || die "wanted 4 records in two.sdf"
grep -q '"attention": "mine"' report.json || die "the report does not name mine"
"$bin/confgen" --input two.smi --gens 2 --output eager.sdf --attention eager --quiet
[ "$(grep -c '^\$\$\$\$$' eager.sdf)" = 4 ] || die "wanted 4 records in eager.sdf"

say "as a file in a plugin directory"
mkdir plugins
cp "$mine" plugins/attention_mine.so
CONFGEN_PLUGIN_PATH=$work/plugins "$bin/confgen" plugins matrix | tee matrix
[ "$(grep -c '^mine .* ok$' matrix)" = 3 ] || die "mine does not support all three caches"

say "embed"
CONFGEN_DATA=$data CONFGEN_PLUGIN_PATH=$plugindir \
  LD_LIBRARY_PATH=$(dirname "$(find "$stage" -name libconfgen.so)") out/embed | tee embed.xyz
[ "$(grep -c '^CCO, conformer' embed.xyz)" = 3 ] || die "embed: wanted 3 conformers"
[ "$(grep -cE '^[CO] ' embed.xyz)" = 9 ] || die "embed: wanted 9 lines that begin with an element symbol"
say "done"
