/* SPDX-License-Identifier: MIT */
/*
 * Enriched SMILES. The first byte selects the number format. For every text that the strict parser
 * accepts, the writer must reproduce it byte for byte, and the reader must read it with the split
 * of its SMILES.
 */
#include <stddef.h>

#include "chem/enriched.h"

#include "fuzz.h"

static void check_round_trip(const char *text, size_t len, int decimals, const cg_enriched *e)
{
    cg_error err = CG_ERROR_INIT;
    cg_enriched_split split = { 0 };
    double(*xyz)[3];
    char *rewritten;
    size_t cap, out = 0;

    require(cg_enriched_split_smiles(e->smiles, e->smiles_len, &split, &err) == CG_OK);
    require(split.n_atoms == e->n_atoms);
    cap = cg_enriched_bound(&split, decimals, 3);
    rewritten = malloc(cap);
    xyz = malloc(e->n_atoms * sizeof *xyz);
    require(rewritten && xyz);
    require(cg_enriched_write(&split, (const double(*)[3])e->xyz, decimals, 3, rewritten, cap, &out,
                              &err) == CG_OK);
    require(out == len && memcmp(rewritten, text, len) == 0);
    require(cg_enriched_read(&split, text, len, decimals, 3, xyz, &err) == CG_OK);
    require(memcmp(xyz, e->xyz, e->n_atoms * sizeof *xyz) == 0);
    free(xyz);
    free(rewritten);
    cg_enriched_split_finish(&split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    cg_enriched e = { 0 };
    const char *text = (const char *)data + 1;
    int decimals;

    if (size < 1)
        return 0;
    decimals = data[0] % 3 == 0 ? 0 : 2 + data[0] % 3; /* 0 (any), 3 or 4 */
    if (cg_enriched_parse(text, size - 1, decimals, decimals ? 3 : 0, &e, &err) == CG_OK) {
        require(e.n_atoms > 0 && strlen(e.smiles) == e.smiles_len);
        if (decimals)
            check_round_trip(text, size - 1, decimals, &e);
        cg_enriched_finish(&e);
    } else {
        require_refusal(err.code, &err);
    }
    return 0;
}
