#!/bin/bash
# root.sh: prints the path of a Debian sid root that holds the S3 servers that tests run against (moto and Ceph's radosgw);
# builds it first if it is not there (root, mmdebstrap and network; about two minutes, 1.5 GB). Nothing is installed on the host.
# Cache: $FLOE_CACHE, else .cache in the repository. Several callers at once build it once; a build that breaks off leaves nothing.
set -euo pipefail
repository=$(cd "$(dirname "$0")/../.." && pwd)
cache=${FLOE_CACHE:-$repository/.cache}/servers
recipe=1 # raise when the packages below change
root=$cache/sid-$recipe
packages=(ca-certificates python3-moto python3-flask python3-flask-cors python3-boto3 radosgw ceph-mon ceph-osd ceph-common procps)

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -e "$root/.complete" ]; then
  [ "$(id -u)" = 0 ] || { echo "root.sh: building the test servers' root needs root; run as root once" >&2; exit 1; }
  command -v mmdebstrap >/dev/null || { echo "root.sh: mmdebstrap is missing; apt-get install mmdebstrap" >&2; exit 1; }
  # The host's own mirror, from either form of apt's sources.
  mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || mirror=$(sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || { echo "root.sh: no Debian mirror in the host's apt sources" >&2; exit 1; }
  rm -rf --one-file-system "$root" "$root.new"
  mmdebstrap --quiet --variant=apt --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
    sid "$root.new" "$mirror" >&2
  # No service starts, no systemd asks for one.
  printf '#!/bin/sh\nexit 101\n' >"$root.new/usr/sbin/policy-rc.d"; chmod +x "$root.new/usr/sbin/policy-rc.d"
  ln -sf /bin/true "$root.new/usr/bin/systemctl"
  # Ceph's maintainer scripts may fail where there is no systemd; what counts is asked for below.
  unshare --mount --propagation private bash -euc '
    root=$1; shift
    mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
    chroot "$root" apt-get -qq update
    chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get -qqy install --no-install-recommends "$@" || chroot "$root" dpkg --configure -a
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*' - "$root.new" "${packages[@]}" >&2
  for program in moto_server radosgw radosgw-admin ceph ceph-mon ceph-osd monmaptool; do
    [ -x "$root.new/usr/bin/$program" ] || { echo "root.sh: the new root has no $program" >&2; exit 1; }
  done
  mkdir -p "$root.new/state"
  touch "$root.new/.complete"
  mv "$root.new" "$root"
fi
echo "$root"
