#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# --core: records in the frame of the file, with its coordinates, also after minimisation; molecules without the
# core, bad files, resumed and divided runs (default model).
. "$(dirname "$0")/lib.sh"

# the ring system of A1A8L, a ligand of data/pdb_ligands_sample
cat >core.mol <<'END'
A1A8L
     RDKit          3D

  9 10  0  0  0  0  0  0  0  0999 V2000
   14.5310    0.6720    3.3500 C   0  0  0  0  0  0  0  0  0  0  0  0
   14.3880   -0.3610    4.2340 N   0  0  0  0  0  0  0  0  0  0  0  0
   14.7340   -0.1570    5.5180 C   0  0  0  0  0  0  0  0  0  0  0  0
   15.2060    0.9860    6.0470 N   0  0  0  0  0  0  0  0  0  0  0  0
   15.3500    1.9720    5.1290 C   0  0  0  0  0  0  0  0  0  0  0  0
   15.8150    3.2530    5.4320 N   0  0  0  0  0  0  0  0  0  0  0  0
   15.8510    4.0010    4.2760 C   0  0  0  0  0  0  0  0  0  0  0  0
   15.3820    3.2270    3.2150 C   0  0  0  0  0  0  0  0  0  0  0  0
   15.0530    1.9180    3.7450 C   0  0  0  0  0  0  0  0  0  0  0  0
  8  9  1  0
  8  7  2  0
  1  9  2  0
  1  2  1  0
  9  5  1  0
  2  3  2  0
  7  6  1  0
  5  6  1  0
  5  4  2  0
  3  4  1  0
M  END
END
cat >in.smi <<'END'
OCC[C@H](CO)Nc1ncnc2[nH]ccc12 ligand
c1nc(NCCC)c2ccn(C)c2n1 analog
CCO ethanol
END
common=(--input in.smi --core core.mol --gens 2 --seed 2 --quiet --overwrite)

sed -n '5,13p' core.mol | awk '{ print $1, $2, $3, $4 }' | sort >want
# kept FILE: all records have the nine atoms of the core, at its coordinates
kept() {
  awk -v wanted=want 'BEGIN { while ((getline line <wanted) > 0) n += !(line in core) && (core[line] = 1) }
       NF == 16 && ($1 " " $2 " " $3 " " $4) in core { found++ }
       /^\$\$\$\$/ { bad += found != n; found = 0; records++ } END { exit bad || !records || n != 9 }' "$1"
}
# heavy FILE: coordinates and elements of the atoms other than hydrogen
heavy() { awk 'NF == 16 && $4 ~ /^[A-Z]/ && $4 != "H" { print $1, $2, $3, $4 }' "$1"; }

say 'records'
run 1 "${common[@]}" --check --output raw.sdf --report raw.json --failed raw.tsv
verdict 'two molecules have the core' test "$(count_sdf <raw.sdf)" = 4
verdict 'at its coordinates' kept raw.sdf
verdict 'and pass the checks' test "$(sdf_item raw.sdf checks | grep -cx pass)" = 4
verdict 'other atoms differ' test "$(heavy raw.sdf | sort -u | wc -l)" -gt 30
verdict 'one has not' grep -q 'ethanol.*the molecule does not contain the core (9 heavy atoms)' raw.tsv
verdict 'and is counted' test "$(json_number raw.json unsupported)" = 1
verdict 'atoms were put to their places' test "$(json_number raw.json core)" -gt 16

say 'hydrogens, minima, ensembles'
run 1 "${common[@]}" --add-hs --output hs.sdf
same <(heavy raw.sdf) <(heavy hs.sdf) 'hydrogens move no other atom'
run 1 "${common[@]}" --add-hs --minimize mmff94 --check --output minimal.sdf
verdict 'the core stays in place' kept minimal.sdf
verdict 'other atoms move' test "$(heavy minimal.sdf | grep -Fxvf <(heavy raw.sdf) | wc -l)" -gt 15
verdict 'all records are minimised' test "$(sdf_item minimal.sdf minimized | grep -cx yes)" = 4
verdict 'to a small gradient' awk '$1 > 0.01 { exit 1 }' <(sdf_item minimal.sdf gradient)
verdict 'and pass the checks' test "$(sdf_item minimal.sdf checks | grep -cx pass)" = 4
run 1 "${common[@]}" --ensemble standard --prune 0.3 --output standard.sdf
verdict 'ensembles keep the core' kept standard.sdf
verdict 'each stands for its cluster' test "$(sdf_item standard.sdf cluster_size | paste -sd+ | bc)" = 4

run 1 "${common[@]}" --output raw.xyz
verdict 'xyz has the digits of the file' grep -Eq '^C +14\.5310 +0\.6720 +3\.3500$' raw.xyz

say 'a search without end, isotopes'
{
  printf 'pairs\n     test          3D\n\n 24 12  0  0  0  0  0  0  0  0999 V2000\n'
  awk 'BEGIN { for (i = 0; i < 24; i++) printf "%10.4f%10.4f%10.4f C   0  0  0  0  0  0  0  0  0  0  0  0\n", 1.5 * (i % 2), 5 * int(i / 2), (i % 3) / 10
               for (i = 1; i < 24; i += 2) printf "%3d%3d  1  0\n", i, i + 1 }'
  echo 'M  END'
} >pairs.mol
echo 'CC(C)(C)C(C)(C)C(C)(C)C(C)(C)C(C)(C)C(C)(C)C(C)(C)C(C)(C)C(C)(C)C(C)(C)C chain' >chain.smi
check 1 'pairs that almost fit' --input chain.smi --core pairs.mol --gens 1 --quiet --overwrite --output none.sdf
says 'the search for the core ended' 'the search is bounded'
sed '/^M  END/i M  ISO  1   1  13' core.mol >isotope.mol
check 1 'an isotope of the core' "${common[@]/core.mol/isotope.mol}" --check --output isotope.sdf
same raw.sdf isotope.sdf 'decides no match'

say 'threads, batches, shards, resumed runs'
run 1 "${common[@]}" --check --threads 1 --template-workers 1 --batch-size 2 --output one.sdf
same raw.sdf one.sdf 'the same for one thread and other batches'
run 0 "${common[@]}" --check --shard 0/2 --output part0.sdf
run 1 "${common[@]}" --check --shard 1/2 --output part1.sdf
same raw.sdf <(cat part0.sdf part1.sdf) 'parts make the whole'
lines=$(wc -l <raw.sdf.manifest)
sed -i "$((lines - 1)),\$d" raw.sdf.manifest
resumed=("${common[@]/--overwrite/--resume}")
run 1 "${resumed[@]}" --check --failed raw.tsv --output raw.sdf
same raw.sdf one.sdf 'a resumed run continues'
sed 's/14.5310/14.5311/' core.mol >moved.mol
check 3 'another core is refused' "${resumed[@]/core.mol/moved.mol}" --check --failed raw.tsv --output raw.sdf
says 'core' 'by name'

say 'bad files and settings'
sed '$a $$$$' core.mol >core.sdf
check 1 'an SDF of one record' "${common[@]/core.mol/core.sdf}" --check --output sdf.sdf
same one.sdf sdf.sdf 'gives the same'
cat core.sdf core.sdf >two.sdf
cat core.mol core.mol >two.mol
head -n 9 core.mol >cut.mol
sed 's/3.3500/   nan/' core.mol >nan.mol
awk 'NR > 4 && NR < 14 { $0 = substr($0, 1, 20) "    0.0000" substr($0, 31) } { print }' core.mol | sed 's/3D$/2D/' >flat.mol
head -c 3000 /dev/zero >zero.mol
for f in two.sdf two.mol cut.mol nan.mol flat.mol zero.mol; do
  check 3 "$f is refused" "${common[@]/core.mol/$f}" --output bad.sdf
  says "core $f: " 'by name'
done
check 3 'a missing file' "${common[@]/core.mol/missing.mol}" --output bad.sdf
check 2 'another ending' "${common[@]/core.mol/in.smi}" --output bad.sdf
verdict 'nothing is written' test ! -e bad.sdf
check 2 'no repair' "${common[@]}" --geometry count --output bad.sdf
says 'core: repair writes' 'with the reason'
check 2 'the text as it is generated' "${common[@]}" --output bad.smiles3d
check 2 'the output as core' "${common[@]}" --output core.mol --format sdf
tiny_model coarse --format molgen-binned-13
check 3 'coarse numbers' "${common[@]}" --model coarse --geometry repair --output bad.sdf
finish
