#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The bill of materials names each built file with its checksum, each library that readelf finds in it,
# and a version and a licence for each package.
#
#   sbom.sh BUILD
set -euo pipefail
export LC_ALL=C

command -v jq >/dev/null || { echo "skipped: no jq"; exit 77; }
command -v dpkg-query >/dev/null || { echo "skipped: no dpkg-query"; exit 77; }
cd "$1"
bill=sbom.spdx.json
failures=0
fail() { printf 'FAILED: %s\n' "$*"; failures=$((failures + 1)); }
ask() { jq -er "$@" $bill >/dev/null; }

ask '.spdxVersion == "SPDX-2.3" and .dataLicense == "CC0-1.0" and (.creationInfo.created | test("Z$"))' ||
  fail "no head of an SPDX 2.3 document"
ask '[.relationships[] | .spdxElementId, .relatedSpdxElement] - ["SPDXRef-DOCUMENT"]
     - [.packages[].SPDXID] - [.files[].SPDXID] == []' || fail "a relationship names an unknown element"
ask '[.packages[].SPDXID, .files[].SPDXID] | length == (unique | length)' || fail "two elements have one identifier"
ask '.packages[] | select(.name == "librdkit1" or .name == "rdkit") | .licenseDeclared == "BSD-3-Clause"' ||
  fail "no package of RDKit with its licence"
unknown=$(jq -r '.packages[] | select(.versionInfo == "NOASSERTION" or .licenseDeclared == "NOASSERTION") | .name' \
  $bill | grep -v '^libcu' || true)
[ -z "$unknown" ] || fail "without version or licence:" $unknown

n=0
while read -r file; do
  name=$(basename "$(realpath "$file")")
  n=$((n + 1))
  ask --arg n "./$name" --arg s "$(sha256sum <"$file" | cut -d' ' -f1)" \
    '.files[] | select(.fileName == $n) | .checksums[] | select(.algorithm == "SHA256") | .checksumValue == $s' ||
    fail "$name: another checksum, or missing"
  for library in $(readelf -dW "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^ld-linux\|^libconfgen'); do
    ask --arg n "./$name" --arg l "$library" '
      (.files[] | select(.fileName == $n) | .SPDXID) as $file
      | [.packages[] | select(.name == $l or ((.comment // "") | split(" ") | index($l))) | .SPDXID] as $owners
      | any(.relationships[]; .spdxElementId == $file and .relationshipType == "DYNAMIC_LINK"
          and (.relatedSpdxElement as $p | $owners | index($p)))' || fail "$name: $library is not named"
  done
done < <(ls confgen core/libconfgen.so && find plugins core/cuda -name '*.so')
((n >= 10)) || fail "$n files, wanted at least 10"
echo "$n files, $(jq '.packages | length' $bill) packages: $failures findings"
((failures == 0))
