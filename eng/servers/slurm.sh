#!/bin/bash
# slurm.sh FOLDER: a throw-away Slurm cluster on this machine: "control" (slurmctld) and the nodes "node1" and "node2" (slurmd), each a
# machine of its own (eng/machine: own root, /tmp, pids, host name) with its own munged. FOLDER is /shared on all three and $FLOE_BUNDLE is
# /opt/floe. Prints "NAME PID" for each machine once both nodes are idle, in about ten seconds; eng/machine exec PID -- sbatch … goes on.
#   SLURM_PROCTRACK=linuxproc   how Slurm finds the processes of a job (default: pgid)
# Partitions: "spare" (its jobs are preempted and requeued) and "urgent". Logs: FOLDER/slurm/*.log. Ports are on 127.0.0.1.
# It ends with its standard input, and nothing is left but FOLDER: all of it lies in one pid namespace and in mounts that only it sees.
set -euo pipefail
self=$(readlink -f "${BASH_SOURCE[0]}")
eng=$(dirname "$(dirname "$self")")
if [ "${1-}" != _inside ]; then
  folder=$(readlink -e "${1:?usage: slurm.sh FOLDER}") || { echo "slurm.sh: no folder $1" >&2; exit 2; }
  [ "$(id -u)" = 0 ] || { echo "slurm.sh: needs root" >&2; exit 1; }
  : "${FLOE_BUNDLE:=$(dirname "$eng")/dist/floe}"
  root=$("$(dirname "$self")/slurm-root.sh")
  export FLOE_BUNDLE
  exec unshare --mount --propagation private --pid --fork --kill-child bash "$self" _inside "$root" "$folder"
fi
root=$2 folder=$3
exec 5<&0 </dev/null
fail() { echo "slurm.sh: $*" >&2; exit 1; }
free_port() { while :; do p=$((20000 + RANDOM % 10000)); (: </dev/tcp/127.0.0.1/$p) 2>/dev/null || { echo $p; return; }; done; }

state=$folder/slurm
mkdir -p "$state/etc"
dd if=/dev/urandom of="$state/munge.key" bs=128 count=1 status=none
chmod 600 "$state/munge.key"
cat >"$state/etc/slurm.conf" <<C
ClusterName=floe
SlurmctldHost=control(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=/var/lib/slurm/ctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
ProctrackType=proctrack/${SLURM_PROCTRACK:-pgid}
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=2,bf_interval=2
# How Floe's exit status 75, "run me again", is told to Slurm.
RequeueExit=75
JobRequeue=1
KillWait=60
# A requeued job waits until its credential has expired: two minutes, were it not for this.
AuthInfo=cred_expire=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
NodeName=node1 NodeAddr=127.0.0.1 Port=$(free_port) CPUs=1 RealMemory=64
NodeName=node2 NodeAddr=127.0.0.1 Port=$(free_port) CPUs=1 RealMemory=64
PartitionName=spare Nodes=node1,node2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes=node1,node2 MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
C
# No cgroups: what is tested here must also run where there are none to be had.
echo "CgroupPlugin=disabled" >"$state/etc/cgroup.conf"

# inside NAME COMMAND…: beside the idle init of machine NAME.
declare -A init=()
inside() { local name=$1; shift; env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$eng/machine" exec "${init[$name]}" -- "$@"; }

for name in control node1 node2; do
  sleep infinity | "$eng/machine" hold --hostname "$name" --rootfs "$root" --bind "$folder:/shared" --bind "$state/etc:/etc/slurm:ro" \
    --bind "$FLOE_BUNDLE:/opt/floe:ro" >"$state/$name.machine" 2>"$state/$name.machine.log" &
done
for name in control node1 node2; do
  tries=0
  until read -r holder _ <"$state/$name.machine" && [ -n "$holder" ]; do
    [ $((tries += 1)) -lt 500 ] || fail "cannot make $name: $(cat "$state/$name.machine.log")"
    sleep 0.02
  done
  "$eng/machine" boot "$holder" --hostname "$name" 3>"$state/$name.init" >>"$state/$name.machine.log" 2>&1 &
done
for name in control node1 node2; do
  tries=0
  until read -r pid <"$state/$name.init" && [ -n "$pid" ]; do
    [ $((tries += 1)) -lt 500 ] || fail "cannot start $name: $(cat "$state/$name.machine.log")"
    sleep 0.02
  done
  init[$name]=$pid
  # The boot pid is told before its root is in place.
  until inside "$name" test -d /opt/floe/bin 2>/dev/null; do
    [ $((tries += 1)) -lt 500 ] || fail "cannot enter $name"
    sleep 0.02
  done
  inside "$name" bash -euc '
    mkdir -p /run/munge /var/lib/slurm/ctld /var/spool/slurmd
    install -m 400 -o munge -g munge /shared/slurm/munge.key /etc/munge/munge.key
    chown munge:munge /run/munge /var/lib/munge /var/log/munge /etc/munge
    exec setpriv --reuid munge --regid munge --clear-groups munged --syslog' >"$state/$name.munge.log" 2>&1 ||
    fail "munged on $name: $(cat "$state/$name.munge.log")"
done
inside control slurmctld -D -i >"$state/slurmctld.log" 2>&1 & daemons=($!)
for name in node1 node2; do inside "$name" slurmd -D >"$state/$name.log" 2>&1 & daemons+=($!); done

tries=0
until [ "$(inside control sinfo -h -N -p spare -t idle -o %N 2>/dev/null | sort -u | tr '\n' ' ')" = "node1 node2 " ]; do
  [ $((tries += 1)) -lt 300 ] || fail "the nodes do not come up: $(tail -n 5 "$state"/{slurmctld,node1,node2}.log)"
  for pid in "${daemons[@]}"; do kill -0 "$pid" 2>/dev/null || fail "a daemon ended: $(tail -n 5 "$state"/{slurmctld,node1,node2}.log)"; done
  sleep 0.2
done
for name in control node1 node2; do echo "$name ${init[$name]}"; done
exec >&-
cat <&5 >/dev/null
