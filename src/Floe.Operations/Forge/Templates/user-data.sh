#!/bin/bash
# A machine of AWS Batch for tasks that may be snapshotted. Nothing here keeps it from coming up: a step that fails is in the log, and the
# cache then lies on the root disk.
set -u

# The NVMe instance storage: one disk as it is, several as one striped volume.
disks=()
for device in /dev/nvme*n1; do
  [ -b "$device" ] || continue
  model=$(cat "/sys/block/${device#/dev/}/device/model" 2>/dev/null)
  case $model in
    *'Amazon EC2 NVMe Instance Storage'*) disks+=("$device") ;;
  esac
done
volume=
if [ "${#disks[@]}" -eq 1 ]; then
  volume=${disks[0]}
elif [ "${#disks[@]}" -gt 1 ]; then
  command -v pvcreate >/dev/null || dnf install --assumeyes --quiet lvm2
  if pvcreate --yes "${disks[@]}" && vgcreate floe "${disks[@]}" &&
    lvcreate --yes --name scratch --extents 100%FREE --stripes "${#disks[@]}" --stripesize 256k floe; then
    volume=/dev/floe/scratch
  else
    volume=${disks[0]}
  fi
fi
mkdir -p /scratch/fusion
if [ -n "$volume" ]; then
  mkfs.xfs -f -K "$volume" && mount -o noatime "$volume" /scratch/fusion
fi
chmod 1777 /scratch/fusion

# Pages that are not yet on disk when the notice comes cost time: there are never many.
cat >/etc/sysctl.d/60-floe.conf <<'END'
vm.dirty_bytes = 1258291200
vm.dirty_background_bytes = 629145600
END
sysctl --quiet --load=/etc/sysctl.d/60-floe.conf

mkdir -p /etc/ecs
cat >>/etc/ecs/ecs.config <<'END'
ECS_IMAGE_PULL_BEHAVIOR=once
ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true
ECS_ENABLE_SPOT_INSTANCE_DRAINING=true
ECS_CONTAINER_CREATE_TIMEOUT=10m
ECS_CONTAINER_START_TIMEOUT=10m
ECS_CONTAINER_STOP_TIMEOUT=10m
END
