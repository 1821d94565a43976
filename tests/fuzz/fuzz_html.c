/* SPDX-License-Identifier: MIT */
/*
 * The evaluation page with hostile texts. The input is split at byte 0 into paths, names and
 * SMILES. The page is well-formed and has the tags and attributes of a page with harmless texts.
 */
#include "eval/html.h"

#include "page_check.h"

enum { N_MOLECULES = 3, N_TEXTS = 2 + 2 * N_MOLECULES };

/* texts: paths of references and output, then name and SMILES of each molecule. The '?' before a
 * SMILES keeps it from being drawn, which would change the tags. */
static void put_page(const char *const *texts, cg_buf *out)
{
    float distances[2] = { 0.5F, 0.9F };
    cg_eval_molecule molecules[N_MOLECULES] = { 0 };
    char smiles[N_MOLECULES][64];
    cg_eval_result r = { .ref_path = (char *)texts[0],
                         .gen_path = (char *)texts[1],
                         .n_molecules = N_MOLECULES,
                         .molecules = molecules };
    cg_error err = CG_ERROR_INIT;

    r.settings = (cg_eval_settings) { .delta = 0.75, .max_maps = 1000, .checks = 1 };
    for (int i = 0; i < N_MOLECULES; i++) {
        cg_eval_molecule *m = &molecules[i];

        snprintf(smiles[i], sizeof smiles[i], "?%s", texts[3 + 2 * i]);
        m->name = (char *)texts[2 + 2 * i];
        m->smiles = smiles[i];
        m->n_heavy = 3;
        m->n_ref = 2;
        m->n_gen = i ? 2 : 0; /* the first one is missing */
        m->n_maps = 1;
        m->ref_min = m->gen_min = i ? distances : NULL;
        cg_eval_molecule_figures(m, r.settings.delta);
    }
    require_ok(cg_eval_summarize(&r, &err), &err);
    require_ok(cg_eval_write_html(&r, out, &err), &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cg_buf wanted; /* the tags of a page with harmless texts */
    const char *texts[N_TEXTS];
    char *copy = malloc(size + 1);
    cg_buf page = { 0 }, shape = { 0 };
    size_t at = 0;

    if (!wanted.len) {
        for (int i = 0; i < N_TEXTS; i++)
            texts[i] = "text";
        put_page(texts, &page);
        page_check(page.data, &wanted);
        cg_buf_clear(&page);
    }
    require(copy);
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    for (int i = 0; i < N_TEXTS; i++) {
        texts[i] = copy + at;
        at += strlen(copy + at);
        at += at < size;
        if (i >= 2 && i % 2 == 0 && !*texts[i])
            texts[i] = "unnamed"; /* the SMILES stands for an empty name */
    }
    put_page(texts, &page);
    page_check(page.data, &shape);
    require(shape.len == wanted.len && !memcmp(shape.data, wanted.data, shape.len));
    cg_buf_finish(&page);
    cg_buf_finish(&shape);
    free(copy);
    return 0;
}
