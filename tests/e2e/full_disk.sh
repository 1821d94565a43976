#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A full disk: status 3, a message, a readable file, and a run resumed elsewhere completes it. Tested
# with a limit on the file's size and, if one can be mounted, on a small tmpfs.
. "$(dirname "$0")/lib.sh"

tiny_model tiny
for i in $(seq 30); do write_molecules part; cat part; done >in.smi
common=(--model tiny --geometry count --input in.smi --gens 3 --quiet)
run 0 "${common[@]}" --output want.sdf.zst
total=$(stat -c %s want.sdf.zst)
say "the whole output has $total bytes"

after_failure() { # FILE
  says "$1.*(space|too large|limit)" 'the message names the file and the lack of space'
  verdict 'the message is one line' test "$(wc -l <err)" = 1
  verdict 'the file is not empty' test -s "$1"
  verdict 'and readable' zstdcat -q "$1" -o part.sdf -f
  verdict 'it holds whole molecules' test "$(($(count_sdf <part.sdf) % 3))" = 0
  same part.sdf <(zstdcat want.sdf.zst | head -c "$(stat -c %s part.sdf)") \
    'and the records of an undisturbed run'
}

say 'a limit on the size of a file'
(
  ulimit -f $((total / 1024 / 3))
  "$CONFGEN" "${common[@]}" --output small.sdf.zst 2>err
) && status=0 || status=$?
verdict 'status 3' test $status = 3
after_failure small.sdf.zst
run 0 "${common[@]}" --output small.sdf.zst --resume
same want.sdf.zst small.sdf.zst 'resumed without the limit: the same file'

(
  ulimit -f 1
  exec "$CONFGEN" eval --ref want.sdf.zst --gen want.sdf.zst --json small.json >out 2>err
) && status=0 || status=$?
verdict 'an evaluation: status 3' test $status = 3
says 'small.json.*File too large' 'the message says so'
verdict 'and no file is left' test -z "$(ls small.json* 2>/dev/null)"

say 'a full file system'
mkdir disk
if ! mount -t tmpfs -o size=64k tmpfs disk 2>mount.err; then
  if [ "$n_failed" = 0 ]; then skip "cannot mount a tmpfs: $(cat mount.err)"; fi
  finish
fi
cleanup_more() { umount "$work/disk"; }
check 3 'status 3' "${common[@]}" --output disk/out.sdf.zst
after_failure disk/out.sdf.zst
cp disk/out.sdf.zst disk/out.sdf.zst.manifest .
run 0 "${common[@]}" --output out.sdf.zst --resume
same want.sdf.zst out.sdf.zst 'resumed elsewhere: the same file'
dd if=/dev/zero of=disk/filler bs=1k count=64 status=none 2>/dev/null || true
check 3 'no space for the first byte' "${common[@]}" --output disk/new.sdf.zst
says 'disk/new.sdf.zst.*space' 'and the message says so'
rm disk/*
run 0 "${common[@]}" --limit 20 --output small20.sdf.zst
if run 3 "${common[@]}" --output disk/plain.sdf --failed disk/failed.tsv; then
  pass 'plain records: status 3'
  verdict 'plain records: only whole molecules' cmp -s disk/plain.sdf \
    <(zstdcat want.sdf.zst | head -c "$(stat -c %s disk/plain.sdf)")
  verdict 'plain records: the last one is complete' test "$(tail -n 1 disk/plain.sdf)" = '$$$$'
fi
finish
