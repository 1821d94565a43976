/* SPDX-License-Identifier: MIT */
#include "chem/mol2.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum {
    MAX_DIGITS = 9, /* of a number: it is an int */
    MAX_CHARGE = 15,
};

static const char molecule_start[] = "@<TRIPOS>MOLECULE";
static const char atom_line[] = "\n@<TRIPOS>ATOM";
static const char atom_start[] = "@<TRIPOS>ATOM";
static const char bond_start[] = "@<TRIPOS>BOND";
static const char charge_start[] = "@<TRIPOS>UNITY_ATOM_ATTR";

/* Cursor over the lines of a record. */
struct record_lines {
    const char *at;   /* start of the next line */
    const char *line; /* current line */
    size_t len;       /* without its line end */
    int number;       /* of the current line, from 1 */
};

/* The lines behind the heads of sections, as RDKit finds them: the last of a kind counts. */
struct sections {
    struct record_lines molecule, atoms, bonds, charges;
    int has_bonds, has_charges;
};

/* Columns of a line. */
struct mol2_field {
    const char *text;
    size_t len;
};

int cg_mol2_is_record(const char *text)
{
    return !strncmp(text, molecule_start, sizeof molecule_start - 1) && strstr(text, atom_line);
}

static int next_line(struct record_lines *l)
{
    if (!*l->at)
        return 0;
    l->line = l->at;
    l->len = strcspn(l->line, "\n");
    l->at += l->len + (l->line[l->len] == '\n');
    l->number++;
    if (l->len && l->line[l->len - 1] == '\r')
        l->len--;
    return 1;
}

/* The first n fields of a line, those that it lacks empty. Returns how many it has of them. */
static int split(const struct record_lines *l, int n, struct mol2_field *ret_fields)
{
    const char *at = l->line, *end = l->line + l->len;
    int found = 0;

    memset(ret_fields, 0, (size_t)n * sizeof *ret_fields);
    for (; found < n; found++) {
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
        if (at == end)
            break;
        ret_fields[found].text = at;
        while (at < end && *at != ' ' && *at != '\t')
            at++;
        ret_fields[found].len = (size_t)(at - ret_fields[found].text);
    }
    return found;
}

static int is(const struct mol2_field *f, const char *text)
{
    return f->len == strlen(text) && !memcmp(f->text, text, f->len);
}

/* The number that a field is; -1 if it is none, or has more than MAX_DIGITS digits. */
static int number_of(const struct mol2_field *f)
{
    if (!f->len || f->len > MAX_DIGITS)
        return -1;
    for (size_t i = 0; i < f->len; i++)
        if (f->text[i] < '0' || f->text[i] > '9')
            return -1;
    return atoi(f->text);
}

/* Whether a field is a charge; sets *ret_charge unless that is NULL. */
static int charge_of(const struct mol2_field *f, int *ret_charge)
{
    const int is_signed = f->len && (*f->text == '+' || *f->text == '-');
    const struct mol2_field digits = { f->text + is_signed, f->len - (size_t)is_signed };
    const int charge = number_of(&digits);

    if (charge < 0 || charge > MAX_CHARGE)
        return 0;
    if (ret_charge)
        *ret_charge = is_signed && *f->text == '-' ? -charge : charge;
    return 1;
}

static void find_sections(const char *record, struct sections *ret_sections)
{
    struct record_lines l = { .at = record };
    int n_molecules = 0;

    while (next_line(&l)) {
        struct mol2_field head;

        if (*l.line != '@' || !split(&l, 1, &head))
            continue;
        if (is(&head, molecule_start)) {
            if (n_molecules++)
                return;
            ret_sections->molecule = l;
        } else if (is(&head, atom_start)) {
            ret_sections->atoms = l;
        } else if (is(&head, bond_start)) {
            ret_sections->bonds = l;
            ret_sections->has_bonds = 1;
        } else if (is(&head, charge_start)) {
            ret_sections->charges = l;
            ret_sections->has_charges = 1;
        }
    }
}

static cg_status check_bonds(struct record_lines l, int n_bonds, int n_atoms, cg_error *err)
{
    for (int i = 0; i < n_bonds; i++) {
        struct mol2_field fields[3];

        if (!next_line(&l))
            return cg_fail(err, CG_ERR_INPUT,
                           "found %d bonds, wanted the %d that the record states", i, n_bonds);
        split(&l, 3, fields);
        for (int k = 1; k < 3; k++)
            if (number_of(&fields[k]) < 1 || number_of(&fields[k]) > n_atoms)
                return cg_fail(err, CG_ERR_INPUT,
                               "line %d of the record: wanted a bond of two of the atoms 1 to %d",
                               l.number, n_atoms);
    }
    return CG_OK;
}

/* "3 1" is followed by one attribute of atom 3, such as "charge 1". */
static cg_status check_charges(struct record_lines l, int n_atoms, cg_error *err)
{
    struct mol2_field fields[2];
    int n = 0, more = next_line(&l);

    do {
        if (!more || split(&l, 2, fields) < 2 || number_of(&fields[0]) < 1 ||
            number_of(&fields[0]) > n_atoms || (n = number_of(&fields[1])) < 0)
            return cg_fail(
                err, CG_ERR_INPUT,
                "line %d of the record: wanted one of the atoms 1 to %d and the number of "
                "its attributes",
                l.number + !more, n_atoms);
        for (; n; n--) {
            if (!next_line(&l) || split(&l, 2, fields) < 2)
                return cg_fail(
                    err, CG_ERR_INPUT,
                    "line %d of the record: wanted the name and the value of an attribute",
                    l.number);
            if (is(&fields[0], "charge") && !charge_of(&fields[1], NULL))
                return cg_fail(err, CG_ERR_INPUT,
                               "line %d of the record: found the charge '%.*s', wanted a whole "
                               "number from -%d to %d",
                               l.number, (int)(fields[1].len < 40 ? fields[1].len : 40),
                               fields[1].text, MAX_CHARGE, MAX_CHARGE);
        }
        more = next_line(&l);
    } while (more && l.len && !strchr("@#", *l.line));
    return CG_OK;
}

cg_status cg_mol2_check(const char *record, int max_atoms, cg_error *err)
{
    struct sections s = { 0 };
    struct mol2_field counts[2] = { { 0 } };
    int has_counts, n_atoms, n_bonds = 0;

    find_sections(record, &s);
    has_counts = s.molecule.at && next_line(&s.molecule) && next_line(&s.molecule);
    if (has_counts && split(&s.molecule, 2, counts) == 2)
        n_bonds = number_of(&counts[1]);
    n_atoms = number_of(&counts[0]);
    if (n_atoms < 0 || n_bonds < 0)
        return cg_fail(err, CG_ERR_INPUT,
                       "line 3 of the record: wanted the numbers of atoms and "
                       "bonds");
    if (n_atoms > max_atoms)
        return cg_fail(err, CG_ERR_LIMIT, "the molecule states %d atoms, wanted at most %d",
                       n_atoms, max_atoms);
    if (!s.atoms.at)
        return cg_fail(err, CG_ERR_INPUT, "found no line '%s'", atom_start);
    if (n_bonds && !s.has_bonds)
        return cg_fail(err, CG_ERR_INPUT,
                       "found no line '%s', wanted the %d bonds that the record "
                       "states",
                       bond_start, n_bonds);
    CG_TRY(check_bonds(s.bonds, n_bonds, n_atoms, err));
    return s.has_charges ? check_charges(s.charges, n_atoms, err) : CG_OK;
}

int cg_mol2_has_hydrogens(const char *record)
{
    struct sections s = { 0 };
    struct mol2_field fields[6];

    find_sections(record, &s);
    while (next_line(&s.atoms) && *s.atoms.line != '@') {
        const struct mol2_field *type = &fields[5];

        if (split(&s.atoms, 6, fields) == 6 && *type->text == 'H' &&
            (type->len == 1 || type->text[1] == '.'))
            return 1;
    }
    return 0;
}

/* ---- charges ------------------------------------------------------------------------------ */

/* What a record says of an atom. */
struct stated_atom {
    int charge;
    int is_carboxylate; /* its type is O.co2 */
};

static void read_types(struct record_lines l, int n_atoms, struct stated_atom *atoms)
{
    struct mol2_field fields[6];

    for (int i = 0; i < n_atoms && next_line(&l); i++)
        atoms[i].is_carboxylate = split(&l, 6, fields) == 6 && is(&fields[5], "O.co2");
}

/* Reads the section that check_charges() accepts. */
static void read_charges(struct record_lines l, struct stated_atom *atoms)
{
    struct mol2_field fields[2];
    int atom, n;

    while (next_line(&l) && l.len && !strchr("@#", *l.line)) {
        split(&l, 2, fields);
        atom = number_of(&fields[0]) - 1;
        for (n = number_of(&fields[1]); n > 0 && next_line(&l); n--) {
            split(&l, 2, fields);
            if (is(&fields[0], "charge") || is(&fields[0], "AtomExpr"))
                charge_of(&fields[1], &atoms[atom].charge);
        }
    }
}

/* Appends the lines of n bonds; returns the cursor behind them. */
static struct record_lines put_bonds(struct record_lines l, int n, const struct stated_atom *atoms,
                                     cg_buf *out)
{
    for (int i = 0; i < n && next_line(&l); i++) {
        struct mol2_field fields[4];
        const struct stated_atom *a, *b;

        split(&l, 4, fields);
        a = &atoms[number_of(&fields[1]) - 1];
        b = &atoms[number_of(&fields[2]) - 1];
        if (is(&fields[3], "ar") && (a->is_carboxylate || b->is_carboxylate))
            cg_buf_printf(out, "%d %d %d %d\n", i + 1, (int)(a - atoms) + 1, (int)(b - atoms) + 1,
                          (a->is_carboxylate ? a : b)->charge < 0 ? 1 : 2);
        else
            cg_buf_printf(out, "%.*s\n", (int)l.len, l.line);
    }
    return l;
}

cg_status cg_mol2_state_charges(const char *record, cg_buf *ret_text, cg_error *err)
{
    struct sections s = { 0 };
    struct mol2_field counts[2];
    struct stated_atom *atoms;
    int n_atoms, n_bonds, has_charges = 0;

    find_sections(record, &s);
    next_line(&s.molecule);
    next_line(&s.molecule);
    n_bonds = split(&s.molecule, 2, counts) == 2 ? number_of(&counts[1]) : 0;
    n_atoms = number_of(&counts[0]);
    atoms = calloc((size_t)n_atoms + 1, sizeof *atoms);
    if (!atoms)
        return cg_fail_nomem(err, "molecule");
    if (s.has_charges) {
        read_types(s.atoms, n_atoms, atoms);
        read_charges(s.charges, atoms);
    }
    if (n_bonds) {
        cg_buf_put(ret_text, record, (size_t)(s.bonds.at - record));
        s.bonds = put_bonds(s.bonds, n_bonds, atoms, ret_text);
        cg_buf_puts(ret_text, s.bonds.at);
    } else {
        cg_buf_puts(ret_text, record);
    }
    cg_buf_printf(ret_text, "\n%s\n", charge_start);
    for (int i = 0; i < n_atoms; i++)
        if (atoms[i].charge) {
            cg_buf_printf(ret_text, "%d 1\nAtomExpr %d\n", i + 1, atoms[i].charge);
            has_charges = 1;
        }
    if (!has_charges)
        cg_buf_puts(ret_text, "1 1\nAtomExpr 0\n");
    free(atoms);
    return cg_buf_check(ret_text, "molecule", err);
}
