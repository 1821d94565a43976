#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# `nightly.sh dry-run` of the shipped configuration, unchanged but for the program and the folder of states, against a
# Slurm on loopback whose node states the GPUs, processors and memory that it asks for. No job is run. Without Slurm the
# test is skipped, or fails with SLURM_WANTED=1.
. "$(dirname "$0")/../e2e/lib.sh"
. "$CONFGEN_SOURCE_ROOT/tests/nightly/cluster.sh"
nightly=$CONFGEN_SOURCE_ROOT/tools/nightly

cluster_required
# shellcheck disable=SC2317 # called by the trap
cleanup_more() {
  cluster_stop
  if ((n_failed)); then tail -n 20 "$work"/cluster/log/slurm* 2>/dev/null || true; fi
}
trap 'cleanup_more; rm -rf "$work"' EXIT
CLUSTER_CPUS=64 CLUSTER_MEMORY=128000 CLUSTER_GPUS=1 cluster_start "$work/cluster" ||
  { cat "$work"/cluster/log/*; fail 'a Slurm cluster starts'; finish; }

# The relative paths of the shipped configuration start at its folder: the copy lies in a tree of the same form.
mkdir -p tree/tools/nightly
ln -s "$CONFGEN_SOURCE_ROOT/data" tree/data
cp "$nightly/nightly.conf" tree/tools/nightly/
printf 'program=%s\nstate=%s\n' "$CONFGEN" "$work/state" >>tree/tools/nightly/nightly.conf
dry_run() { "$nightly/nightly.sh" --conf tree/tools/nightly/nightly.conf dry-run "$@" >out 2>err; }

verdict 'Slurm would take the jobs of the shipped configuration' dry_run
for partition in a100 h100 a100_ligands h100_ligands; do
  verdict "$partition is among them" grep -q "^nightly: $partition: Slurm would take" out
done
verdict 'experimental references are evaluated as such' grep -q 'a100_ligands: .* --gens 25; .*pdb_ligands_sample.sdf.zst .*--bioactive$' out
verdict 'nothing is submitted' test "$(squeue -h | wc -l)" = 0 -a ! -e state
status=0
dry_run nowhere || status=$?
verdict 'an unknown partition is refused' test $status = 1
echo 'sbatch_h100=(--partition=h100 --gres=gpu:h100:2)' >>tree/tools/nightly/nightly.conf
status=0
dry_run a100 h100 || status=$?
verdict 'a partition that Slurm would refuse fails' test $status = 1
says 'nightly: h100: Slurm would refuse a job' 'and is named'
verdict 'the others do not' grep -q '^nightly: a100: Slurm would take' out
finish
