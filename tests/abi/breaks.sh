#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Changes of the headers that break older plugins, or that need another minor, are found by table.py.
#
#   breaks.sh TABLE.PY INCLUDE CC...
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
table=$1 include=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# finds TEXT HEADER SED-SCRIPT: after this change, table.py fails with a line that has TEXT
finds() {
  local found=$work/found
  rm -rf "$work/include"
  cp -R "$include" "$work/include"
  sed -i -E "$3" "$work/include/confgen/$2"
  if cmp -s "$include/confgen/$2" "$work/include/confgen/$2"; then
    echo "FAILED: $2 has no line for '$3'"
    failures=$((failures + 1))
  elif "$table" check "$here" "$work/include" "${compiler[@]}" >"$found" 2>&1; then
    echo "FAILED: '$3' in $2 is not found"
    failures=$((failures + 1))
  elif ! grep -qF -- "$1" "$found"; then
    echo "FAILED: '$3' in $2: no line has '$1':"
    cat "$found"
    failures=$((failures + 1))
  fi
}

compiler=("$@")
finds 'member cg_host.workers: found' plugin.h 's/^    int32_t workers;/    int64_t workers;/'
finds 'member cg_cache_stats.grown of 1.0 is missing' cache.h 's/^    int64_t grown;/    int64_t growths;/'
finds "member cg_cache_append.k: found '32" cache.h 's/^    const int32_t \*pos;/    const int32_t *more, *pos;/'
finds 'member cg_cache_ops.release: found' cache.h 's/\(\*release\)\(void \*self, /(*release)(const void *self, /'
finds 'member cg_vocabulary.encode: found' constraint.h 's/^( *cg_range \*ret_ranges, int32_t cap,)/\1 int32_t from,/'
finds 'value CG_F16: found' tensor.h 's/CG_F16 = 2/CG_F16 = 9/'
finds 'raise CG_PLUGIN_ABI_MINOR' tensor.h 's/CG_KV_NHD = 1/CG_KV_NHD = 2/'
finds 'value CG_ERR_LIMIT: found' status.h 's/CG_ERR_LIMIT = 202/CG_ERR_LIMIT = 204/'
finds 'value CG_ERROR_TEXT: found' status.h 's/CG_ERROR_TEXT 960/CG_ERROR_TEXT 1024/'
finds 'value CG_PLUGIN_ENTRY_SYMBOL: found' plugin.h 's/"cg_plugin_entry_v1"/"cg_plugin_entry"/'
finds 'type cg_host_loop_fn: found' plugin.h 's/\(\*cg_host_loop_fn\)\(void \*arg, int64_t/(*cg_host_loop_fn)(void *arg, int32_t/'
finds 'struct cg_range: found' constraint.h 's/uint32_t begin;/uint32_t line, begin;/'
finds 'struct cg_vocabulary of 1.0 is missing' constraint.h 's/cg_vocabulary\b/cg_tokens/g'
finds 'lies at 28, inside of the 56 bytes' constraint.h 's/^(    int32_t fields_per_atom;)/\1 int32_t rings;/'
finds 'raise CG_PLUGIN_ABI_MINOR' attention.h 's/^(    cg_dtype bias_dtype;)/\1 int32_t more;/'
finds 'struct cg_kv_view: bytes 164 to 167 are padding' tensor.h 's/^(} cg_kv_view;)/    int32_t more;\n\1/'
finds 'struct cg_attention_ops: bytes 52 to 55 are padding' attention.h 's/^    uint32_t reserved; .*//'
finds 'there is no table' version.h 's/(CG_PLUGIN_ABI_MINOR) .*/\1 99/'
finds 'there is a table of 1.2, but CG_PLUGIN_ABI_MINOR is 1' version.h 's/(CG_PLUGIN_ABI_MINOR) .*/\1 1/'
# Of the library.
finds 'member cg_request.smiles: found' confgen.h 's/^(    uint64_t index;.*)/    uint64_t more; \1/'
finds 'value CG_MAX_CHECKS: found' limits.h 's/CG_MAX_CHECKS = 16/CG_MAX_CHECKS = 32/'
finds 'function cg_results_count: found' results.h 's/cg_results_count\(const /cg_results_count(/'
finds 'function cg_engine_close of release 0.1 is missing' confgen.h 's/^(CG_EXPORT) (void cg_engine_close)/extern \2/'
finds 'struct cg_request: bytes 36 to 39 are padding' confgen.h 's/^(} cg_request;)/    int32_t more;\n\1/'
finds 'holds a cg_sampling by value' confgen.h 's/^    const cg_sampling \*sampling;$/    cg_sampling sampling;/'
echo "$failures failures"
((failures == 0))
