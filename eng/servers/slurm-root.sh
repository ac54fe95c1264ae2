#!/bin/bash
# slurm-root.sh: prints the path of a Debian root that holds Slurm (control daemon, node daemon, client programs, munge) and Python;
# builds it first if it is not there (root, mmdebstrap and network; about a minute, 200 MB). Nothing is installed on the host.
# Cache: $FLOE_CACHE, else .cache in the repository. Several callers at once build it once; a build that breaks off leaves nothing.
set -euo pipefail
repository=$(cd "$(dirname "$0")/../.." && pwd)
cache=${FLOE_CACHE:-$repository/.cache}/servers
release=trixie # Slurm 24.11
recipe=1       # raise when the packages below change
root=$cache/slurm-$release-$recipe
packages=(slurmctld slurmd slurm-client munge python3-minimal procps)

mkdir -p "$cache"
exec 9>"$cache/slurm.lock"
flock 9
if [ ! -e "$root/.complete" ]; then
  [ "$(id -u)" = 0 ] || { echo "slurm-root.sh: building Slurm's root needs root; run as root once" >&2; exit 1; }
  command -v mmdebstrap >/dev/null || { echo "slurm-root.sh: mmdebstrap is missing; apt-get install mmdebstrap" >&2; exit 1; }
  # The host's own mirror, from either form of apt's sources.
  mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || { echo "slurm-root.sh: no Debian mirror in the host's apt sources" >&2; exit 1; }
  rm -rf --one-file-system "$root" "$root.new"
  included=$(IFS=,; echo "${packages[*]}")
  # policy-rc.d: no service starts.
  mmdebstrap --quiet --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
    --essential-hook='printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"; chmod +x "$1/usr/sbin/policy-rc.d"' \
    --include="$included" "$release" "$root.new" "$mirror" >&2
  # Some are links of Debian's alternatives: they are right inside the root only.
  for program in slurmctld slurmd munged sbatch scontrol squeue python3; do
    chroot "$root.new" sh -c 'command -v "$1"' - "$program" >/dev/null || { echo "slurm-root.sh: the new root has no $program" >&2; exit 1; }
  done
  rm -rf "$root.new"/var/cache/apt/archives/*.deb "$root.new"/var/lib/apt/lists/*
  touch "$root.new/.complete"
  mv "$root.new" "$root"
fi
echo "$root"
