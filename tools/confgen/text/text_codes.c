/* SPDX-License-Identifier: MIT */
/* Coordinates of a text's codes, by the decoder of a model. */
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/size.h"
#include "text.h"

enum { MAX_THREADS = 16 };

cg_status text_open_decoder(const char *model, const cg_conformer_format *format,
                            cg_code_decoder **ret_decoder, cg_error *err)
{
    int threads = cg_cpu_count();
    cg_status st;

    CG_TRY(cg_code_decoder_open(model, 0, format, ret_decoder, err));
    st = cg_code_decoder_add_cpu(*ret_decoder, threads < MAX_THREADS ? threads : MAX_THREADS, err);
    if (st != CG_OK) {
        cg_code_decoder_close(*ret_decoder);
        *ret_decoder = NULL;
    }
    return st;
}

/* Keeps the rows of tokens that are atoms: those in brackets. */
static void keep_atoms(const cg_enriched_split *split, const float (*rows)[3], double (*ret_xyz)[3])
{
    for (size_t i = 0; i < split->n_groups; i++)
        if (split->text[split->literal_at[i]] == '[') {
            for (int k = 0; k < 3; k++)
                (*ret_xyz)[k] = (double)rows[i][k];
            ret_xyz++;
        }
}

static cg_status decode(cg_code_decoder *decoder, const cg_enriched_split *split, cg_enriched *e,
                        cg_error *err)
{
    int32_t start[2] = { 0, (int32_t)split->n_groups }, *tokens = NULL;
    cg_fsq_batch batch = { .n = 1, .start = start, .code = e->codes };
    float(*rows)[3] = cg_alloc_array(split->n_groups, sizeof *rows);
    cg_status st;

    e->xyz = cg_alloc_array(e->n_atoms, sizeof *e->xyz);
    if (!rows || !e->xyz) {
        st = cg_fail_nomem(err, "codes");
        goto out;
    }
    CG_TRY_GOTO(st, cg_code_decoder_tokens(decoder, split, &tokens, err), out);
    batch.token = tokens;
    CG_TRY_GOTO(st, cg_code_decoder_run(decoder, &batch, rows, err), out);
    keep_atoms(split, (const float(*)[3])rows, e->xyz);
out:
    free(tokens);
    free(rows);
    return st;
}

cg_status text_decode_codes(cg_code_decoder *decoder, const cg_conformer_format *format,
                            cg_enriched *e, cg_error *err)
{
    cg_enriched_split split = { 0 };
    cg_status st;

    CG_TRY(cg_enriched_split_smiles(e->smiles, e->smiles_len, format, &split, err));
    st = decode(decoder, &split, e, err);
    cg_enriched_split_finish(&split);
    return st;
}
