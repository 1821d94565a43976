#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# .sdf, .mol and .mol2 as input: the molecules, their names and stereo; files that are none.
#
#   molecule_files.sh CONFGEN SOURCE_ROOT
set -uo pipefail

confgen=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
unset CONFGEN_DATA CONFGEN_PLUGIN_PATH
cd "$work" || exit 1

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}
# smiles_of ARGUMENT...: SMILES and names of the records that confgen writes, a line for each
smiles_of() {
  "$confgen" "$@" --overwrite --quiet --format json --output - 2>err | python3 -c '
import json, sys
for line in sys.stdin:
    r = json.loads(line)
    print(r["smiles"], r["name"])'
}
# same NAME FILE: the molecules of `want` in the file
same() {
  smiles_of --input "$2" >found
  cmp -s want found || { fail "$1: other molecules"; diff want found; cat err; }
}

# molecules with centres, a double bond, charges, hydrogens and fragments: 3D records of all of them
printf '%s\n' 'C[C@H](N)O one' 'C[C@@H](N)O two' 'C/C=C/[C@@H](F)Cl three  with blanks' 'C/C=C\C four' '[NH3+]CC(=O)[O-] five' \
  'c1cc[nH]c1 six' '[Na+].CC(=O)[O-] seven' >list.smi
smiles_of --input list.smi >want
[ "$(wc -l <want)" = 7 ] || fail 'the list'
"$confgen" --input list.smi --quiet --output heavy.sdf || fail 'heavy.sdf'
"$confgen" --input list.smi --quiet --add-hs --output whole.sdf.gz || fail 'whole.sdf.gz'
same 'heavy atoms' heavy.sdf
same 'hydrogens, gzip' whole.sdf.gz
zcat whole.sdf.gz | sed 's/$/\r/' >cr.sdf
same 'CR LF' cr.sdf
# without a name: recognised by its counts line; counted for --shard; limited
smiles_of --input - <heavy.sdf >found
cmp want found || fail 'standard input'
(smiles_of --input heavy.sdf --shard 0/2 && smiles_of --input heavy.sdf --shard 1/2) >found
cmp want found || fail 'shards'
smiles_of --input heavy.sdf --limit 3 | cmp - <(head -n 3 want) || fail '--limit'
"$confgen" --input heavy.sdf --quiet || fail 'the default output'
[ -s heavy.sdf.zst ] || fail 'heavy.sdf.zst is not there'
# a .mol: one block, no end of a record
sed '/^M  END/q' heavy.sdf >one.mol
smiles_of --input one.mol | cmp - <(head -n 1 want) || fail 'one.mol'
# a drawing: the wedge is the stereo
cat >drawing.mol <<'END'

  drawing

  4  3  0  0  1  0            999 V2000
    0.0000    0.0000    0.0000 C   0  0  0  0  0  0
    0.0000    1.5000    0.0000 N   0  0  0  0  0  0
    1.3000   -0.7500    0.0000 O   0  0  0  0  0  0
   -1.3000   -0.7500    0.0000 C   0  0  0  0  0  0
  1  2  1  1
  1  3  1  0
  1  4  1  0
M  END
END
sed 's/^  1  2  1  1/  1  2  1  6/' drawing.mol >other.mol
(smiles_of --input drawing.mol && smiles_of --input other.mol) >found
[ "$(cut -d ' ' -f 1 found | sort)" = "$(head -n 2 want | cut -d ' ' -f 1 | sort)" ] || fail "wedges: $(cat found)"
grep -q ' mol_000000$' found || fail 'a record without a name'

# .mol2 of the first two, with all hydrogens
zcat whole.sdf.gz | python3 -c '
import sys
print("# made for a test")
for record in sys.stdin.read().split("$$$$\n")[:2]:
    lines = record.split("\n")
    n, m = int(lines[3][:3]), int(lines[3][3:6])
    atoms = [l.split() for l in lines[4:4 + n]]
    print("@<TRIPOS>MOLECULE\n%s\n%d %d 0 0 0\nSMALL\nNO_CHARGES\n\n@<TRIPOS>ATOM" % (lines[0], n, m))
    for i, (x, y, z, e) in enumerate([a[:4] for a in atoms], 1):
        print(i, e + str(i), x, y, z, e if e == "H" else e + ".3", 1, "LIG", "0.0")
    print("@<TRIPOS>BOND")
    for i, l in enumerate(lines[4 + n:4 + n + m], 1):
        print(i, l[:3], l[3:6], l[6:9])
' >two.mol2
smiles_of --input two.mol2 | cmp - <(head -n 2 want) || { fail 'two.mol2'; cat err; }
smiles_of --input - <two.mol2 | cmp - <(head -n 2 want) || { fail '.mol2 on standard input'; cat err; }

# PDB: the molecules again, by RDKit where it is; hydrogens; records that inspect finds
"$confgen" --input list.smi --gens 2 --quiet --add-hs --energies --output whole.pdb || fail 'whole.pdb'
"$confgen" --input list.smi --quiet --format pdb --output heavy.pdb.zst || fail 'heavy.pdb.zst'
[ "$(grep -c '^END$' whole.pdb)" = 14 ] || fail 'records of whole.pdb'
grep -q '^REMARK   6 energy ' whole.pdb || fail 'data items of whole.pdb'
"$confgen" inspect whole.pdb | grep -Eq '^ *2 +three  with blanks +2 ' || fail 'inspect whole.pdb'
"$confgen" inspect heavy.pdb.zst --molecule five | grep -Eq '^HETATM    . +[NO][0-9] ' || fail 'inspect --molecule'
python3 - <<'END' || fail 'whole.pdb'
import gzip, re
text = open("whole.pdb").read()
sdf = gzip.open("whole.sdf.gz", "rt").read().split("$$$$\n")
for name, record in zip("one two three four five six seven".split(), text.split("END\n")[::2]):
    block = next(b for b in sdf if b.split("\n")[0].split(" ")[0] == name).split("\n")
    n, m = int(block[3][:3]), int(block[3][3:6])
    atoms = [l for l in record.split("\n") if l.startswith("HETATM")]
    assert all(len(l) in (78, 80) and l[17:20] == "UNL" for l in atoms) and len(atoms) == n, record
    assert len({l[12:16] for l in atoms}) == n, ("names of atoms", record)
    for atom, line in zip(atoms, block[4:4 + n]):
        found = [float(atom[i:i + 8]) for i in (30, 38, 46)]
        assert all(abs(a - float(b)) < 0.00051 for a, b in zip(found, line.split())), (atom, line)
        assert atom[76:78].strip() == line.split()[3].upper(), (atom, line)
    wanted = [(int(l[:3]), int(l[3:6])) for l in block[4 + n:4 + n + m] for _ in range(int(l[6:9]))]
    found = [(int(l[6:11]), int(l[i:i + 5])) for l in record.split("\n") if l.startswith("CONECT") for i in range(11, len(l), 5)]
    assert sorted(found) == sorted(wanted + [(b, a) for a, b in wanted]), record
    charges = sum(int(l[79] + l[78]) for l in atoms if len(l) == 80)
    assert charges == 0 and (name in ("five", "seven")) == any(len(l) == 80 for l in atoms), record
END

# mol2: the molecules again, by our own reader, RDKit and Open Babel where they are; the same conformers, with hydrogens
"$confgen" --input list.smi --quiet --energies --output whole.mol2 || fail 'whole.mol2'
same 'mol2' whole.mol2
grep -q '^energy ' whole.mol2 || fail 'data items of whole.mol2'
"$confgen" inspect whole.mol2 | grep -Eq '^ *2 +three  with blanks +1 ' || fail 'inspect whole.mol2'
"$confgen" inspect whole.mol2 --molecule seven | grep -q '^SMILES CC(=O)\[O-\].\[Na+\]$' || fail 'inspect --molecule, mol2'
python3 - <<'END' || fail 'whole.mol2'
import gzip, shutil, subprocess
sdf = {r.split("\n")[0]: r.split("\n") for r in gzip.open("whole.sdf.gz", "rt").read().split("$$$$\n") if r}
text = open("whole.mol2").read()
records = ["@<TRIPOS>MOLECULE" + r for r in text.split("@<TRIPOS>MOLECULE")[1:]]
wanted = {}
for record in records:
    lines = record.split("\n")
    block, n, m = sdf[lines[1]], int(lines[2].split()[0]), int(lines[2].split()[1])
    assert (n, m) == (int(block[3][:3]), int(block[3][3:6])), record
    atoms = [l.split() for l in lines[7:7 + n]]
    for atom, line in zip(atoms, block[4:4 + n]):
        assert [float(x) for x in atom[2:5]] == [float(x) for x in line.split()[:3]], (atom, line)
        assert atom[5].split(".")[0] == line.split()[3], (atom, line)
    charged = lines[1] in ("five", "seven")
    assert (lines[4] == "USER_CHARGES") == charged == any(float(a[8]) for a in atoms), record
    assert sum(float(a[8]) for a in atoms) == 0, record
    wanted[lines[1]] = next(l.split(" ", 1)[1] for l in lines if l.startswith("SMILES "))
try:
    from rdkit import Chem
except ImportError:
    raise SystemExit(0)
for name, record in zip(wanted, records):
    mol = Chem.MolFromMol2Block(record)
    assert mol and Chem.MolToSmiles(mol) == Chem.CanonSmiles(wanted[name]), (record, mol and Chem.MolToSmiles(mol))
if shutil.which("obabel"):
    found = subprocess.run(["obabel", "-imol2", "-osdf"], input=text, capture_output=True, text=True).stdout
    for block in found.split("$$$$\n")[:-1]:
        smiles = Chem.MolToSmiles(Chem.MolFromMolBlock(block))
        assert smiles == Chem.CanonSmiles(wanted.pop(block.split("\n")[0])), block
    assert not wanted, ("not read by Open Babel", wanted)
END

# hostile records: an error with file, line and record, and the others are generated
expect() {
  local want=$1 pattern=$2 got
  shift 2
  "$confgen" "$@" --overwrite --output bad_out.sdf >out 2>&1
  got=$?
  if [ $got != "$want" ] || ! grep -Eq -- "$pattern" out; then
    fail "confgen $*: found status $got, wanted $want and a line matching: $pattern"
    sed 's/^/  | /' out | head -n 20
  fi
}
{
  sed '/^[$][$][$][$]/q' heavy.sdf
  printf 'no end\n\n\n  1  0  0     0  0              1 V2000\n$$$$\n'
  printf 'no counts\n\n\nx\nM  END\n$$$$\n'
  printf 'control\n\n\n  1  0\001\nM  END\n$$$$\n'
  printf 'long\n\n\n'
  head -c 70000 /dev/zero | tr '\0' x
  printf '\nM  END\n$$$$\n'
  printf 'large\n\n\n'
  yes 'a line of a molecule' | head -n 9000
  printf 'M  END\n$$$$\n'
  printf 'many atoms\n\n\n999999999 0  0     0  0              1 V2000\nM  END\n$$$$\n'
  printf 'iron\n\n\n  2  1  0     0  0              1 V2000\n    0.0000    0.0000    0.0000 C   0  0\n'
  printf '    1.9000    0.0000    0.0000 Fe  0  0\n  1  2  1  0\nM  END\n$$$$\n'
  printf 'M  END\n'
  sed -n '2,/^[$][$][$][$]/p' heavy.sdf
} >bad.sdf
lines=$(grep -n '^[$][$][$][$]' bad.sdf | cut -d : -f 1)
line() { echo $(($(sed -n "$1p" <<<"$lines") + 1)); } # first line of the record after record $1
expect 1 "^confgen: bad.sdf:$(line 1): record 2: found no line 'M  END'$" --input bad.sdf
for pattern in "bad.sdf:$(line 2): record 3: RDKit cannot read the molecule" \
    "bad.sdf:$(line 3): record 4: control character .byte 0x01. in line" "bad.sdf:$(line 4): record 5: line .* has 70000 bytes, wanted at most 65536" \
    "bad.sdf:$(line 5): record 6: the molecule has more than 131072 bytes" "bad.sdf:$(line 6): record 7: RDKit cannot read the molecule" \
    "bad.sdf:$(line 7): iron: .*metal" 'bad_out.sdf: 2 conformers of 2 molecules .7 failed.'; do
  grep -Eq "$pattern" out || { fail "no message: $pattern"; cat out; }
done
printf '@<TRIPOS>MOLECULE\nx\n1 0\nSMALL\n@<TRIPOS>ATOM\n1 C1 zero 0 0 C.3\n' >bad.mol2
expect 1 '^confgen: bad.mol2:1: record 1: RDKit cannot read the molecule' --input bad.mol2
# RDKit takes memory for the atoms that a record states
v3000() {
  printf '%s\n\n\n  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\nM  V30   counts %s 0 0 0 0\n' "$1" "$2"
  printf 'M  V30 END CTAB\nM  END\n$$$$\n'
}
{ sed '/^[$][$][$][$]/q' heavy.sdf; v3000 large 300000000; sed '/^[$][$][$][$]/q' heavy.sdf; } >v3000.sdf
expect 1 'record 2: the molecule states 300000000 atoms, wanted at most 2048$' --input v3000.sdf
grep -q 'bad_out.sdf: 2 conformers of 2 molecules .1 failed.' out || fail 'a record of many atoms ends the run'
printf '@<TRIPOS>MOLECULE\nx\n300000000 1 0 0 0\nSMALL\n@<TRIPOS>ATOM\n' >large.mol2
expect 1 'large.mol2:1: record 1: the molecule states 300000000 atoms, wanted at most 2048$' --input large.mol2
grep -v '^[$][$][$][$]' heavy.sdf >joined.sdf
expect 1 "joined.sdf:1: record 1: line [0-9]+ ends a second molecule, wanted a line '[$][$][$][$]' between the two" \
  --input joined.sdf
printf 'C a\nCC b\nCCC c\nCCCC lot-V2000\nCCO e\n' >lot
expect 0 'bad_out.sdf: 5 conformers of 5 molecules' --input - <lot
printf 'no record\n' >none.mol2
expect 3 "^confgen: 'none.mol2' holds no molecule$" --input none.mol2
printf '\n\n' >none.sdf
expect 3 "^confgen: 'none.sdf' holds no molecule$" --input none.sdf
expect 2 "^confgen: 'heavy.sdf': found --header, wanted a list of SMILES" --input heavy.sdf --header yes
expect 2 'has no count k' --input heavy.sdf --gens 2k

echo "$failures failures"
[ $failures = 0 ]
