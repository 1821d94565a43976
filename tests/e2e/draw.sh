#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# confgen draw: drawings, selection of molecules and conformers, files, refusals.
. "$(dirname "$0")/lib.sh"

sets=$CONFGEN_SOURCE_ROOT/tests/data/eval
cells() { grep -c 'class="cell"' "$1" || true; }
# Whether a file is well-formed XML
well_formed() { python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$1"; }

say 'a run with energies and checks'
{ write_molecules mols.smi && printf 'CCN\t<b>&"amine"\t3\n' >>mols.smi; }
tiny_model tiny
run 0 --model tiny --geometry off --energies --check --input mols.smi --gens 3 --output run.sdf.zst || true
check 0 'the first molecule' draw run.sdf.zst -o first.svg
verdict 'is ethanol, with three conformers' test "$(cells first.svg)" = 3 -a "$(grep -c '<title>ethanol</title>' first.svg)" -ge 1
verdict 'generations are stated' grep -q '>generation 1</text>' first.svg
verdict 'and checks' grep -Eq '>(passes the checks|not fully checked|fails [a-z_, ]+…?)</text>' first.svg
verdict 'and energies' grep -Eq '>(−)?[0-9.e+]+.*kcal/mol</text>' first.svg
verdict 'nothing on standard output and error' test ! -s out -a ! -s err
check 0 'a molecule by its name' draw run.sdf.zst --molecule 'picoline' --output picoline.svg
verdict 'has its three conformers' test "$(cells picoline.svg)" = 3
check 0 'a name with <&>"' draw run.sdf.zst --molecule '<b>&"amine"' -o odd.svg
verdict 'is escaped' grep -qF '<title>&lt;b&gt;&amp;&quot;amine&quot;</title>' odd.svg
for file in first picoline odd; do verdict "$file.svg is well-formed" well_formed $file.svg; done
check 1 'a name that no molecule has' draw run.sdf.zst --molecule nobody -o nobody.svg
says "'run.sdf.zst' has no molecule 'nobody'" 'is named'
verdict 'nothing is written' test ! -e nobody.svg
run 0 --model tiny --geometry off --add-hs --input mols.smi --gens 2 --output hydrogens.sdf || true
check 0 'a record with hydrogens' draw hydrogens.sdf -o hydrogens.svg
verdict 'is drawn without them' grep -q '>2 conformers, 3 heavy atoms</text>' hydrogens.svg

say 'numbers of conformers'
check 0 '--limit' draw run.sdf.zst --molecule picoline --limit 2 -o limit.svg
verdict 'draws the first ones and says so' test "$(cells limit.svg)" = 2 -a "$(grep -c '>the first 2 conformers' limit.svg)" = 1
awk 'BEGIN { RS = "\\$\\$\\$\\$\n"; ORS = "$$$$\n" } /^alanine\n/ { for (i = 0; i < 3000; i++) print }' \
  "$sets/gen.sdf" >many.sdf
check 0 'a molecule of 12000 conformers' draw many.sdf -o many.svg
verdict 'has 24 by default' test "$(cells many.svg)" = 24
check 0 'all that --limit permits' draw many.sdf --limit 10000 --columns 100 -o most.svg
verdict 'are drawn' test "$(cells most.svg)" = 10000
for bad in 0 -1 10001 99999999999999999999 x; do
  check 2 "--limit $bad" draw many.sdf --limit $bad
  says '--limit .*: wanted a whole number from 1 to 10000' 'is refused'
done
check 2 '--columns 0' draw many.sdf --columns 0
check 2 '--align last' draw many.sdf --align last
says "--align 'last': wanted first or none" 'is refused'
check 0 '--align none' draw "$sets/gen.sdf" --align none -o none.svg
check 0 '--align first' draw "$sets/gen.sdf" --align first -o aligned.svg
verdict 'they are different views' test "$(cmp -s aligned.svg none.svg; echo $?)" = 1

say 'files'
check 0 'standard output by default' draw "$sets/gen.sdf"
cp out default.svg
check 0 'or with -o -' draw "$sets/gen.sdf" -o -
same out default.svg 'the same bytes'
gzip -c "$sets/gen.sdf" >gen.sdf.gz
zstd -qc "$sets/gen.sdf" >gen.sdf.zst
for file in gen.sdf.gz gen.sdf.zst; do
  check 0 "$file" draw $file
  same out default.svg 'the same drawing'
  check 0 'a molecule inside of a frame' draw $file --molecule nitro
  verdict 'is found' grep -q '<title>nitro</title>' out
done
check 2 'an existing file' draw "$sets/gen.sdf" -o default.svg
says "'default.svg' exists: --overwrite replaces it" 'is refused'
check 0 'and replaced with --overwrite' draw "$sets/gen.sdf" -o first.svg --overwrite
same first.svg default.svg 'by the new drawing'
cp "$sets/gen.sdf" same.sdf
check 2 'the input as output' draw same.sdf -o same.sdf --overwrite
same same.sdf "$sets/gen.sdf" 'it is unchanged'
check 2 'another kind of picture' draw "$sets/gen.sdf" -o picture.png
says "output 'picture.png': a drawing is SVG, wanted a name in .svg" 'it is said'
check 3 'a folder that does not exist' draw "$sets/gen.sdf" -o none/x.svg
check 3 'a link' draw "$sets/gen.sdf" -o "$(ln -s first.svg link.svg; echo link.svg)" --overwrite
check 2 'no file' draw
check 2 'two files' draw a b

say 'files that are none'
check 3 'one that is missing' draw missing.sdf
says "missing.sdf" 'is named'
: >empty.sdf
check 3 'an empty one' draw empty.sdf
says "'empty.sdf' holds no record, wanted an SDF" 'is refused'
check 3 'a text' draw "$CONFGEN_SOURCE_ROOT/README.md"
head -c 3000 /dev/zero >zeros.sdf
check 3 'zeros' draw zeros.sdf
says "'zeros.sdf' is neither zstd nor gzip nor text" 'are refused'
run 0 --model tiny --geometry off --input mols.smi --gens 1 --format xyz --output run.xyz || true
check 3 'another format' draw run.xyz
says "'run.xyz' holds records of format xyz, wanted an SDF" 'is named'
head -c 100 run.sdf.zst >cut.sdf.zst
check 3 'a frame without its end' draw cut.sdf.zst
sed '0,/^ *[0-9.-]* .* [CNO] /s//       nan       nan       nan C /' "$sets/gen.sdf" >broken.sdf
check 1 'a record that cannot be read' draw broken.sdf -o broken.svg
says "'broken.sdf': 'benzoate': record 1: line 5: found '.*', wanted an atom line" 'is named'
verdict 'the others are drawn' test "$(cells broken.svg)" = 3
awk 'BEGIN { RS = "\\$\\$\\$\\$\n"; ORS = "$$$$\n" } /^benzoate\n/ && !n++' broken.sdf >only.sdf
check 3 'and nothing else' draw only.sdf
says 'no record can be drawn' 'is refused'
awk 'BEGIN { RS = "\\$\\$\\$\\$\n"; ORS = "$$$$\n" } /^(benzoate|nitro)\n/ { sub(/^nitro/, "benzoate"); print }' \
  "$sets/gen.sdf" >mixed.sdf
check 1 'records of another molecule' draw mixed.sdf -o mixed.svg
says 'found another molecule, .*, wanted' 'are named'
verdict 'and left out' test "$(cells mixed.svg)" = 4
sed 's/^\(benzoate\|nitro\|alanine\)$//' "$sets/gen.sdf" >unnamed.sdf
check 0 'without names' draw unnamed.sdf -o unnamed.svg
verdict 'the first molecule ends at the next' test "$(cells unnamed.svg)" = 4
finish
