/* SPDX-License-Identifier: MIT */
#include "input_columns.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "io/input_fields.h"

/* Names of columns; one that starts with '_' stands for all that end in it. */
static const struct {
    enum cg_column kind;
    const char *name;
} known[] = {
    { CG_COLUMN_CORRECTED, "corrected_smiles" },
    { CG_COLUMN_SMILES, "smiles" },
    { CG_COLUMN_ISOMERIC, "isomeric_smiles" },
    { CG_COLUMN_ISOMERIC, "isomericsmiles" },
    { CG_COLUMN_ISOMERIC, "iso_smiles" },
    { CG_COLUMN_ISOMERIC, "isosmiles" },
    { CG_COLUMN_CANONICAL, "canonical_smiles" },
    { CG_COLUMN_CANONICAL, "canonicalsmiles" },
    { CG_COLUMN_CANONICAL, "can_smiles" },
    { CG_COLUMN_CANONICAL, "cansmiles" },
    { CG_COLUMN_CANONICAL, "connectivity_smiles" },
    { CG_COLUMN_SMI, "smi" },
    { CG_COLUMN_OTHER_SMILES, "_smiles" },
    { CG_COLUMN_NAME, "name" },
    { CG_COLUMN_ID, "id" },
    { CG_COLUMN_ID, "identifier" },
    { CG_COLUMN_ID, "cid" },
    { CG_COLUMN_OTHER_ID, "_id" },
    { CG_COLUMN_TITLE, "title" },
    { CG_COLUMN_OTHER_NAME, "_name" },
    { CG_COLUMN_COUNT, "n_conformers" },
    { CG_COLUMN_COUNT, "k" },
};

/* Copies a column's name in lower case with '_' for blanks and '-', without a '#' before it. */
static size_t normalize(const char *text, size_t len, char *ret, size_t cap)
{
    size_t n = 0;

    while (len && (*text == ' ' || *text == '\t' || *text == '#')) {
        text++;
        len--;
    }
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    for (; n < len && n + 1 < cap; n++)
        ret[n] = text[n] == ' ' || text[n] == '-' ? '_' : (char)tolower((unsigned char)text[n]);
    ret[n] = '\0';
    return n;
}

void cg_input_columns_add(cg_input_columns *c, const char *text, size_t len)
{
    char name[CG_COLUMN_LABEL];
    size_t n = normalize(text, len, name, sizeof name);

    c->n++;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *wanted = known[i].name;
        size_t m = strlen(wanted);
        int is_suffix = *wanted == '_';

        if (is_suffix ? n <= m || strcmp(name + n - m, wanted) : strcmp(name, wanted) != 0)
            continue;
        c->starts_known |= c->n == 1;
        if (!c->at[known[i].kind]) {
            c->at[known[i].kind] = c->n;
            c->word[known[i].kind] = wanted;
            snprintf(c->label[known[i].kind], CG_COLUMN_LABEL, "%.*s", (int)len, text);
        } else if (!is_suffix && c->word[known[i].kind] == wanted) {
            c->twice = wanted;
        }
        return;
    }
}

size_t cg_input_columns_smiles(const cg_input_columns *c)
{
    for (int kind = CG_COLUMN_SMILES; kind <= CG_COLUMN_OTHER_SMILES; kind++)
        if (c->at[kind])
            return c->at[kind];
    return 0;
}

int cg_input_columns_have_smiles(const cg_input_columns *c)
{
    return c->at[CG_COLUMN_CORRECTED] || cg_input_columns_smiles(c);
}

void cg_input_columns_describe(const cg_input_columns *c, cg_buf *out)
{
    const char *word = "SMILES from column";

    for (int kind = CG_COLUMN_CORRECTED; kind <= CG_COLUMN_OTHER_SMILES; kind++)
        if (c->at[kind]) {
            cg_buf_printf(out, "%s '%s'", word, c->label[kind]);
            word = ", else";
            if (kind != CG_COLUMN_CORRECTED)
                break;
        }
    word = ", names from";
    for (int kind = CG_COLUMN_NAME; kind <= CG_COLUMN_OTHER_NAME; kind++)
        if (c->at[kind]) {
            cg_buf_printf(out, "%s '%s'", word, c->label[kind]);
            word = ", else";
        }
    if (c->at[CG_COLUMN_COUNT])
        cg_buf_printf(out, ", k from '%s'", c->label[CG_COLUMN_COUNT]);
    if (*word == ',' && word[2] == 'n')
        cg_buf_puts(out, "; no column has names (name, id, ..._id, title or ..._name): molecules "
                         "are named mol_000000 and so on");
}

void cg_input_columns_read(const cg_input_columns *c, cg_field_fn *field, const void *row,
                           cg_input_fields *f)
{
    const char *text = "";
    size_t len = 0, at = cg_input_columns_smiles(c);

    if (c->at[CG_COLUMN_CORRECTED])
        text = field(row, c->at[CG_COLUMN_CORRECTED] - 1, &len);
    if (!len && at)
        text = field(row, at - 1, &len);
    cg_input_fields_set_smiles(f, text, len);
    for (int kind = CG_COLUMN_NAME; kind <= CG_COLUMN_OTHER_NAME && !f->name.len; kind++)
        if (c->at[kind]) {
            text = field(row, c->at[kind] - 1, &len);
            cg_input_fields_set_name(f, text, len);
        }
    if (c->at[CG_COLUMN_COUNT]) {
        text = field(row, c->at[CG_COLUMN_COUNT] - 1, &len);
        cg_input_fields_set_count(f, text, len);
    }
}
