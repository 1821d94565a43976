/* SPDX-License-Identifier: MIT */
#include "chem/smiles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/elements.h"

#define NO_ATOM UINT32_MAX

/* A ring bond without its second end. */
struct open_ring {
    size_t start; /* offset in the text */
    uint32_t number;
    uint32_t atom;
    char symbol;
};

struct scanner {
    const char *text;
    size_t len;
    size_t at;
    uint32_t flags;
    size_t max_atoms;

    cg_smiles out;
    size_t atom_cap;
    size_t bond_cap;

    uint32_t last; /* atom that the next bond starts from, or NO_ATOM */
    char symbol;   /* pending bond symbol, 0 if none */
    int opened;    /* the last byte was a `(` */

    uint32_t *branches; /* stack: atoms to return to at `)` */
    size_t n_branches;
    size_t branch_cap;

    struct open_ring *rings;
    size_t n_rings;
    size_t ring_cap;

    cg_error *err;
};

const char *cg_smiles_show_byte(const char *text, size_t len, size_t at, char buf[16])
{
    if (at >= len)
        snprintf(buf, 16, "the end");
    else if (text[at] > 0x20 && text[at] < 0x7f)
        snprintf(buf, 16, "'%c'", text[at]);
    else
        snprintf(buf, 16, "byte 0x%02x", (unsigned char)text[at]);
    return buf;
}

static cg_status unexpected(const struct scanner *s, size_t at, const char *wanted)
{
    char buf[16];

    return cg_fail(s->err, CG_ERR_INPUT, "SMILES offset %zu: found %s, wanted %s", at,
                   cg_smiles_show_byte(s->text, s->len, at, buf), wanted);
}

static int is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static int is_inchi(const struct scanner *s)
{
    static const char start[] = "InChI=";

    return s->len >= sizeof start - 1 && !memcmp(s->text, start, sizeof start - 1);
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const struct scanner *s, size_t ahead)
{
    return s->at + ahead < s->len ? s->text[s->at + ahead] : '\0';
}

/* Reads a number of at most `max` at s->at; returns 1. Returns 0 if there are no digits, or if the
 * number exceeds max (s->at is then at the digit that exceeds it). */
static int read_number(struct scanner *s, uint32_t max, uint32_t *ret_value)
{
    uint32_t v = 0;
    size_t start = s->at;

    while (is_digit(peek(s, 0))) {
        v = v * 10 + (uint32_t)(peek(s, 0) - '0');
        if (v > max)
            return 0;
        s->at++;
    }
    *ret_value = v;
    return s->at > start;
}

static cg_status add_bond(struct scanner *s, uint32_t a, uint32_t b, char symbol)
{
    if (cg_grow((void **)&s->out.bonds, &s->bond_cap, s->out.n_bonds + 1, sizeof *s->out.bonds))
        return cg_fail_nomem(s->err, "SMILES");
    if (s->out.atoms[a].degree == UINT16_MAX || s->out.atoms[b].degree == UINT16_MAX)
        return unexpected(s, s->at, "fewer bonds to one atom");
    s->out.atoms[a].degree++;
    s->out.atoms[b].degree++;
    s->out.bonds[s->out.n_bonds++] =
        (cg_smiles_bond) { .first = a < b ? a : b, .second = a < b ? b : a, .symbol = symbol };
    return CG_OK;
}

/* Appends the atom at text[start .. s->at) and its bond to the previous atom. */
static cg_status add_atom(struct scanner *s, size_t start, cg_smiles_atom atom)
{
    uint32_t index = (uint32_t)s->out.n_atoms;
    cg_status st = CG_OK;

    if (s->out.n_atoms >= s->max_atoms)
        return cg_fail(s->err, CG_ERR_LIMIT,
                       "SMILES offset %zu: found atom number %zu, wanted at most %zu atoms", start,
                       s->out.n_atoms + 1, s->max_atoms);
    if (cg_grow((void **)&s->out.atoms, &s->atom_cap, s->out.n_atoms + 1, sizeof *s->out.atoms))
        return cg_fail_nomem(s->err, "SMILES");
    atom.start = (uint32_t)start;
    atom.len = (uint32_t)(s->at - start);
    s->out.atoms[s->out.n_atoms++] = atom;
    if (s->last == NO_ATOM)
        s->out.n_components++;
    else
        st = add_bond(s, s->last, index, s->symbol);
    s->last = index;
    s->symbol = '\0';
    s->opened = 0;
    return st;
}

/* Length (0, 1 or 2 bytes) and atomic number of the bracketless atom at the start of text[len]. */
static size_t bare_atom(const char *text, size_t len, uint8_t *ret_element)
{
    static const uint8_t elements[128] = {
        ['B'] = 5,  ['C'] = 6, ['N'] = 7, ['O'] = 8, ['P'] = 15, ['S'] = 16, ['F'] = 9,
        ['I'] = 53, ['b'] = 5, ['c'] = 6, ['n'] = 7, ['o'] = 8,  ['p'] = 15, ['s'] = 16,
    };
    unsigned char c = len > 0 ? (unsigned char)text[0] : 0;

    *ret_element = c < 128 ? elements[c] : 0;
    if (len > 1 && ((c == 'C' && text[1] == 'l') || (c == 'B' && text[1] == 'r'))) {
        *ret_element = c == 'C' ? 17 : 35;
        return 2;
    }
    return *ret_element != 0;
}

int cg_smiles_is_bare(const char *text, size_t len)
{
    uint8_t element;

    return len > 0 && bare_atom(text, len, &element) == len;
}

/* Reads an element symbol, in lower case if aromatic: [nH], [se]. 0 if there is none. */
static int element_at(const char *text, size_t len, size_t *ret_len, uint8_t *ret_aromatic)
{
    static const char aromatic[][3] = { "se", "as", "te", "si", "b", "c", "n", "o", "p", "s" };
    int z;

    *ret_aromatic = 0;
    if (len >= 2 && text[1] >= 'a' && text[1] <= 'z' && (z = cg_element_find(text, 2))) {
        *ret_len = 2;
        return z;
    }
    if (len >= 1 && (z = cg_element_find(text, 1))) {
        *ret_len = 1;
        return z;
    }
    for (size_t i = 0; i < sizeof aromatic / sizeof *aromatic; i++) {
        size_t n = strlen(aromatic[i]);

        if (len >= n && memcmp(text, aromatic[i], n) == 0) {
            char upper[3] = { (char)(aromatic[i][0] - 'a' + 'A'), aromatic[i][1], '\0' };

            *ret_aromatic = 1;
            *ret_len = n;
            return cg_element_find(upper, n);
        }
    }
    return 0;
}

/* Reads the rest of @, @@ or @ with a class of two letters and a number, after the first @. */
static cg_status read_chirality(struct scanner *s, cg_smiles_atom *atom)
{
    static const char classes[][3] = { "TH", "AL", "SP", "TB", "OH" };
    uint32_t number;

    atom->chiral = 1;
    if (peek(s, 0) == '@') {
        s->at++;
        atom->chiral = 2;
        return CG_OK;
    }
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (peek(s, 0) != classes[i][0] || peek(s, 1) != classes[i][1])
            continue;
        if (!is_digit(peek(s, 2)))
            continue; /* not a class: `H` of [C@H] is the hydrogen count */
        s->at += 2;
        atom->chiral = 3;
        if (!read_number(s, 30, &number))
            return unexpected(s, s->at, "the number of a chirality class (1 to 30)");
        return CG_OK;
    }
    return CG_OK;
}

/* Reads a charge at s->at: + or - repeated, or followed by a number. */
static cg_status read_charge(struct scanner *s, cg_smiles_atom *atom)
{
    char sign = peek(s, 0);
    uint32_t n = 1;

    s->at++;
    if (is_digit(peek(s, 0))) {
        if (!read_number(s, 99, &n))
            return unexpected(s, s->at, "a charge of at most 99");
    } else {
        while (peek(s, 0) == sign && n < 99) {
            s->at++;
            n++;
        }
    }
    atom->charge = (int16_t)(sign == '-' ? -(int)n : (int)n);
    return CG_OK;
}

/* Reads `isotope? symbol chirality? hydrogens? charge? class? ]` after a `[`. */
static cg_status read_bracket(struct scanner *s, cg_smiles_atom *atom)
{
    uint32_t n;
    size_t used = 0;
    int z;

    if (is_digit(peek(s, 0))) {
        if (!read_number(s, 999, &n))
            return unexpected(s, s->at, "a mass number of at most 999");
        atom->isotope = (uint16_t)n;
    }
    if (peek(s, 0) == '*') {
        s->at++;
    } else {
        z = element_at(s->text + s->at, s->len - s->at, &used, &atom->aromatic);
        if (!z)
            return unexpected(s, s->at, "an element symbol");
        atom->element = (uint8_t)z;
        s->at += used;
    }
    if (peek(s, 0) == '@') {
        s->at++;
        CG_TRY(read_chirality(s, atom));
    }
    if (peek(s, 0) == 'H') {
        s->at++;
        n = 1;
        if (is_digit(peek(s, 0)) && !read_number(s, 99, &n))
            return unexpected(s, s->at, "at most 99 hydrogens");
        atom->n_h = (uint8_t)n;
    }
    if (peek(s, 0) == '+' || peek(s, 0) == '-')
        CG_TRY(read_charge(s, atom));
    if (peek(s, 0) == ':') {
        s->at++;
        if (!read_number(s, 99999999, &n))
            return unexpected(s, s->at, "an atom class of at most 8 digits");
        atom->map = n;
    }
    if (peek(s, 0) != ']')
        return unexpected(s, s->at, "']'");
    s->at++;
    return CG_OK;
}

/*
 * RDKit stores charges, hydrogen counts and mass numbers in small integers and reads [C+255] as
 * [C-]: refuses numbers in the bracket text[begin .. s->at) that could overflow them.
 */
static cg_status check_numbers(const struct scanner *s, size_t begin)
{
    size_t run = 0, sign = 0;

    for (size_t i = begin; i < s->at; i++) {
        char c = s->text[i], before = i > begin ? s->text[i - 1] : '[';
        size_t most;

        run = is_digit(c) ? run + 1 : 0;
        sign = (c == '+' || c == '-') ? (before == c ? sign + 1 : 1) : 0;
        if (sign > 15)
            return unexpected(s, i, "at most 15 signs of charge");
        if (!run)
            continue;
        before = i - run + 1 > begin ? s->text[i - run] : '[';
        most = before == ':' ? 8 : before == '[' || before == '#' ? 3 : 2;
        if (run > most)
            return unexpected(s, i, "a mass number, charge or count of hydrogens of fewer digits");
    }
    return CG_OK;
}

/* Reads a bracket atom, `*` or a bare atom. Without CG_SMILES_STRICT only the numbers in brackets
 * are checked. */
static cg_status read_atom(struct scanner *s)
{
    size_t start = s->at;
    cg_smiles_atom atom = { 0 };
    size_t n;

    if (peek(s, 0) == '[') {
        s->at++;
        atom.bracket = 1;
        if (s->flags & CG_SMILES_STRICT) {
            CG_TRY(read_bracket(s, &atom));
        } else {
            while (s->at < s->len && s->text[s->at] != ']' && s->text[s->at] != '[')
                s->at++;
            if (peek(s, 0) != ']')
                return unexpected(s, s->at, "']' for the '[' before it");
            CG_TRY(check_numbers(s, start + 1));
            s->at++;
        }
        return add_atom(s, start, atom);
    }
    if (peek(s, 0) == '*') {
        s->at++;
        return add_atom(s, start, atom);
    }
    n = bare_atom(s->text + s->at, s->len - s->at, &atom.element);
    if (n == 0)
        return unexpected(s, s->at,
                          is_inchi(s)
                              ? "a SMILES: 'obabel -iinchi IN -osmi -O OUT' makes them of InChI"
                          : is_letter(peek(s, 0))
                              ? "an atom, bond, branch or ring closure: names are not looked up"
                              : "an atom, bond, branch or ring closure");
    atom.aromatic = peek(s, 0) >= 'a';
    s->at += n;
    return add_atom(s, start, atom);
}

/* Reads a ring closure (digit, %nn or %(n...)): opens a ring or closes the open ring of that
 * number. */
static cg_status read_ring(struct scanner *s)
{
    size_t start = s->at;
    uint32_t number;
    size_t i;

    if (s->last == NO_ATOM || s->opened)
        return unexpected(s, start, "an atom before a ring closure");
    if (peek(s, 0) != '%') {
        number = (uint32_t)(peek(s, 0) - '0');
        s->at++;
    } else if (peek(s, 1) == '(') {
        s->at += 2;
        if (!read_number(s, 99999, &number) || peek(s, 0) != ')')
            return unexpected(s, s->at, "a ring number of at most 5 digits and ')' after '%('");
        s->at++;
    } else {
        if (!is_digit(peek(s, 1)) || !is_digit(peek(s, 2)))
            return unexpected(s, s->at + 1, "two digits or '(' after '%'");
        number = (uint32_t)(peek(s, 1) - '0') * 10 + (uint32_t)(peek(s, 2) - '0');
        s->at += 3;
    }
    for (i = 0; i < s->n_rings; i++)
        if (s->rings[i].number == number)
            break;
    if (i == s->n_rings) {
        if (cg_grow((void **)&s->rings, &s->ring_cap, s->n_rings + 1, sizeof *s->rings))
            return cg_fail_nomem(s->err, "SMILES");
        s->rings[s->n_rings++] = (struct open_ring) {
            .start = start, .number = number, .atom = s->last, .symbol = s->symbol
        };
    } else {
        if (s->rings[i].atom == s->last)
            return unexpected(s, start, "the second end of a ring bond on another atom");
        CG_TRY(add_bond(s, s->rings[i].atom, s->last, s->symbol ? s->symbol : s->rings[i].symbol));
        s->rings[i] = s->rings[--s->n_rings];
    }
    s->symbol = '\0';
    return CG_OK;
}

/* Reads an atom, or refuses what other languages than SMILES write, in their words. */
static cg_status read_other(struct scanner *s)
{
    char c = peek(s, 0);

    switch (c) {
    case '>':
        return unexpected(s, s->at, "one molecule: reactions are not supported");
    case '~':
    case '@':
    case '!':
    case '&':
        return unexpected(s, s->at, "SMILES: queries (SMARTS) are not supported");
    case '"':
    case '\'':
        return unexpected(s, s->at, "SMILES without quotation marks");
    case ';':
    case ',':
        return unexpected(s, s->at,
                          "SMILES: queries (SMARTS) are not supported, and columns "
                          "separated by commas or semicolons are read from a .csv");
    case 'R':
        return unexpected(s, s->at, "an element: R groups are not supported");
    case 'H':
        return unexpected(s, s->at, "an atom; a hydrogen atom is written [H]");
    case '|':
        return unexpected(s, s->at, "a blank before a CXSMILES extension");
    default:
        return read_atom(s);
    }
}

static cg_status read_next(struct scanner *s)
{
    char c = peek(s, 0);

    if (is_digit(c) || c == '%')
        return read_ring(s);
    switch (c) {
    case '-':
    case '<':
        if ((c == '-' && peek(s, 1) == '>') || c == '<')
            return unexpected(s, s->at,
                              "a bond with shared electrons (dative bonds are not supported)");
        /* fall through */
    case '=':
    case '#':
    case '$':
    case ':':
    case '/':
    case '\\':
        if (s->last == NO_ATOM)
            return unexpected(s, s->at, "an atom before a bond");
        if (s->symbol)
            return unexpected(s, s->at, "an atom or ring closure after a bond");
        s->symbol = c;
        s->opened = 0;
        s->at++;
        return CG_OK;
    case '.':
        if (s->symbol || s->opened || s->last == NO_ATOM)
            return unexpected(s, s->at, "an atom before a dot");
        s->last = NO_ATOM;
        s->at++;
        return CG_OK;
    case '(':
        if (s->symbol || s->opened || s->last == NO_ATOM)
            return unexpected(s, s->at, "an atom before a branch");
        if (cg_grow((void **)&s->branches, &s->branch_cap, s->n_branches + 1, sizeof *s->branches))
            return cg_fail_nomem(s->err, "SMILES");
        s->branches[s->n_branches++] = s->last;
        s->opened = 1;
        s->at++;
        return CG_OK;
    case ')':
        if (s->symbol || s->opened || s->last == NO_ATOM)
            return unexpected(s, s->at, "an atom before the end of a branch");
        if (s->n_branches == 0)
            return unexpected(s, s->at, "a '(' before it");
        s->last = s->branches[--s->n_branches];
        s->at++;
        return CG_OK;
    default:
        return read_other(s);
    }
}

static cg_status check_end(const struct scanner *s)
{
    if (s->out.n_atoms == 0)
        return unexpected(s, s->at, "at least one atom");
    if (s->symbol || s->last == NO_ATOM)
        return unexpected(s, s->at, "an atom");
    if (s->n_branches)
        return unexpected(s, s->at, "')' for each '('");
    if (s->n_rings)
        return cg_fail(s->err, CG_ERR_INPUT, "SMILES offset %zu: unclosed ring bond %u",
                       s->rings[0].start, (unsigned)s->rings[0].number);
    return CG_OK;
}

cg_status cg_smiles_scan(const char *text, size_t len, uint32_t flags, size_t max_atoms,
                         cg_smiles *ret_smiles, cg_error *err)
{
    struct scanner s = { .text = text,
                         .len = len,
                         .flags = flags,
                         .max_atoms = max_atoms,
                         .last = NO_ATOM,
                         .err = err };
    cg_status st = CG_OK;

    if (len > INT32_MAX) /* offsets are 32 bits wide */
        return cg_fail(err, CG_ERR_LIMIT, "SMILES: found %zu bytes, wanted at most %d", len,
                       INT32_MAX);
    while (s.at < len)
        CG_TRY_GOTO(st, read_next(&s), out);
    CG_TRY_GOTO(st, check_end(&s), out);
    *ret_smiles = s.out;
    s.out = (cg_smiles) { 0 };
out:
    free(s.branches);
    free(s.rings);
    cg_smiles_finish(&s.out);
    return st;
}

void cg_smiles_finish(cg_smiles *smiles)
{
    if (!smiles)
        return;
    free(smiles->atoms);
    free(smiles->bonds);
    *smiles = (cg_smiles) { 0 };
}
