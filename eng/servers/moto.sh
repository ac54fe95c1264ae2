#!/bin/bash
# moto.sh PORT: moto, a double of the AWS APIs, on 127.0.0.1:PORT, in the foreground; any keys will do. Up in about a second.
# It runs in a mount and pid namespace of its own, so nothing is left when this process ends. It never verifies signatures or checksums.
set -euo pipefail
port=${1:?usage: moto.sh PORT}
root=$("$(dirname "$0")/root.sh")
exec unshare --mount --propagation private --pid --fork --kill-child bash -euc '
  mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; mount -t tmpfs tmpfs "$1/tmp"
  export MOTO_IAM_LOAD_MANAGED_POLICIES=true
  exec chroot "$1" /usr/bin/moto_server -H 127.0.0.1 -p "$2"' - "$root" "$port"
