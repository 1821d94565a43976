#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What protects the built files, read from them:
#
#   hardening.sh BUILD SANITIZED INSTALLED
#
# SANITIZED   yes: the C library's checks (_FORTIFY_SOURCE) are off under sanitizers, as without
#             optimisation
# INSTALLED   yes: also of a staged installation, which has no search path of libraries
set -euo pipefail
export LC_ALL=C

build=$1 sanitized=$2 installed=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() { printf 'FAILED: %s: %s\n' "$1" "$2"; failures=$((failures + 1)); }

# check FILE: one program or shared object
check() {
  local file=$1
  readelf -hldW "$file" >"$work/elf"
  readelf --dyn-syms -W "$file" >"$work/symbols"
  grep -Eq '^ +Type: +DYN ' "$work/elf" || fail "$file" "not position-independent"
  grep -q ' GNU_RELRO ' "$work/elf" || fail "$file" "no RELRO segment"
  grep -Eq '\((FLAGS|BIND_NOW)\).*BIND_NOW' "$work/elf" || fail "$file" "symbols are bound lazily (no -z now)"
  grep -Eq ' GNU_STACK .* RW +0x' "$work/elf" || fail "$file" "executable stack"
  ! grep -q '(TEXTREL)' "$work/elf" || fail "$file" "relocations in code"
  grep -q '__stack_chk_fail' "$work/symbols" || fail "$file" "no stack protector"
  case $(uname -m) in
    x86_64)
      objdump -d "$file" >"$work/code"
      grep -q endbr64 "$work/code" || fail "$file" "no landing pads of -fcf-protection"
      ;;
  esac
}

# not_writable_code FILE: no segment that may be written and executed
not_writable_code() {
  ! readelf -lW "$1" | grep -Eq '^ +LOAD .* RWE ' || fail "$1" "a segment that is writable and executable"
}

cd "$build"
files=(confgen core/libconfgen.so)
mapfile -t plugins < <(find plugins -name '*.so')
files+=("${plugins[@]}" tests/conformance/confgen-conformance-{attention,cache,constraint})
[ ! -e core/cuda/confgen_cuda.so ] || files+=(core/cuda/confgen_cuda.so)
((${#plugins[@]} >= 8)) || fail "$build/plugins" "${#plugins[@]} plugins, wanted at least 8"
for file in "${files[@]}"; do
  check "$file"
  not_writable_code "$file"
  ! readelf -dW "$file" | grep -E '\((RPATH|RUNPATH)\)' || fail "$file" "has a search path of libraries"
done
[ $sanitized = yes ] || for file in confgen core/libconfgen.so plugins/constraints/constraint_grammar.so; do
  readelf --dyn-syms -W $file >"$work/symbols"
  grep -q '_chk@' "$work/symbols" || fail $file "no checked functions of _FORTIFY_SOURCE"
done

if [ "$installed" = yes ]; then
  meson install -C . --no-rebuild --quiet --destdir "$work/stage" >/dev/null
  n=0
  while read -r file; do
    case $(head -c 4 "$file" | tr -d '\0') in
      $'\x7f'ELF) ;;
      *) continue ;;
    esac
    n=$((n + 1))
    not_writable_code "$file"
    ! readelf -dW "$file" | grep -E '\((RPATH|RUNPATH)\)' || fail "$file" "has a search path of libraries"
    ! grep -aqF "$PWD" "$file" || fail "$file" "holds the path of the build folder"
    [ -z "$(find "$file" -perm /022)" ] || fail "$file" "may be written by others"
  done < <(find "$work/stage" -type f)
  ((n >= 13)) || fail "$work/stage" "$n files of code, wanted at least 13"
  "$(find "$work/stage" -path '*/bin/confgen')" --version >/dev/null || fail "bin/confgen" "does not run where it is installed"
fi
echo "${#files[@]} built files${n:+, $n installed ones}: $failures findings"
((failures == 0))
