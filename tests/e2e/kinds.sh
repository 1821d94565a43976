#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Angles, shapes and contacts of small molecules of every kind, from the coordinates of their records.
. "$(dirname "$0")/lib.sh"

# Prints a line for each fault of the records of an SDF: linear atoms below 160 degrees, trigonal
# carbons out of 100 to 145, angles of atoms with five and six neighbours that no bipyramid or octahedron
# has, fragments out of contact, F/C=C/F that is not trans.
faults() {
  awk '
    function distance(a, b) { return sqrt((x[a]-x[b])^2 + (y[a]-y[b])^2 + (z[a]-z[b])^2) }
    function angle(a, b, c,  p, q, r, cosine) {
      p = distance(a, b); q = distance(b, c); r = distance(a, c)
      cosine = (p * p + q * q - r * r) / (2 * p * q)
      cosine = cosine > 1 ? 1 : cosine < -1 ? -1 : cosine
      return atan2(sqrt(1 - cosine * cosine), cosine) * 57.29577951
    }
    function wrong(text) { print name ": " text }
    function test_atom(b,  i, j, v) {
      right = flat = straight = 0
      for (i = 2; i <= degree[b]; i++)
        for (j = 1; j < i; j++) {
          v = angle(to[b, i], b, to[b, j])
          right += v >= 72 && v <= 108
          flat += v > 102 && v <= 138
          straight += v >= 158
          if (degree[b] == 2 && (orders[b] == 4 || most[b] == 3) && v < 160)
            wrong("linear atom at " v)
          if (element[b] == "C" && most[b] == 2 && orders[b] < 4 && (v < 100 || v > 145))
            wrong("trigonal atom at " v)
        }
      if (degree[b] == 6 && (right != 12 || straight != 3))
        wrong("no octahedron")
      if (degree[b] == 5 && (right < 6 || flat < 3 || straight != 1))
        wrong("no bipyramid")
    }
    function test_record(  i, j, least) {
      least = 99
      for (i = 1; i <= n; i++) {
        test_atom(i)
        for (j = 1; j < i; j++)
          if ((element[i] == "Na") != (element[j] == "Na") && distance(i, j) < least)
            least = distance(i, j)
      }
      if (name ~ /^salt/ && (least < 1.7 || least > 4))
        wrong("contact of " least)
      if (name == "difluoroethene" && distance(1, 4) < 3.3)
        wrong("not trans")
    }
    FNR == 1 || last == "$$$$" { line = 0; name = $1 }
    { last = $0; line++ }
    line == 4 {
      n = substr($0, 1, 3) + 0; m = substr($0, 4, 3) + 0
      split("", degree); split("", to); split("", most); split("", orders)
    }
    line > 4 && line <= 4 + n { i = line - 4; x[i] = $1; y[i] = $2; z[i] = $3; element[i] = $4 }
    line > 4 + n && line <= 4 + n + m && line > 4 {
      a = substr($0, 1, 3) + 0; b = substr($0, 4, 3) + 0; order = substr($0, 7, 3) + 0
      to[a, ++degree[a]] = b; to[b, ++degree[b]] = a
      orders[a] += order; orders[b] += order
      most[a] = order > most[a] ? order : most[a]; most[b] = order > most[b] ? order : most[b]
    }
    $0 == "$$$$" { test_record() }
  ' "$1"
}

printf '%s\t%s\n' 'CC#N' nitrile 'O=C=O' carbon_dioxide 'CN=[N+]=[N-]' azide 'C=C=C' allene \
  'CN=C=S' isothiocyanate 'CC#CC' alkyne 'F/C=C/F' difluoroethene \
  'FS(F)(F)(F)(F)c1ccccc1' SF5 'FP(F)(F)(F)F' PF5 'F[P-](F)(F)(F)(F)F' PF6 \
  '[Na+].[Cl-]' salt_chloride 'CC(=O)[O-].[Na+]' salt_acetate \
  'C1=C2CCC(C2)C1' bicycloheptene 'CC1=C2CCCC(CC1)C2(C)C' taxane_core \
  'CC[C@H]1O[C@@H]2C[C@@H](O)\C=C/C(Cl)=C/C=C/12' trans_triene \
  'C[C@H]1C[C@@H]2C/C=C/C(Cl)=C\C=C/21' trans_cyclooctatriene \
  'O=CO[C@@H]1C[C@H]2C=C[C@@H]1CC2' bicyclooctene >kinds.smi
check 0 'every molecule is delivered' --input kinds.smi --gens 6 --output kinds.sdf
verdict 'six conformers of each' test "$(count_sdf <kinds.sdf)" = 102
# The angles of strained rings are those of their rings.
awk '{ r = r $0 "\n" } /^\$\$\$\$$/ { if (r !~ /^(bicyclo|taxane|trans_)/) printf "%s", r; r = "" }' kinds.sdf >open.sdf
verdict 'the others are more than half' test "$(count_sdf <open.sdf)" = 72
faults open.sdf >faults
sed 's/^/    /' faults
verdict 'linear, trigonal and hypervalent atoms and contacts are right' test ! -s faults

# The judge finds a bent nitrile.
printf '%s\n' nitrile '' '' '  3  2  0  0  0  0  0  0  0  0999 V2000' '    0.0000    0.0000    0.0000 C' \
  '    1.4000    0.0000    0.0000 C' '    2.0000    1.0000    0.0000 N' '  1  2  1  0' '  2  3  3  0' \
  'M  END' '$$$$' >bent.sdf
verdict 'a bent nitrile is a fault' test "$(faults bent.sdf | wc -l)" = 1
finish
