# SPDX-License-Identifier: MIT
# Shared by record_cpu.sh and record_gpu.sh, which source it after setting root, out and the arguments that are left.

program=${CONFGEN:-$root/build/confgen}
only=" $* "
failed=0

# prepare: makes the folders; wants machine, a line that names the processor or GPUs.
prepare() {
  commit=${COMMIT:-$(git -C "$root" rev-parse --short HEAD)} || exit 2
  mkdir -p "$out" || exit 2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
}

# record NAME ARGUMENT...: runs one command of confgen, or of another $program, output to OUT/NAME.txt.
record() {
  local name=$1 status=0 start=$EPOCHREALTIME shown
  shift
  [ "$only" = '  ' ] || [[ $only == *" $name "* ]] || return 0
  shown="${program##*/} $*"
  shown=${shown//"$work/"/}
  shown=${shown//"$out/"/}
  shown=${shown//"$root/"/}
  {
    printf '# commit %s\n# %s\n# %s\n' "$commit" "$machine" "$shown"
    "$program" "$@" 2>&1 || status=$?
    printf '# exit status %s, %.1f s of wall clock\n' $status \
      "$(awk "BEGIN { print $EPOCHREALTIME - $start }")"
  } >"$out/$name.txt"
  sed -i "s#$work/##g; s#$out/##g; s#$root/##g" "$out"/"$name".*
  tail -n 1 "$out/$name.txt" | sed "s/^#/$name:/"
  ((status <= 1)) || failed=1
}
