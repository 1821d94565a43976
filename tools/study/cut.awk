# SPDX-License-Identifier: MIT
# Reads coordinates that a field of fixed length has cut, as float() reads them: 0. is 0.
#
#   awk -f tools/study/cut.awk WHOLE.sdf FAILED >CUT.sdf
#
# WHOLE.sdf has a record (V2000) of each molecule; FAILED is the file of confgen --failed. A text is
# skipped and counted if its number of triples is not the number of atoms, or a coordinate is not a
# number that fits the columns of an SDF.
function number(text) {
  return text ~ /^-?[0-9]+\.?[0-9]*$/ && text + 0 < 10000 && text + 0 > -10000
}
FNR == 1 { line_of = 0 }
FNR == NR {
  if (++line_of == 1) name = $0
  else if (!(name in n_atoms)) {
    if (line_of == 2) head[name] = $0
    else if (line_of == 3) head[name] = head[name] "\n" $0
    else if (line_of == 4) {
      head[name] = name "\n" head[name] "\n" $0
      n = substr($0, 1, 3) + 0
    } else if (line_of <= 4 + n) element[name, line_of - 4] = substr($0, 31)
    else tail[name] = tail[name] $0 "\n"
  }
  if ($0 == "$$$$") {
    if (!(name in n_atoms)) n_atoms[name] = n
    line_of = 0
  }
  next
}
FNR > 1 {
  split($0, field, "\t")
  name = field[2]
  text = field[6]
  n_texts++
  atoms = ""
  for (n = 0; match(text, /<[-0-9.]*,[-0-9.]*,[-0-9.]*>/); text = substr(text, RSTART + RLENGTH)) {
    split(substr(text, RSTART + 1, RLENGTH - 2), x, ",")
    if (number(x[1]) && number(x[2]) && number(x[3])) n++
    atoms = atoms sprintf("%10.4f%10.4f%10.4f%s\n", x[1], x[2], x[3], element[name, n])
  }
  if (n == 0 || n != n_atoms[name]) n_lost++
  else printf "%s\n%s%s", head[name], atoms, tail[name]
}
END { printf "%d texts, %d of them unreadable\n", n_texts, n_lost >"/dev/stderr" }
