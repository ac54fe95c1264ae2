#!/bin/bash
# criu.sh: makes a private, relocatable CRIU (and a static tini) without touching the host, and prints its folder.
#
#   $FLOE_CACHE/criu/bin/criu          run it as: lib/ld-linux-*.so.* --library-path lib bin/criu ...
#   $FLOE_CACHE/criu/bin/tini          static
#   $FLOE_CACHE/criu/lib/              the loader and exactly the libraries that CRIU loads
#   $FLOE_CACHE/criu/ca-certificates.crt   Mozilla's certification authorities, for images that have none
#   $FLOE_CACHE/criu/licenses/         each package's copyright file
#   $FLOE_CACHE/criu/packages.txt      package and version of everything above
#   $FLOE_CACHE/criu/version.txt       what "criu --version" says
#
# CRIU and its libraries are Debian sid's: the newest, and older ones do not start on newer kernels. They are downloaded
# against an empty package database and unpacked, never installed. The mirror is the one in the host's own apt sources.
# FLOE_CACHE defaults to .cache in the repository. A finished prefix is kept; remove the folder to make it anew.
set -euo pipefail

fail() { echo "criu.sh: $*" >&2; exit 1; }

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${FLOE_CACHE:-$repository/.cache}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)
prefix=$cache/criu
minimum=4.1.1

exec 9>"$cache/criu.lock"
flock 9
if [ -s "$prefix/version.txt" ] && [ -s "$prefix/ca-certificates.crt" ]; then echo "$prefix"; exit 0; fi

for tool in apt-get dpkg dpkg-deb; do
  command -v "$tool" >/dev/null || fail "$tool is missing: run this on Debian or Ubuntu, or set FLOE_CRIU to a CRIU >= $minimum"
done

# The first Debian archive (not the security one) that the host is set up with: deb822 sources first, then one-line ones.
mirror=$(
  {
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs:[[:space:]]*\([^[:space:]]*\).*/\1/p'
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
      sed -n 's/^deb[[:space:]]\+\(\[[^]]*\][[:space:]]*\)\{0,1\}\([^[:space:]]*\).*/\2/p'
  } | grep -E '/debian/?$' | head -n 1
) || true
mirror=${FLOE_DEBIAN_MIRROR:-$mirror}
[ -n "$mirror" ] || fail "no Debian archive in this machine's apt sources; name one in FLOE_DEBIAN_MIRROR"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || fail "$keyring is missing: apt-get install debian-archive-keyring"

work=$(mktemp -d "$cache/criu.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{lists/partial,cache/archives/partial,parts,root,prefix/bin,prefix/lib,prefix/licenses}
: >"$work/status"
# tini from bookworm: the package of later releases no longer holds the static build.
printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" sid "$keyring" "$mirror" bookworm >"$work/sources.list"
apt=(apt-get -qq
  -o Dir::State="$work" -o Dir::State::status="$work/status" -o Dir::State::lists="$work/lists"
  -o Dir::Cache="$work/cache" -o Dir::Cache::archives="$work/cache/archives"
  -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts="$work/parts"
  -o Dir::Etc::preferencesparts="$work/parts" -o Dir::Etc::preferences="$work/none"
  -o APT::Install-Recommends=false -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3
  -o APT::Update::Post-Invoke= -o DPkg::Post-Invoke=)
"${apt[@]}" update >&2 || fail "cannot read the package lists of $mirror"
"${apt[@]}" --download-only --yes -t sid install criu >&2 || fail "cannot download criu from $mirror"
(cd "$work/cache/archives" && "${apt[@]}" download tini/bookworm ca-certificates/sid) >&2 || fail "cannot download tini and ca-certificates from $mirror"

for package in "$work"/cache/archives/*.deb; do dpkg-deb --extract "$package" "$work/root"; done

out=$work/prefix
criu=$(find "$work/root" -path '*/sbin/criu' -type f | head -n 1)
loader=$(find "$work/root" -name 'ld-linux-*.so.*' \( -type f -o -type l \) | head -n 1)
libraries=$(dirname "$(find "$work/root/usr/lib" -name 'libc.so.6' | head -n 1)")
[ -n "$criu" ] && [ -n "$loader" ] || fail "the packages hold no criu or no loader"

cp "$criu" "$out/bin/criu"
cp "$work/root/usr/bin/tini-static" "$out/bin/tini"
cat "$work"/root/usr/share/ca-certificates/mozilla/*.crt >"$out/ca-certificates.crt"
cp -L "$libraries/$(basename "$loader")" "$out/lib/"
loader=$out/lib/$(basename "$loader")
chmod 755 "$out/bin/criu" "$out/bin/tini" "$loader"

# What the loader finds for CRIU is what CRIU needs; it opens nothing later (nftables and gnutls are linked, plugins unused).
"$loader" --library-path "$libraries" --list "$criu" | awk '$2 == "=>" { print $3 }' | while read -r library; do
  case $library in "$out"/*) ;; "$work"/*) cp -L "$library" "$out/lib/" ;; *) fail "CRIU needs $library, which the packages do not hold" ;; esac
done

# Names, versions and licences of what was kept.
for package in "$work"/cache/archives/*.deb; do
  name=$(dpkg-deb --field "$package" Package)
  kept=$(dpkg-deb --contents "$package" | awk '/^[-l]/ { print $6 }' | while read -r path; do
    if [ -e "$out/lib/$(basename "$path")" ]; then echo yes; fi; done | head -n 1) || true
  case $name in criu | tini | ca-certificates) kept=yes ;; esac
  [ -n "$kept" ] || continue
  echo "$name $(dpkg-deb --field "$package" Version) $(dpkg-deb --field "$package" Architecture)"
  if [ -e "$work/root/usr/share/doc/$name/copyright" ]; then cp -L "$work/root/usr/share/doc/$name/copyright" "$out/licenses/$name"; fi
done >"$out/packages.txt"

version=$("$loader" --library-path "$out/lib" "$out/bin/criu" --version) || fail "the CRIU that was made does not start"
number=$(sed -n 's/^Version: //p' <<<"$version" | head -n 1)
[ "$(printf '%s\n%s\n' "$minimum" "$number" | sort -V | head -n 1)" = "$minimum" ] ||
  fail "CRIU $number is older than $minimum"
echo "$version" >"$out/version.txt"

rm -rf "$prefix"
mv "$out" "$prefix"
echo "$prefix"
