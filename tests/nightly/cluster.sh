# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by nightly.sh and dry_run.sh, after lib.sh: a Slurm cluster of one node on loopback, run by the calling
# user with its own directory and ports. A Slurm of the machine is not touched.
#
#   cluster_required    without Slurm or jq skips the test, or fails it with SLURM_WANTED=1
#   cluster_start DIR   starts munged, slurmctld and slurmd; exports SLURM_CONF
#   cluster_stop        ends them
#
# The partitions `a100` and `h100` (names of the configuration, here CPUs) share the node with `urgent`,
# whose jobs preempt theirs: a preempted job gets SIGTERM, has CLUSTER_GRACE seconds and is requeued. The node states
# CLUSTER_CPUS processors and CLUSTER_MEMORY MB. CLUSTER_GPUS=1: it states an a100 and an h100, for jobs that are
# not run, and there is a partition `cpu`.

PATH=$PATH:/usr/sbin:/sbin
cluster_pids=()
cluster_conf=''

cluster_required() {
  local program
  for program in munged munge slurmctld slurmd sbatch srun scontrol squeue sinfo jq; do
    command -v "$program" >/dev/null && continue
    [ "${SLURM_WANTED:-0}" = 0 ] || { fail "Slurm: $program is not installed"; finish; }
    skip "$program is not installed; tools/setup.sh --with-slurm installs Slurm and jq"
  done
}

# free_ports N: prints N unused ports below the kernel's range for clients
free_ports() {
  local port n=0
  for ((port = 20000 + $$ % 5000; n < $1 && port < 32000; port++)); do
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      n=$((n + 1))
    fi
  done
}

# cluster_wait SECONDS TEXT COMMAND...: waits until the command succeeds
cluster_wait() {
  local end=$((SECONDS + $1)) text=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      echo "cluster: timed out waiting until $text" >&2
      return 1
    fi
    sleep 0.2
  done
}

# shellcheck disable=SC2317 # called by cluster_wait
node_is_idle() { [ "$(sinfo -h -n node0 -p a100 -o %T)" = idle ]; }
# shellcheck disable=SC2317
queue_is_empty() { [ -z "$(squeue -h)" ]; }

cluster_start() {
  local at=$1 user host ports
  user=$(id -un)
  host=$(hostname -s)
  mapfile -t ports < <(free_ports 2)
  mkdir -p "$at"/{state,spool,log}
  mkdir -m 700 "$at/munge"
  (umask 077 && dd if=/dev/urandom of="$at/munge/key" bs=128 count=1 status=none)
  munged --foreground --force --socket="$at/munge.socket" --key-file="$at/munge/key" \
    --pid-file="$at/munge/pid" --log-file="$at/munge/log" --seed-file="$at/munge/seed" \
    --num-threads=2 >"$at/log/munged" 2>&1 &
  cluster_pids+=($!)
  cluster_wait 20 'munged answers' munge --socket="$at/munge.socket" --no-input || return 1

  cat >"$at/slurm.conf" <<CONF
ClusterName=confgen_test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits until its credential expires.
AuthInfo=socket=$at/munge.socket,cred_expire=${CLUSTER_EXPIRE:-5}
StateSaveLocation=$at/state
SlurmdSpoolDir=$at/spool
SlurmctldPidFile=$at/slurmctld.pid
SlurmdPidFile=$at/slurmd.pid
SlurmctldLogFile=$at/log/slurmctld
SlurmdLogFile=$at/log/slurmd
MailProg=$(command -v true)
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=120
KillWait=5
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PriorityType=priority/basic
${CLUSTER_GPUS:+GresTypes=gpu
SlurmdParameters=config_overrides
PartitionName=cpu Nodes=node0 MaxTime=600 State=UP}
NodeName=node0 NodeHostname=$host NodeAddr=127.0.0.1 CPUs=${CLUSTER_CPUS:-4} RealMemory=${CLUSTER_MEMORY:-1000} ${CLUSTER_GPUS:+Gres=gpu:a100:1,gpu:h100:1} State=UNKNOWN
PartitionName=a100 Nodes=node0 Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=${CLUSTER_GRACE:-30} MaxTime=60 State=UP
PartitionName=h100 Nodes=node0 PriorityTier=1 PreemptMode=REQUEUE GraceTime=0 MaxTime=60 State=UP
PartitionName=urgent Nodes=node0 PriorityTier=10 PreemptMode=OFF MaxTime=60 State=UP
CONF
  # A GPU is a device file.
  [ -z "${CLUSTER_GPUS:-}" ] || printf 'NodeName=node0 Name=gpu Type=%s File=/dev/%s\n' a100 null h100 zero >"$at/gres.conf"
  cluster_conf=$at/slurm.conf
  export SLURM_CONF=$cluster_conf
  slurmctld -D -c >"$at/log/slurmctld.err" 2>&1 &
  cluster_pids+=($!)
  slurmd -D -c -N node0 >"$at/log/slurmd.err" 2>&1 &
  cluster_pids+=($!)
  cluster_wait 60 'the node is idle' node_is_idle
}

cluster_stop() {
  local pid
  if ((${#cluster_pids[@]} == 3)); then
    scancel --quiet --user="$(id -un)" 2>/dev/null || true
    cluster_wait 15 'no job is left' queue_is_empty || true
  fi
  # in this order: slurmd needs slurmctld, both need munged
  for ((pid = ${#cluster_pids[@]} - 1; pid >= 0; pid--)); do
    kill "${cluster_pids[pid]}" 2>/dev/null || true
    wait "${cluster_pids[pid]}" 2>/dev/null || true
  done
  cluster_pids=()
  # Remaining steps of this slurmd, found by SLURM_CONF in their environment, which must not be in grep's
  # own. grep fails if a process ends meanwhile.
  [ -n "$cluster_conf" ] || return 0
  unset SLURM_CONF
  for pid in $({ grep -lzxsF "SLURM_CONF=$cluster_conf" /proc/[0-9]*/environ || true; } | cut -d/ -f3); do
    kill -KILL "$pid" 2>/dev/null || true
  done
}
