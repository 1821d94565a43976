/* SPDX-License-Identifier: MIT */
#include "chem/refusal.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "chem/elements.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"

enum { SHOWN = 60, SHOWN_ATOM = 40 }; /* bytes that a message quotes */

cg_status cg_refuse_smiles(cg_error *err, cg_status code, const char *smiles, size_t len,
                           const char *fmt, ...)
{
    char reason[CG_ERROR_TEXT];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    return cg_fail(err, code, "SMILES '%.*s'%s: %s", (int)(len < SHOWN ? len : SHOWN), smiles,
                   len > SHOWN ? "..." : "", reason);
}

/* ---- molecules that RDKit reads but confgen does not serve ---------------------------------- */

/* 1 if text[len], an atom of a scanned text, is `*`, or in brackets `[*...]` or `[#0]`. */
static int is_wildcard(const char *text, size_t len)
{
    size_t i = *text == '[';

    while (i < len && isdigit((unsigned char)text[i]))
        i++;
    if (i < len && text[i] == '*')
        return 1;
    if (i + 1 >= len || text[i] != '#' || text[i + 1] != '0')
        return 0;
    while (++i < len && text[i] == '0')
        ;
    return i == len || !isdigit((unsigned char)text[i]);
}

/*
 * Where wildcards are in aromatic rings, RDKit tries all subsets of them: it must not see them,
 * even beside atoms that are not read.
 */
static cg_status check_wildcards(const char *smiles, size_t len, cg_error *err)
{
    cg_smiles g = { 0 };
    cg_error why = CG_ERROR_INIT;
    cg_status st = cg_smiles_scan(smiles, len, 0, len, &g, &why);

    if (st == CG_ERR_NOMEM)
        return cg_fail_nomem(err, "SMILES");
    st = CG_OK;
    for (size_t i = 0; i < g.n_atoms && st == CG_OK; i++) {
        const cg_smiles_atom *a = &g.atoms[i];

        if (is_wildcard(smiles + a->start, a->len))
            st = cg_refuse_smiles(err, CG_ERR_UNSUPPORTED, smiles, len,
                                  "atom %zu is the wildcard '%.*s': wildcards, attachment points "
                                  "and R groups are not supported, wanted an element",
                                  i + 1, (int)(a->len < SHOWN_ATOM ? a->len : SHOWN_ATOM),
                                  smiles + a->start);
    }
    cg_smiles_finish(&g);
    return st;
}

static cg_status check_atoms(const char *smiles, size_t len, const cg_smiles *g, cg_error *err)
{
    for (size_t i = 0; i < g->n_atoms; i++) {
        const cg_smiles_atom *a = &g->atoms[i];

        if (cg_element_is_metal(a->element) && (a->degree || a->n_h))
            return cg_refuse_smiles(err, CG_ERR_UNSUPPORTED, smiles, len,
                                    "atom %zu (%s) has bonds: metal complexes are not supported; "
                                    "metals are accepted only as free ions",
                                    i + 1, cg_element_symbol(a->element));
    }
    for (size_t i = 0; i < g->n_bonds; i++)
        if (g->bonds[i].symbol == '$')
            return cg_refuse_smiles(err, CG_ERR_UNSUPPORTED, smiles, len,
                                    "the bond of atoms %u and %u is quadruple, wanted single to "
                                    "triple",
                                    (unsigned)g->bonds[i].first + 1,
                                    (unsigned)g->bonds[i].second + 1);
    return CG_OK;
}

cg_status cg_refuse_unsupported(const char *smiles, size_t len, cg_error *err)
{
    cg_smiles g = { 0 };
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    CG_TRY(check_wildcards(smiles, len, err));
    st = cg_smiles_scan(smiles, len, CG_SMILES_STRICT, len, &g, &why);
    if (st == CG_ERR_NOMEM)
        return cg_fail_nomem(err, "SMILES");
    if (st != CG_OK)
        return CG_OK;
    st = check_atoms(smiles, len, &g, err);
    cg_smiles_finish(&g);
    return st;
}

/* ---- texts that are no SMILES of a molecule ------------------------------------------------- */

/* What the contents of a bracket, text[len], are if not one atom of one element; NULL: unknown. */
static const char *bracket_kind(const char *text, size_t len)
{
    size_t i = 0;

    while (i < len && isdigit((unsigned char)text[i]))
        i++;
    if (i < len && text[i] == 'R' &&
        (i + 1 == len || isdigit((unsigned char)text[i + 1]) || text[i + 1] == '#' ||
         text[i + 1] == ':'))
        return "an R group: R groups are not supported";
    for (size_t k = 0; k < len; k++)
        if (strchr(",;!&$~#", text[k]))
            return "a query (SMARTS): queries are not supported";
    if (len - i == 1 && (text[i] == 'D' || text[i] == 'T'))
        return "a hydrogen isotope, which SMILES writes [2H] or [3H]";
    if (len - i == 1 && strchr("AaQXMLZG", text[i]))
        return "a generic atom: queries are not supported";
    return NULL;
}

/* Refuses the first bracket that is not one atom of one element; CG_OK if all are. */
static cg_status refuse_brackets(const char *smiles, size_t len, cg_error *err)
{
    cg_smiles g = { 0 };
    cg_error why = CG_ERROR_INIT;
    cg_status st = cg_smiles_scan(smiles, len, 0, len, &g, &why);

    if (st == CG_ERR_NOMEM)
        return cg_fail_nomem(err, "SMILES");
    for (size_t i = 0; i < g.n_atoms && st == CG_OK; i++) {
        const cg_smiles_atom *a = &g.atoms[i];
        const char *text = smiles + a->start;
        int shown = (int)(a->len < SHOWN_ATOM ? a->len : SHOWN_ATOM);
        cg_smiles atom = { 0 };
        const char *kind;

        if (!a->bracket)
            continue;
        st = cg_smiles_scan(text, a->len, CG_SMILES_STRICT, 1, &atom, &why);
        cg_smiles_finish(&atom);
        if (st == CG_OK)
            continue;
        if (st == CG_ERR_NOMEM)
            st = cg_fail_nomem(err, "SMILES");
        else if ((kind = bracket_kind(text + 1, a->len - 2)) != NULL)
            st = cg_refuse_smiles(err, CG_ERR_UNSUPPORTED, smiles, len, "atom %zu, %.*s, is %s",
                                  i + 1, shown, text, kind);
        else
            st = cg_refuse_smiles(err, CG_ERR_INPUT, smiles, len,
                                  "atom %zu, %.*s, is no atom of an element, charge, isotope and "
                                  "hydrogens as SMILES writes them",
                                  i + 1, shown, text);
    }
    cg_smiles_finish(&g);
    return st;
}

/* RDKit's message has the valence less the charge, for the elements before carbon plus the charge:
 * 4 for the nitrogen of C[N+](C)(C)(C)C. */
static cg_status refuse_valence(const char *smiles, size_t len, unsigned atom, const char *symbol,
                                int valence, cg_error *err)
{
    cg_smiles g = { 0 };
    cg_error why = CG_ERROR_INIT;
    cg_status st = cg_smiles_scan(smiles, len, CG_SMILES_STRICT, len, &g, &why);
    int charge = st == CG_OK && atom < g.n_atoms ? g.atoms[atom].charge : 0;

    cg_smiles_finish(&g);
    if (st == CG_ERR_NOMEM)
        return cg_fail_nomem(err, "SMILES");
    valence += strcmp(symbol, "B") == 0 ? -charge : charge;
    return cg_refuse_smiles(err, CG_ERR_INPUT, smiles, len,
                            charge ? "atom %u (%s) has valence %d, which is more than it can have "
                                     "with charge %+d"
                                   : "atom %u (%s) has valence %d, which is more than it can have",
                            atom + 1, symbol, valence, charge);
}

cg_status cg_refuse_unread(const char *smiles, size_t len, const char *reason, cg_error *err)
{
    unsigned atom;
    int valence;
    char symbol[4];
    cg_status st = cg_rdkit_fail(err, CG_ERR_INPUT, "%s", reason);

    if (st == CG_ERR_NOMEM)
        return st;
    st = refuse_brackets(smiles, len, err);
    if (st != CG_OK)
        return st;
    if (sscanf(reason, "Explicit valence for atom # %u %3[A-Za-z], %d, is greater", &atom, symbol,
               &valence) == 3)
        return refuse_valence(smiles, len, atom, symbol, valence, err);
    if (sscanf(reason, "Can't kekulize mol. Unkekulized atoms: %u", &atom) == 1)
        return cg_refuse_smiles(err, CG_ERR_INPUT, smiles, len,
                                "the aromatic ring of atom %u has no alternating single and double "
                                "bonds: a nitrogen may lack its hydrogen, [nH]",
                                atom + 1);
    if (sscanf(reason, "non-ring atom %u marked aromati%c", &atom, symbol) == 2)
        return cg_refuse_smiles(err, CG_ERR_INPUT, smiles, len,
                                "atom %u is aromatic, in lower case, but in no ring", atom + 1);
    return cg_refuse_smiles(err, CG_ERR_INPUT, smiles, len, "RDKit refuses it: %s%s", reason,
                            strstr(reason, "atom") ? " (RDKit counts atoms from 0)" : "");
}

/* ---- radicals ------------------------------------------------------------------------------ */

cg_status cg_describe_radical(const char *smiles, size_t len, char ret_text[CG_RADICAL_TEXT],
                              cg_error *err)
{
    cg_smiles g = { 0 };
    cg_error why = CG_ERROR_INIT;
    int at;

    *ret_text = '\0';
    errno = 0;
    at = cgrd_find_radical(smiles);
    if (at < 0)
        return cg_rdkit_fail(&why, CG_ERR_UNSUPPORTED, "none") == CG_ERR_NOMEM
                   ? cg_fail_nomem(err, "SMILES")
                   : CG_OK;
    CG_TRY(cg_smiles_scan(smiles, len, 0, len, &g, err));
    if ((size_t)at < g.n_atoms) {
        const cg_smiles_atom *a = &g.atoms[at];

        snprintf(ret_text, CG_RADICAL_TEXT, "radical %.*s (atom %d)",
                 (int)(a->len < SHOWN_ATOM ? a->len : SHOWN_ATOM), smiles + a->start, at + 1);
    }
    cg_smiles_finish(&g);
    return CG_OK;
}
