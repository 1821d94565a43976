# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by the scripts of this directory, which define usage() and die().

export LC_ALL=C.UTF-8
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034 # used by the scripts
confgen=${CONFGEN:-$root/build/confgen}
options=() # for confgen

# parse_options 'NAME...' 'FLAG...' ARG...: assigns the value of --NAME to the variable NAME; adds --FLAG
# with its value, and everything after --, to `options`. Other arguments are a usage error.
parse_options() {
  local names=" $1 " flags=" $2 " name
  shift 2
  while (($#)); do
    if [ "$1" = -- ]; then
      shift
      options+=("$@")
      return
    fi
    name=${1#--}
    if (($# < 2)) || [ "$name" = "$1" ]; then
      usage
    elif [[ $names == *" $name "* ]]; then
      printf -v "$name" %s "$2"
    elif [[ $flags == *" $name "* ]]; then
      options+=("$1" "$2")
    else
      usage
    fi
    shift 2
  done
}
