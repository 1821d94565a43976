#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# At the terminal: molecules of the command line, operands that are none, man page, completion.
#
#   terminal.sh CONFGEN SOURCE_ROOT
set -uo pipefail

confgen=$(realpath "$1") root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
unset CONFGEN_DATA CONFGEN_PLUGIN_PATH NO_COLOR
export TERM=xterm

. "$(dirname "$0")/expect.sh"

# molecules of the command line, and operands that are none
expect 0 '^>  <SMILES>$' CCO
expect 0 '^    [0-9.]* .* O  ' --smiles CCO
expect 0 '^standard output: 4 conformers of 2 molecules in ' 'CCO ethanol' --gens 2 c1ccccc1
expect 1 '^confgen: command line:2: open: SMILES offset 1: unclosed ring bond 1$' --smiles 'CCO fine' --smiles 'C1CC open'
expect 1 '^confgen: command line:1: mol_000000: SMILES .C.Fe..: atom 2 .Fe. has bonds' 'C[Fe]'
expect 2 "^confgen: 'C1CC': neither a command nor a SMILES .SMILES offset 1: unclosed ring bond 1., wanted one of them, or --input FILE; see" C1CC
expect 2 "^confgen: 'extra': neither a command nor a SMILES " extra
expect 2 "^confgen: 'genrate': no such command; the nearest is generate; see" genrate
expect 2 "^confgen: 'dorw': no such command; the nearest is draw; see" CCO dorw
expect 2 "^confgen: 'evla': no such command; the nearest is eval; see" help evla
expect 2 "^confgen: 'one.sdf': wanted --input one.sdf; see" one.sdf
expect 2 "^confgen: '$work': wanted --input $work; see" "$work"
expect 2 "^confgen: '': neither a command nor a SMILES" ''
expect 2 "^confgen: --smiles '  ': wanted a SMILES, such as CCO; see" --smiles '  '
expect 2 "^confgen: 'evla': no such command; the nearest is eval" evla --ref a.sdf --gen b.sdf
expect 2 "^confgen: --smiles '#c1 x': wanted a SMILES, such as CCO; see" --smiles CCO --smiles '#c1 x'
expect 2 "^confgen: --smiles 'C.x0aC': has a line end, wanted one SMILES" --smiles "C
C"
expect 2 '^confgen: --input x.smi and a SMILES: wanted one of them; see' --input x.smi CCO
expect 2 '^confgen: --input x.smi and a SMILES: wanted one of them; see' --input x.smi --smiles CCO
expect 2 '^confgen: no input: give a SMILES, such as confgen CCO, or --input FILE' --gens 2
# they are the lines of a list, and standard output has nothing but the records
printf 'CCO ethanol\nSMILES name\nc1ccccc1\tbenzene\t3\n' >"$work/list.smi"
"$confgen" --input "$work/list.smi" --gens 2 --header no --output - >"$work/of_list" 2>"$work/err"
"$confgen" --smiles 'CCO ethanol' --smiles 'SMILES name' --gens 2 --smiles 'c1ccccc1	benzene	3' >"$work/of_words" 2>"$work/err"
if ! cmp "$work/of_list" "$work/of_words" || [ "$(grep -c '^[$][$][$][$]$' "$work/of_words")" != 4 ]; then
  echo 'FAILED: the records of --smiles are not those of the same list'
  failures=$((failures + 1))
fi
expect 0 '^.*/ethanol.sdf: 1 conformer of 1 molecule' 'CCO ethanol' --output "$work/ethanol.sdf"
expect 0 '^.*/ethanol.sdf: 0 conformers of 0 molecules .*; an earlier run processed 1 molecule and wrote 1 conformer' 'CCO ethanol' \
  --output "$work/ethanol.sdf" --resume
expect 3 'the run to resume had input .*, this one has ' 'CCC ethanol' --output "$work/ethanol.sdf" --resume
# on a terminal the last lines say that hydrogens are missing
cat >"$work/on_terminal.py" <<'END'
"""on_terminal.py CONFGEN ARGUMENT...: runs confgen with a terminal as standard error, and prints its messages."""
import os, pty, subprocess, sys
master, slave = pty.openpty()
program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=slave)
os.close(slave)
while True:
    try:
        found = os.read(master, 65536)
    except OSError: # the terminal of a program that has ended
        break
    sys.stdout.buffer.write(found)
sys.exit(program.wait())
END
# hints of the last lines: which, how often, with which arguments
hydrogens='the records hold heavy atoms only: --add-hs writes hydrogens, --ensemble standard minimises, too'
# shellcheck disable=SC2034 # by name
number='one conformer of each molecule: --gens N generates N'
# shellcheck disable=SC2034
moved='no record holds a heavy atom that failed: it was moved, or the conformer generated again'
# shellcheck disable=SC2034
packed="$work/a.sdf.zst is compressed: zstd -d unpacks it; --output NAME.sdf is not"
while read -r hint times arguments; do
  # shellcheck disable=SC2086
  python3 "$work/on_terminal.py" "$confgen" CCO $arguments >"$work/shown" || echo 'FAILED' >"$work/shown"
  if [ "$(grep -cF "${!hint}" "$work/shown")" != "$times" ] || grep -q FAILED "$work/shown"; then
    echo "FAILED: the last lines of confgen CCO $arguments: $hint:"
    cat "$work/shown"
    failures=$((failures + 1))
  fi
done <<END
hydrogens 1
hydrogens 0 --add-hs
hydrogens 0 --ensemble standard
hydrogens 0 --quiet
number 1
moved 0 --geometry count
moved 1 CN1CCC2CC1CC2O --gens 8
number 0 --gens 2
packed 1 --output $work/a.sdf.zst
packed 0 --output $work/a.sdf
END

# the bar moves and knows the time before a conformer is finished; only terminals have colours
printf 'CC(C)Cc1ccc(cc1)C(C)C(=O)O\tibuprofen\n' >"$work/ibuprofen.smi"
python3 "$work/on_terminal.py" "$confgen" --input "$work/ibuprofen.smi" --gens 40 --batch-size 40 \
  --output "$work/bar.sdf" >"$work/shown" || echo FAILED >>"$work/shown"
python3 - "$work/shown" <<'END' || failures=$((failures + 1))
import re, sys
shown = open(sys.argv[1], newline="").read()
bars = re.findall(r"\r\[(?:\x1b\[32m)?(#*)(?:\x1b\[0m)?( *)\] (\d+) of 1 molecules, (\d+) of 40 conformers, (\d+) tokens"
                  r"(?: \((\d+)/s\))?(?:, (at most )?(\d+) s left)?\x1b\[K", shown)
assert len(bars) > 3 and all(len(b[0]) + len(b[1]) == 24 for b in bars), shown
early = [b for b in bars if b[3] == "0" and b[6]]
assert early and int(early[-1][4]) > int(early[0][4]) > 0, ("nothing moves before the first conformer", bars)
assert "\x1b[32m" in shown and "FAILED" not in shown, shown
END
for arguments in 'C1CC' 'genrate' '--smiles C1CC'; do
  # shellcheck disable=SC2086
  python3 "$work/on_terminal.py" "$confgen" $arguments >"$work/shown"
  # shellcheck disable=SC2086
  NO_COLOR=1 python3 "$work/on_terminal.py" "$confgen" $arguments >"$work/plain"
  # shellcheck disable=SC2086
  NO_COLOR='' TERM=dumb python3 "$work/on_terminal.py" "$confgen" $arguments >"$work/dumb"
  # shellcheck disable=SC2086
  "$confgen" $arguments >"$work/out" 2>"$work/err"
  if ! grep -q $'\033\\[\\(1;31\\|33\\)mconfgen:\033\\[0m ' "$work/shown" || grep -q $'\033\\[[0-9;]*m' "$work/plain" "$work/dumb" "$work/err"; then
    echo "FAILED: colours of confgen $arguments"
    failures=$((failures + 1))
  fi
done

# man page and completion have every option of every command, as --help has
expect 2 "^confgen: wanted man, completion bash or completion zsh; see confgen docs --help$" docs
expect 2 "^confgen: completion 'fish': wanted bash or zsh; see confgen docs --help$" docs completion fish
expect 0 '^[.]TH CONFGEN 1 ' docs man
"$confgen" docs man >"$work/confgen.1"
"$confgen" docs completion bash >"$work/confgen.bash"
"$confgen" docs completion zsh >"$work/_confgen"
python3 - "$confgen" "$work" <<'END' || failures=$((failures + 1))
import re, subprocess, sys
confgen, work = sys.argv[1:]
def read(name):
    return open(work + "/" + name).read()
def help_of(command):
    return subprocess.run([confgen] + command.split() + ["--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
man = {"": ""}
for part in re.split(r"^[.]SH ", read("confgen.1").replace("\\-", "-"), flags=re.M)[1:]:
    title, text = part.split("\n", 1)
    title = title.strip('"')
    man["" if title == "OPTIONS" else title[8:].lower() if title.startswith("CONFGEN ") else title] = text
bash = dict(re.findall(r"^    '([a-z -]*)'[)] words='([^']*)' ;;$", read("confgen.bash"), re.M))
zsh = {m[0].replace(" *", ""): m[1] for m in re.findall(r"^    (?:'([^']*?)(?: |')?\*?[)]|[*][)])\n(.*?)      ;;$", read("_confgen"), re.M | re.S)}
commands = ["", "eval --compare"]
for name in bash:
    assert name in man and help_of(name), name
    commands += [name] * (name not in commands)
options = 0
for command in commands:
    names = re.findall(r"^  (?:-[a-z], )?--([a-z0-9-]+)", help_of(command), re.M)
    block = next(t for n, t in zsh.items() if n.strip() == command)
    for name in names:
        assert re.search(r"^[.]B (-[a-z], )?--%s( |$)" % name, man[command], re.M), ("man page", command, name)
        assert "--" + name in bash[command].split(), ("bash", command, name)
        assert "'--%s[" % name in block, ("zsh", command, name)
    options += len(names)
assert len(commands) > 20 and options > 180, (len(commands), options)
END
# groff finds no fault in the page; zsh can read its file
if command -v groff >/dev/null; then
  groff -man -ww -Tutf8 "$work/confgen.1" 2>&1 >"$work/page" | grep . && failures=$((failures + 1))
  grep -q 'ångström' "$work/page" || { echo 'FAILED: the man page has no letter å'; failures=$((failures + 1)); }
fi
if command -v zsh >/dev/null && ! zsh -n "$work/_confgen"; then
  echo 'FAILED: zsh cannot read its completion'
  failures=$((failures + 1))
fi
# completes WORD... WANTED: what bash offers for the last word
completes() {
  local wanted=${*: -1} words=("${@:1:$#-1}")
  # shellcheck disable=SC2016
  bash -uc 'source "$1"; shift; COMP_WORDS=(confgen "$@"); COMP_CWORD=$#; _confgen; echo "${COMPREPLY[*]-}"' - \
    "$work/confgen.bash" "${words[@]}" >"$work/out" 2>&1
  if [ "$(cat "$work/out")" != "$wanted" ]; then
    echo "FAILED: completion of ${words[*]}: found $(cat "$work/out"), wanted $wanted"
    failures=$((failures + 1))
  fi
}
completes do 'doctor docs'
completes --geo --geometry
completes --geometry '' 'off count repair'
completes --gens 2 --minimize mmff 'mmff94 mmff94s mmff94_noestat mmff94s_noestat'
completes --input '' ''
completes plugins m matrix
completes plugins matrix --sha --shape
completes plugins matrix --shape ll 'llama380m llama1b llama7b'
completes draw x.sdf --align '' 'first none'
completes eval --compare --tol --tolerance
completes docs completion '' 'bash zsh'

echo "$failures failures"
[ $failures = 0 ]
