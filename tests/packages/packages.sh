#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Packages the build and installs the packages in a fresh root of this machine's distribution:
#
#   packages.sh BUILD
#
# The root is as small as apt allows and comes from the package archives, proxies and keys that apt uses here. It is
# used by chroot: nothing is mounted. The steps of the Dockerfile and of the Apptainer definition run in a root of
# their own. PACKAGES_WANTED=1: what lacks fails the test; otherwise it skips it.
set -euo pipefail
export LC_ALL=C

build=$1
tree=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/confgen-packages-XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT

say() { printf -- '-- %s s: %s\n' "$SECONDS" "$*"; }
die() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
# quietly TITLE COMMAND...: prints the command's output only if it fails
quietly() {
  local title=$1
  shift
  "$@" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; die "$title"; }
}
# refused TITLE PATTERN COMMAND...: the command fails and a line of its output matches
refused() {
  local title=$1 pattern=$2
  shift 2
  if "$@" >"$work/log" 2>&1; then cat "$work/log" >&2; die "$title: it succeeds"; fi
  grep -Eq -- "$pattern" "$work/log" || { tail -n 40 "$work/log" >&2; die "$title: no line matches: $pattern"; }
}

lacks=
for program in mmdebstrap dpkg-deb dpkg-shlibdeps apt-get; do
  command -v $program >/dev/null || lacks="$program is not installed; tools/setup.sh --with-packages installs it"
done
[ "$(id -u)" = 0 ] || lacks='chroot needs root'
if [ -n "$lacks" ]; then
  [ "${PACKAGES_WANTED:-0}" = 0 ] || die "$lacks"
  printf 'skipped: %s\n' "$lacks"
  exit 77
fi

# ---- the packages
say 'packaging'
BUILD=$build quietly 'tools/package.sh' "$tree/tools/package.sh" "$work/debs"
sed -n '/left out/p' "$work/log"
(umask 077 && TZ=Asia/Tokyo BUILD=$build quietly 'tools/package.sh again' "$tree/tools/package.sh" "$work/again")
for deb in "$work"/debs/*.deb; do
  cmp "$deb" "$work/again/$(basename "$deb")" || die "$(basename "$deb"): two runs of tools/package.sh differ"
done
rm -r "$work/again"

# ---- the root
# shellcheck disable=SC1091 # of the system
. /etc/os-release
case $ID in
  debian) origin=Debian ;;
  ubuntu) origin=Ubuntu ;;
  *) die "found the distribution $ID, wanted debian or ubuntu" ;;
esac
# archives: the distribution's own, as apt has them here
archives() {
  apt-get indextargets --format "deb [signed-by=/usr/share/keyrings/$ID-archive-keyring.gpg] \$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
    'Created-By: Packages' "Origin: $origin" | grep " ${VERSION_CODENAME}[^ ]* [a-z-]*\$" | sort -u
}
archives >"$work/sources.list" || true
if [ ! -s "$work/sources.list" ]; then
  quietly 'apt-get update' apt-get update
  archives >"$work/sources.list"
fi
[ -s "$work/sources.list" ] || die "apt has no archive of $PRETTY_NAME"
# apt's way to the archives: proxies, times; docker's hooks and the like are not for the root
{
  apt-config dump --format '%f "%v";%n' 'Acquire' | grep -Ev '^Acquire(::IndexTargets|::Changelogs|::cdrom| "")'
  printf 'Dpkg::Use-Pty "0";\n'
} >"$work/apt.conf"
include=()
! grep -q 'https:' "$work/sources.list" || include=(--include=ca-certificates)
hooks=()
for name in auth.conf auth.conf.d; do
  [ ! -e "/etc/apt/$name" ] || hooks+=("--setup-hook=cp -r '/etc/apt/$name' \"\$1/etc/apt/\"")
done
say "$PRETTY_NAME"
quietly 'mmdebstrap' mmdebstrap --mode=root --variant=apt --skip=check/canmount,cleanup/apt/lists \
  --aptopt="$work/apt.conf" --dpkgopt=force-unsafe-io "${include[@]}" ${hooks[@]+"${hooks[@]}"} \
  "$VERSION_CODENAME" "$work/root" "$work/sources.list"
[ ! -e /etc/resolv.conf ] || cp /etc/resolv.conf "$work/root/etc/resolv.conf"
cp -a "$work/root" "$work/container"

# inside COMMAND: in the root, with a shell
root=$work/root
inside() { env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C chroot "$root" sh -c "cd /root && $*"; }
# one_ethanol: the output of the last command is one record of ethanol
one_ethanol() {
  [ "$(grep -c '^\$\$\$\$$' "$work/out")" = 1 ] || { cat "$work/out" "$work/log"; die "$1: wanted one record"; }
  grep -q '^  3  2 .*V2000$' "$work/out" || { cat "$work/out"; die "$1: wanted 3 atoms and 2 bonds"; }
}

# ---- confgen
cp "$work"/debs/*.deb "$root/root/"
say 'a program /usr/bin/confgen of no package'
printf '#!/bin/sh\n' >"$root/usr/bin/confgen"
refused 'unpacking over /usr/bin/confgen' 'usr/bin/confgen exists and belongs to no package' inside 'dpkg --unpack ./confgen_*.deb'
[ "$(cat "$root/usr/bin/confgen")" = '#!/bin/sh' ] || die 'the other program confgen was changed'
rm "$root/usr/bin/confgen"

say 'apt install ./confgen_*.deb && confgen --smiles CCO'
printf '#!/bin/sh\n' >"$root/usr/local/bin/confgen"
chmod +x "$root/usr/local/bin/confgen"
quietly 'apt install ./confgen_*.deb' inside 'apt-get install -y ./confgen_*.deb'
grep -q "'confgen' runs /usr/local/bin/confgen" "$work/log" || die 'nothing is said of a confgen that comes first in PATH'
rm "$root/usr/local/bin/confgen"
inside 'confgen --smiles CCO' >"$work/out" 2>"$work/log" || { cat "$work/log"; die 'confgen --smiles CCO'; }
one_ethanol 'confgen --smiles CCO'
inside 'confgen-lm --smiles CCO' 2>/dev/null | cmp - "$work/out" || die 'confgen-lm --smiles CCO'
quietly 'plugins list' inside 'confgen plugins list'
[ "$(find "$root/usr/lib" -path '*/confgen/plugins/*.so' | wc -l)" = "$(grep -Ec '\.so$|\.so ' "$work/log")" ] ||
  { cat "$work/log"; die 'plugins list: another number of plugins than files'; }
for file in usr/share/man/man1/confgen.1.gz usr/share/man/man1/confgen-lm.1.gz usr/share/doc/confgen/copyright \
  usr/share/bash-completion/completions/confgen.bash usr/share/zsh/vendor-completions/_confgen; do
  [ -e "$root/$file" ] || die "/$file was not installed"
done

say 'another package with /usr/bin/confgen'
mkdir -p "$work/other/DEBIAN" "$work/other/usr/bin"
printf 'Package: other-confgen\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: test\n' \
  >"$work/other/DEBIAN/control"
printf '#!/bin/sh\necho other\n' >"$work/other/usr/bin/confgen"
chmod +x "$work/other/usr/bin/confgen"
quietly 'dpkg-deb' dpkg-deb --root-owner-group --build "$work/other" "$root/root/other.deb"
refused 'a second package with /usr/bin/confgen' "trying to overwrite '/usr/bin/confgen'" inside 'dpkg -i ./other.deb'
quietly 'with a diversion' inside \
  'dpkg-divert --package confgen --divert /usr/bin/confgen-other --add /usr/bin/confgen && dpkg -i ./other.deb'
[ "$(inside confgen-other)" = other ] || die 'the diverted program does not run'
inside 'confgen-lm --smiles CCO' 2>/dev/null | cmp - "$work/out" || die 'confgen-lm beside the diverted program'

# ---- containers: the steps of both definitions in a fresh root, where archives that apt fetched are there. Equal
# commands of apt-get run once.
mkdir "$work/context"
ln -s "$work/debs" "$work/context/packages"
root=$work/container
cp "$work"/root/var/cache/apt/archives/*.deb "$root/var/cache/apt/archives/"
declare -A ran=()
# shellcheck disable=SC2086 # $1 may be a pattern
copy() {
  mkdir -p "$(dirname "$root/${2}x")"
  cp -rL "$context"/$1 "$root/$2"
}
run() {
  [[ $1 != apt-get* || -z ${ran["run $1"]:-} ]] || return 0
  ran["run $1"]=1
  quietly "$definition: $1" inside "$1"
}
start() {
  chroot "$root" sh -c "$1" sh --smiles CCO >"$work/out" 2>"$work/log" || { cat "$work/log"; die "$definition: $1"; }
  one_ethanol "$definition: $1"
  started=$((started + 1))
}
started=0
for definition in Dockerfile confgen.def; do
  say "$definition"
  context=$work/context
  [ $definition != Dockerfile ] || context=$work/debs
  "$tree/tests/packages/container_steps.py" "$tree/tools/packaging/$definition" >"$work/steps"
  # shellcheck disable=SC1091
  . "$work/steps"
done
[ $started = 2 ] || die "$started of 2 containers start confgen"
[ -z "$(find "$root/opt" "$root/var/lib/apt/lists" -mindepth 1)" ] || die 'packages or lists are left in the image'
root=$work/root

# ---- the library: a program that is compiled here against the root's headers runs there
say 'libconfgen-dev'
quietly 'apt install libconfgen-dev' inside 'apt-get install -y --no-install-recommends ./libconfgen0_*.deb ./libconfgen-dev_*.deb'
pc=$(find "$root/usr/lib" -name confgen.pc)
read -ra flags < <(PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$(dirname "$pc") PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 \
  PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 pkg-config --cflags --libs confgen)
quietly 'compiling embed.c' cc -o "$root/root/embed" "$root/usr/share/doc/libconfgen-dev/examples/embed.c" "${flags[@]}" \
  -Wl,--allow-shlib-undefined
quietly 'embed' inside './embed'
quietly 'plugins new' inside 'confgen plugins new attention try'
[ -s "$root/root/try/try.c" ] || { cat "$work/log"; die 'plugins new wrote no try.c'; }

say 'python3-confgen'
quietly 'apt install python3-confgen' inside 'apt-get install -y --no-install-recommends ./python3-confgen_*.deb'
printf 'CCO\tethanol\t1\n' >"$root/root/one.smi"
quietly 'a run by Python' inside \
  'python3 -c "import confgen; confgen.Engine().run(\"one.smi\", \"one.sdf\", 1)" && cat one.sdf'
cp "$work/log" "$work/out"
one_ethanol 'a run by Python'

say 'removal'
quietly 'apt purge' inside 'apt-get purge -y confgen libconfgen0 libconfgen-dev python3-confgen'
left=$(cd "$root" && find usr -path '*confgen*' ! -path usr/bin/confgen ! -path usr/bin/confgen-other)
[ -z "$left" ] || die "purged packages leave files: $left"

say 'done'
