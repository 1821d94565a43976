#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# --minimize and --energies: records, report, formats, independence of threads (default model).
. "$(dirname "$0")/lib.sh"

printf '%s %s\n' 'C[C@H](N)C(=O)O' alanine 'C/C=C/CO' butenol 'C[Se]C' seleno '[NH4+].[Cl-]' salt \
  'CC(C)N(C)c1ccc(C)cc1' amine \
  'CC(=O)NC(=O)NC' hydrogen_bond >in.smi
common=(--input in.smi --gens 3 --seed 2 --quiet --overwrite)

# lower A B: each number of B's lines is at most that of A's
lower() { paste "$1" "$2" | awk '$2 > $1 + 1e-3 { bad = 1 } END { exit bad || !NR }'; }
# heavy FILE: coordinates and elements of the atoms other than hydrogen
heavy() { awk 'NF == 16 && $4 ~ /^[A-Z]/ && $4 != "H" { print $1, $2, $3, $4 }' "$1"; }

say '--energies moves nothing'
run 0 "${common[@]}" --add-hs --output plain.sdf
run 0 "${common[@]}" --add-hs --energies --output energies.sdf --report energies.json
same plain.sdf <(sed '/^>  <energy>$/,/^$/d;/^>  <force_field>$/,/^$/d' energies.sdf) 'the same conformers'
verdict 'all have energies' test "$(sdf_item energies.sdf energy | wc -l)" = 18
verdict 'those of a molecule without parameters by UFF' test "$(sdf_item energies.sdf force_field | xargs)" = 'UFF UFF UFF'
verdict 'which is counted' test "$(json_number energies.json uff_molecules)" = 1
verdict 'and none is refused' test "$(json_number energies.json refused_molecules)" = 0
run 0 "${common[@]/--quiet/--progress=never}" --limit 3 --energies --output seleno.sdf
says 'seleno: no MMFF94 energy: MMFF94 has no type for Se \(atom 2\): UFF is used' 'and named'

say '--minimize hydrogens'
run 0 "${common[@]}" --add-hs --minimize hydrogens --output hydrogens.sdf
same <(heavy plain.sdf) <(heavy hydrogens.sdf) 'other atoms stay'
verdict 'the energy is lower' lower <(sdf_item energies.sdf energy) <(sdf_item hydrogens.sdf energy)
verdict 'by what the record says' awk '$1 - $2 - $3 > 2e-4 || $1 - $2 - $3 < -2e-4 { exit 1 }' \
  <(paste <(sdf_item energies.sdf energy) <(sdf_item hydrogens.sdf energy) \
    <(sdf_item hydrogens.sdf energy_released))

say '--minimize mmff94'
run 0 "${common[@]}" --add-hs --minimize mmff94 --check --output all.sdf --report all.json
verdict 'the energy is lower' lower <(sdf_item hydrogens.sdf energy) <(sdf_item all.sdf energy)
verdict 'the gradient is small' awk '$1 > 0.01 { exit 1 }' <(sdf_item all.sdf gradient)
verdict 'records say what was minimised' \
  test "$(sdf_item all.sdf minimized | sort | uniq -c | xargs)" = '18 yes'
verdict 'and the report' test "$(json_number all.json minimized)" = 18
verdict 'no configuration is lost' test "$(json_number all.json rejected)" = 0
# as PoseBusters does, the checks call N and O that a closed hydrogen bond joins across four bonds a clash
verdict 'every record passes the checks, or has the hydrogen bond' \
  test "$(sdf_item all.sdf checks | head -n 15 | grep -cx pass) $(sdf_item all.sdf checks | tail -n 3 | grep -cxE 'pass|internal_clash')" = '15 3'
run 0 "${common[@]}" --minimize mmff94 --check --output heavy.sdf
same <(heavy all.sdf) <(heavy heavy.sdf) 'the same without hydrogens in the records'
verdict 'which have none' test "$(awk 'NF == 16 && $4 == "H"' heavy.sdf | wc -l)" = 0
same <(sdf_item all.sdf energy) <(sdf_item heavy.sdf energy) 'and the same energies'
run 0 "${common[@]}" --add-hs --minimize mmff94 --check --threads 1 --template-workers 1 --batch-size 2 --output one.sdf
same all.sdf one.sdf 'the same for one thread and other batches'
run 0 "${common[@]}" --add-hs --minimize mmff94s --output s.sdf
verdict 'mmff94s is another energy' test "$(sdf_item s.sdf energy)" != "$(sdf_item all.sdf energy)"
verdict 'which the record names' test "$(sdf_item s.sdf force_field | sort -u | xargs)" = 'MMFF94s UFF'
run 0 "${common[@]}" --add-hs --minimize mmff94_noestat --output n.sdf
verdict 'without electrostatic terms: another energy' test "$(sdf_item n.sdf energy)" != "$(sdf_item all.sdf energy)"
verdict 'which the record names, too' test "$(sdf_item n.sdf force_field | sort -u | xargs)" = 'MMFF94_noestat UFF'

say 'other formats'
run 0 "${common[@]}" --minimize mmff94 --output all.json
verdict 'json has the energy' test "$(grep -c '"energy_released"' all.json)" = 18
check 2 'smiles3d is refused' "${common[@]}" --minimize mmff94 --output all.smiles3d
says 'smiles3d format has the coordinates as they are generated' 'with the reason'
check 2 'an unknown word is refused' "${common[@]}" --minimize uff --output all.sdf
check 3 'another energy than the first run had is refused' "${common[@]:0:7}" --add-hs --minimize mmff94s --check \
  --resume --output all.sdf

finish
