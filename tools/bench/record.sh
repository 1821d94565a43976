# SPDX-License-Identifier: MIT
# Shared by record_cpu.sh and record_gpu.sh, which source it after setting root, out and the arguments that are left.

program=${CONFGEN:-$root/build/confgen}
only=" $* "
group=
failed=0
limit_factor=1

# prepare: makes the folders; wants machine, a line that names the processor or GPUs.
prepare() {
  commit=${COMMIT:-$(git -C "$root" rev-parse --short HEAD)} || exit 2
  mkdir -p "$out" || exit 2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
}

# wanted NAME...: whether one of the names, or its group, was asked for.
wanted() {
  local name
  [ "$only" != '  ' ] || return 0
  for name in "$@" "$group"; do
    [[ $only != *" $name "* ]] || return 0
  done
  return 1
}

# record NAME ARGUMENT...: runs one command of confgen, or of another $program, output to OUT/NAME.txt; for at most
# $limit * $limit_factor seconds, and not at all once this script has run for $BUDGET seconds.
record() {
  local name=$1 status=0 start=$EPOCHREALTIME shown
  shift
  wanted "$name" || return 0
  if ((SECONDS >= ${BUDGET:-1000000})); then
    echo "$name: not run: $SECONDS s have passed, wanted less than $BUDGET"
    return 0
  fi
  shown="${program##*/} $*"
  shown=${shown//"$work/"/}
  shown=${shown//"$out/"/}
  shown=${shown//"$root/"/}
  {
    printf '# commit %s\n# %s\n# %s\n' "$commit" "$machine" "$shown"
    timeout -k 5 $((${limit:-3600} * limit_factor)) "$program" "$@" 2>&1 || status=$?
    printf '# exit status %s, %.1f s of wall clock\n' $status \
      "$(awk "BEGIN { print $EPOCHREALTIME - $start }")"
  } >"$out/$name.txt"
  sed -i "s#$work/##g; s#$out/##g; s#$root/##g" "$out"/"$name".*
  tail -n 1 "$out/$name.txt" | sed "s/^#/$name:/; s/\$/, $SECONDS s in all/"
  ((status <= 1)) || failed=1
}
