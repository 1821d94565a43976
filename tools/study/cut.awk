# SPDX-License-Identifier: MIT
# What a field of fixed length leaves of coordinates: an SDF (V2000, in confgen's frame) whose triples
# are written with four decimals, split into tokens, and cut behind as many of them as the
# placeholder 0.000,0.000,0.000 has.
#
#   zstdcat grammar.sdf.zst | awk -f tools/study/cut.awk [-v digits=3] [-v sign=lost] >cut.sdf
#
#   digits=N   of a token: 1 as Qwen3's tokenizer has it (default), up to 3 as Llama-3's
#   sign=lost  where it would be the first character, as where the token of the bracket before it
#              would hold it; by default it is a token
#
# "," and ".", also with "-" behind it, is a token: -1.2345,0.1234,-2.3456 is 21 of Qwen3's, and the
# placeholder 17. Records with a triple that ends before its third number are left out and counted.
BEGIN {
  if (!digits) digits = 1
  tokens = behind("0.000,0.000,0.000", 1000)
}

# How many tokens the text has; not more than n are looked at, and the text's first n are in `kept`
function behind(text, n,    at, count, length_of) {
  for (at = 1; at <= length(text) && count < n; count++) {
    match(substr(text, at), /^[0-9]+/)
    length_of = RLENGTH > digits ? digits : RLENGTH
    if (length_of < 1) length_of = substr(text, at, 2) ~ /^[,.]-/ ? 2 : 1
    at += length_of
  }
  kept = substr(text, 1, at - 1)
  return count
}

function cut(line,    text, part) {
  text = sprintf("%.4f,%.4f,%.4f", substr(line, 1, 10), substr(line, 11, 10), substr(line, 21, 10))
  if (sign == "lost") sub(/^-/, "", text)
  behind(text, tokens)
  n_triples++
  if (split(kept, part, ",") < 3 || part[3] !~ /[0-9]/) {
    lost = 1
    return line
  }
  n_whole += part[3] !~ /\.[0-9]/
  return sprintf("%10.4f%10.4f%10.4f%s", part[1], part[2], part[3], substr(line, 31))
}

{
  line_of++
  if (line_of == 4) n_atoms = substr($0, 1, 3) + 0
  if (line_of > 4 && line_of <= 4 + n_atoms) $0 = cut($0)
  record = record $0 "\n"
}
$0 == "$$$$" {
  n_records++
  if (lost) n_lost++
  else printf "%s", record
  record = ""
  line_of = lost = 0
}
END {
  printf "%d of %d records lost; of %d triples, %.1f %% have no decimals of z left\n", n_lost, \
    n_records, n_triples, 100 * n_whole / n_triples >"/dev/stderr"
}
