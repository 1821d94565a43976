#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds Debian packages of confgen for the distribution that it runs on.
#
#   tools/package.sh [OUT] [MESON_OPTION...]       OUT: the folder of the .deb files (packages)
#
# Packages: confgen, libconfgen0, libconfgen-dev, python3-confgen; confgen-cuda if the build has CUDA, else the
# script says that it is left out. tools/packaging/README.md lists the files.
#
# BUILD names a finished build folder with --prefix=/usr, which is installed as it is
# (tools/setup.sh --with-packages makes one). Without BUILD, the script builds in build-packages with
# MESON_OPTIONs, e.g. -Dcuda=disabled.
#
# The files depend on the sources, the compiler and SOURCE_DATE_EPOCH alone (default: the date of the
# commit). DEBFULLNAME and DEBEMAIL name the maintainer; the default address is a placeholder. Needs dpkg-dev.
set -euo pipefail
export LC_ALL=C
umask 022

root=$(cd "$(dirname "$0")/.." && pwd)
say() { printf 'package: %s\n' "$*"; }
die() { printf 'package: %s\n' "$*" >&2; exit 1; }

out=packages
if (($#)) && [[ $1 != -* ]]; then
  out=$1
  shift
fi
for program in dpkg-deb dpkg-shlibdeps strip meson; do
  command -v $program >/dev/null || die "$program not found: tools/setup.sh --with-packages installs it"
done
mkdir -p "$out"
out=$(cd "$out" && pwd)

# ---- the build
if [ -n "${BUILD:-}" ]; then
  (($# == 0)) || die "found BUILD and Meson options: the build folder has its own"
  [ -f "$BUILD/build.ninja" ] || die "BUILD: $BUILD is no build folder"
  build=$(cd "$BUILD" && pwd)
else
  build=$root/build-packages
  if [ ! -f "$build/build.ninja" ]; then
    meson setup "$build" "$root" --prefix=/usr -Dtests=disabled "$@" >"$build.log" 2>&1 ||
      { tail -n 20 "$build.log" >&2; die "meson setup failed"; }
    rm -f "$build.log"
  elif (($#)); then
    meson configure "$build" "$@" >/dev/null || die "meson configure failed"
  fi
  ninja -C "$build" --quiet || die "the build failed"
fi
# option NAME: its value in the build folder
option() {
  meson introspect "$build" --buildoptions |
    python3 -c 'import json, sys; print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == sys.argv[1]))' "$1"
}
[ "$(option prefix)" = /usr ] ||
  die "$build: found prefix $(option prefix), wanted /usr: meson configure $build --prefix=/usr && ninja -C $build"
[ "$(option b_sanitize)" = none ] || die "$build: found a build with sanitizers, wanted one without"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stage
meson install -C "$build" --no-rebuild --quiet --destdir "$stage" >"$work/log" 2>&1 ||
  { tail -n 20 "$work/log" >&2; die "meson install failed"; }

# ---- version and date
release=$(sed -n "s/^  version: '\(.*\)',$/\1/p" "$root/meson.build")
[ -n "$release" ] || die "meson.build states no version"
version=$release-1
if commit=$(git -C "$root" rev-parse --short=8 HEAD 2>/dev/null); then
  # seconds of the commit, and before the release a version below it
  : "${SOURCE_DATE_EPOCH:=$(git -C "$root" log -1 --format=%ct)}"
  if ! git -C "$root" describe --exact-match --match "v$release" >/dev/null 2>&1; then
    version=$release~git$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).$commit-1
  fi
else
  : "${SOURCE_DATE_EPOCH:?package: not a git work tree: set it to the date of the sources, in seconds since 1970}"
fi
export SOURCE_DATE_EPOCH
architecture=$(dpkg --print-architecture)
libdir=usr/$(option libdir)
maintainer="${DEBFULLNAME:-The confgen developers} <${DEBEMAIL:-confgen@example.org}>"

# ---- files of the packages
# move PACKAGE PATH...: from the stage; a PATH may be a pattern
move() {
  local package=$1 pattern path
  shift
  for pattern in "$@"; do
    # shellcheck disable=SC2231 # a pattern
    for path in "$stage"/$pattern; do
      [ -e "$path" ] || [ -L "$path" ] || die "$package: '$pattern' was not installed"
      mkdir -p "$work/$package/$(dirname "${path#"$stage"/}")"
      mv "$path" "$work/$package/${path#"$stage"/}"
    done
  done
}

packages=()
if [ -e "$stage/$libdir/confgen/confgen_cuda.so" ]; then
  packages+=(confgen-cuda)
  move confgen-cuda "$libdir/confgen/confgen_cuda.so" "$libdir/confgen/plugins/attention/attention_hopper.so"
  [ ! -e "$stage/$libdir/confgen/plugins/attention/attention_cudnn.so" ] ||
    move confgen-cuda "$libdir/confgen/plugins/attention/attention_cudnn.so"
else
  say "confgen-cuda is left out: the build has no CUDA ($(command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ] ||
    printf 'nvcc was not found; ')meson setup's summary says why)"
fi

packages+=(libconfgen0)
move libconfgen0 "$libdir/libconfgen.so.*"

packages+=(libconfgen-dev)
move libconfgen-dev usr/include "$libdir/libconfgen.so" "$libdir/pkgconfig" "usr/bin/confgen-conformance-*" \
  usr/share/confgen/sdk usr/share/doc/confgen/plugins.md usr/share/doc/confgen/examples
[ ! -d "$stage/usr/share/doc/confgen/reference" ] || move libconfgen-dev usr/share/doc/confgen/reference

packages+=(confgen)
mkdir -p "$stage/usr/share/zsh/vendor-completions" # Debian's place
mv "$stage/usr/share/zsh/site-functions/_confgen" "$stage/usr/share/zsh/vendor-completions/"
rmdir "$stage/usr/share/zsh/site-functions"
gzip -9n "$stage/usr/share/man/man1/confgen.1"
rm "$stage/usr/share/man/man1/confgen-lm.1"
ln -s confgen.1.gz "$stage/usr/share/man/man1/confgen-lm.1.gz"
gzip -9n <"$stage/usr/share/doc/confgen/CHANGELOG.md" >"$stage/usr/share/doc/confgen/changelog.gz"
rm "$stage/usr/share/doc/confgen/"{CHANGELOG.md,LICENSE} # changelog.gz and copyright
move confgen usr/bin/confgen usr/bin/confgen-lm "$libdir/confgen" usr/share/confgen usr/share/man \
  usr/share/bash-completion usr/share/zsh usr/share/doc/confgen

[ -z "$(find "$stage" ! -type d)" ] || { find "$stage" ! -type d >&2; die "these files are in no package"; }

packages+=(python3-confgen)
python=$work/python3-confgen/usr/lib/python3/dist-packages
mkdir -p "$python/confgen" "$python/confgen-$release.dist-info"
install -m 644 "$root"/tools/python/confgen/{*.py,py.typed} "$python/confgen"
printf 'Metadata-Version: 2.1\nName: confgen\nVersion: %s\nSummary: SMILES to 3D conformers\nLicense: MIT\n' "$release" \
  >"$python/confgen-$release.dist-info/METADATA"
printf 'dpkg\n' >"$python/confgen-$release.dist-info/INSTALLER"

# ---- control files
# describe PACKAGE FIELD...: sets $fields and $text; fields that all packages have are not among them
describe() {
  case $1 in
    confgen)
      fields=("Recommends: zstd" "Suggests: libconfgen-dev" "Section: science")
      # The plugins of a build with CUDA also hold their kernels for it.
      [[ " ${packages[*]} " != *" confgen-cuda "* ]] || fields+=("Provides: confgen-plugins-cuda (= $version)")
      text="SMILES to 3D conformers with a small language model
 The program confgen turns SMILES into 3D conformers: a language model writes
 the coordinates, a constraint forces every other token, and each atom is
 tested and put right as it is generated.
 .
 This package has the program, its plugins for CPUs and the default model. The
 program has a second name, confgen-lm: CDPKit has a program confgen too." ;;
    confgen-cuda)
      fields=("Section: science" "Enhances: confgen"
        "Recommends: libcublas-$cuda_minor" "Suggests: libcudnn9-cuda-${cuda_minor%-*}")
      text="confgen on NVIDIA GPUs
 The CUDA module of confgen and its plugins that run on GPUs alone. It needs
 NVIDIA's driver and cuBLAS $cuda, which NVIDIA's repository has; the
 plugin attention_cudnn also needs cuDNN." ;;
    libconfgen0)
      fields=("Section: libs")
      text="library of confgen, SMILES to 3D conformers
 The library for programs that generate conformers in their own process. The
 plugins and the default model are those of the package confgen." ;;
    libconfgen-dev)
      fields=("Section: libdevel")
      text="headers, templates and checks for confgen's library and plugins
 Headers, confgen.pc, the templates of 'confgen plugins new', an example of
 the library and the programs that test plugins." ;;
    python3-confgen)
      fields=("Section: python" "Recommends: python3-rdkit" "Suggests: python3-pandas")
      text="SMILES to 3D conformers, for Python
 Molecules in, RDKit molecules with conformers out, through confgen's library.
 Runs from file to file need no RDKit." ;;
  esac
}
# The packages of the same version that a package needs
needs() {
  case $1 in
    confgen-cuda) printf 'confgen (= %s), confgen-plugins-cuda (= %s)' "$version" "$version" ;;
    libconfgen0) printf 'confgen (= %s)' "$version" ;;
    python3-confgen) printf 'python3 (>= 3.9), python3-cffi, libconfgen0 (>= %s), libconfgen0 (<< %s)' "$version" "$release.1" ;;
    libconfgen-dev) printf 'libconfgen0 (= %s), confgen (= %s)' "$version" "$version" ;;
  esac
}
# The packages of NVIDIA's repository have major and minor version in their names; the bill of materials states them.
cuda=
if [[ " ${packages[*]} " == *" confgen-cuda "* ]]; then
  cuda=$(python3 -c 'import json, sys
print(next(p["versionInfo"] for p in json.load(open(sys.argv[1]))["packages"] if p["name"] == "NVIDIA CUDA run time"))' \
    "$build/sbom.spdx.json")
  cuda_minor=$(cut -d . -f 1,2 --output-delimiter=- <<<"$cuda")
fi

mkdir -p "$work/shlibs/debian"
cd "$work/shlibs" # dpkg-shlibdeps reads debian/control
printf 'Source: confgen\nMaintainer: %s\n' "$maintainer" >debian/control
for package in "${packages[@]}"; do
  printf '\nPackage: %s\nArchitecture: any\n' "$package" >>debian/control
done

# elf_files DIR: programs and shared objects
elf_files() {
  find "$1" -type f -exec sh -c 'for f; do [ "$(head -c 4 "$f" | tail -c 3)" = ELF ] && printf "%s\n" "$f"; done; :' sh {} +
}

# write_documents DIR: copyright and Debian's changelog
write_documents() {
  {
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: confgen\n\n'
    printf 'Files: *\nCopyright: %s\nLicense: Expat\n' "$(sed -n 's/^Copyright (c) //p' "$root/LICENSE")"
    sed -n '/^Permission is hereby/,$ { s/^$/./; s/^/ /; p }' "$root/LICENSE"
  } >"$1/copyright"
  {
    printf 'confgen (%s) unstable; urgency=medium\n\n  * The changes are in changelog.gz.\n\n' "$version"
    printf ' -- %s  %s\n' "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")"
  } | gzip -9n >"$1/changelog.Debian.gz"
}

for package in "${packages[@]}"; do
  tree=$work/$package
  mkdir -p "$tree/DEBIAN"
  if [ "$package" = confgen ]; then
    write_documents "$tree/usr/share/doc/confgen"
  elif [ "$package" = libconfgen-dev ]; then
    # its documents lie beside those of confgen
    mkdir -p "$tree/usr/share/doc"
    mv "$tree/usr/share/doc/confgen" "$tree/usr/share/doc/libconfgen-dev"
    write_documents "$tree/usr/share/doc/libconfgen-dev"
  elif [ "$package" = python3-confgen ]; then
    mkdir -p "$tree/usr/share/doc/python3-confgen"
    install -m 644 "$root/tools/python/README.md" "$tree/usr/share/doc/python3-confgen/README.md"
    write_documents "$tree/usr/share/doc/python3-confgen"
  else
    mkdir -p "$tree/usr/share/doc"
    ln -s confgen "$tree/usr/share/doc/$package"
  fi
  for script in preinst postinst prerm; do
    [ ! -e "$root/tools/packaging/debian/$package.$script" ] ||
      install -m 755 "$root/tools/packaging/debian/$package.$script" "$tree/DEBIAN/$script"
  done
  kind=$architecture
  [ "$package" != python3-confgen ] || kind=all
  if [ "$package" = libconfgen0 ]; then
    printf 'libconfgen 0 libconfgen0 (>= %s)\n' "$version" >"$tree/DEBIAN/shlibs"
    printf 'activate-noawait ldconfig\n' >"$tree/DEBIAN/triggers"
  fi

  mapfile -t elf < <(elf_files "$tree")
  depends=
  if ((${#elf[@]})); then
    strip --strip-unneeded --remove-section=.comment "${elf[@]}"
    find "$tree" -name '*.so*' -type f -exec chmod 644 {} +
    # The libraries of NVIDIA's toolkit may have no package here: the fields name them.
    missing=()
    [ "$package" != confgen-cuda ] || missing=(--ignore-missing-info)
    dpkg-shlibdeps "${missing[@]}" -Tsubstvars "${elf[@]/#/-e}" 2>"$work/log" ||
      { cat "$work/log" >&2; die "$package: dpkg-shlibdeps failed"; }
    depends=$(sed -n 's/^shlibs:Depends=//p' substvars)
    rm -f substvars
  fi
  own=$(needs "$package")
  describe "$package"
  # all files of a package have one date
  find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  size=$(find "$tree" -path "$tree/DEBIAN" -prune -o -type f -printf '%s\n' | awk '{n += int(($1 + 1023) / 1024)} END {print n}')
  {
    printf 'Package: %s\nSource: confgen\nVersion: %s\nArchitecture: %s\nMaintainer: %s\n' \
      "$package" "$version" "$kind" "$maintainer"
    printf 'Installed-Size: %s\nDepends: %s\n' "$size" "$depends${depends:+${own:+, }}$own"
    printf '%s\n' "${fields[@]}"
    printf 'Priority: optional\nDescription: %s\n' "$text"
  } >"$tree/DEBIAN/control"
  (cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
  # gzip: most of the size is the model, which is compressed already and would keep xz busy.
  dpkg-deb --root-owner-group -Zgzip -z6 --build "$tree" "$out/${package}_${version}_$kind.deb" >"$work/log" ||
    { cat "$work/log" >&2; die "$package: dpkg-deb failed"; }
  say "$out/${package}_${version}_$kind.deb"
done
