/* SPDX-License-Identifier: MIT */
/*
 * Enriched SMILES. The first byte selects the format. For every text that the strict parser
 * accepts, the reader must read it with the split of its SMILES, and the writer must reproduce it
 * byte for byte unless it has coordinates at the open ends of bins.
 */
#include <stddef.h>

#include "chem/enriched.h"

#include "../unit/format_made.h"
#include "fuzz.h"

static int has_open_ends(const cg_conformer_format *f)
{
    return f->number.kind == CG_NUMBER_BIN;
}

static void check_round_trip(const cg_conformer_format *f, const char *text, size_t len,
                             const cg_enriched *e)
{
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split split = { 0 };
    double(*xyz)[3];
    int32_t *codes;
    char *rewritten;
    size_t cap, out = 0;

    require(cg_enriched_split_smiles(e->smiles, e->smiles_len, f, &split, &err) == CG_OK);
    require(split.n_atoms == e->n_atoms);
    cap = cg_enriched_bound(&split);
    rewritten = malloc(cap);
    xyz = malloc(e->n_atoms * sizeof *xyz);
    codes = malloc(split.n_groups * sizeof *codes);
    require(rewritten && xyz && codes);
    if (e->codes) {
        require(split.n_groups == e->n_codes);
        require(cg_enriched_read_codes(&split, f, text, len, codes, &err) == CG_OK);
        require(memcmp(codes, e->codes, e->n_codes * sizeof *codes) == 0);
        require(cg_enriched_write_codes(&split, f, codes, rewritten, cap, &out, &err) == CG_OK);
    } else {
        require(cg_enriched_read(&split, f, text, len, xyz, &err) == CG_OK);
        require(memcmp(xyz, e->xyz, e->n_atoms * sizeof *xyz) == 0);
        require(cg_enriched_write(&split, f, (const double(*)[3])e->xyz, rewritten, cap, &out,
                                  &err) == CG_OK);
    }
    require(out == len);
    require(has_open_ends(f) || memcmp(rewritten, text, len) == 0);
    free(codes);
    free(xyz);
    free(rewritten);
    cg_enriched_split_finish(&split);
}

/* 3 and 4 decimals, the built-in formats, and coordinates behind the SMILES. */
static cg_conformer_format choose_format(uint8_t choice)
{
    cg_conformer_format f;

    if (choice < 2)
        return *format_of_decimals(3 + choice, 3);
    if (cg_conformer_format_name(choice - 2))
        return format_named(cg_conformer_format_name(choice - 2));
    f = format_named("molgen-v1");
    f.layout = CG_LAYOUT_SMILES;
    f.between[0] = '&';
    return f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    cg_enriched e = { 0 };
    const char *text = (const char *)data + 1;
    cg_conformer_format f;

    if (size < 1)
        return 0;
    f = choose_format(data[0] % 10);
    if (cg_enriched_parse(text, size - 1, &f, &e, &err) == CG_OK) {
        require(e.n_atoms > 0 && strlen(e.smiles) == e.smiles_len);
        check_round_trip(&f, text, size - 1, &e);
        cg_enriched_finish(&e);
    } else {
        require_refusal(err.code, &err);
    }
    return 0;
}
