/* SPDX-License-Identifier: MIT */
#include "model_texts.h"

#include <confgen/tokenizer.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/size.h"
#include "chem/enriched.h"
#include "engine/paths.h"
#include "format/number_list.h"
#include "model/config_files.h"
#include "template/template.h"

/* Elements, charges, isotopes, hydrogens in brackets, stereo, rings to two digits, salts, sizes. */
static const char *const smiles[] = {
    "C",
    "CC",
    "CCO",
    "C#N",
    "O=C=O",
    "[NH4+].[Cl-]",
    "[Na+].CC(=O)[O-]",
    "c1ccccc1",
    "c1ccncc1",
    "c1cc[nH]c1",
    "c1ccsc1",
    "c1ccoc1",
    "c1c[nH]cn1",
    "C[C@H](N)C(=O)O",
    "C[C@@H](O)[C@H](C)N",
    "C/C=C/C",
    "C/C=C\\C",
    "F/C(Cl)=C(\\Br)I",
    "FC(F)(F)c1ccncc1",
    "BrCC[Si](C)(C)C",
    "CB(O)O",
    "CP(C)(C)=O",
    "COP(=O)(OC)OC",
    "CS(=O)(=O)c1ccccc1",
    "CS(C)=O",
    "C[Se]C",
    "ClC(Cl)(Cl)Cl",
    "[2H]C([2H])([2H])S",
    "[13CH3]C(=O)O",
    "C[N+](C)(C)C",
    "C[N+](=O)[O-]",
    "[O-][n+]1ccccc1",
    "C[S-]",
    "CN=[N+]=[N-]",
    "C1CC1",
    "C1CCC2(CC1)CCCCC2",
    "C1CC2CCC1C2",
    "C12C3C4C1C5C2C3C45",
    "O=C1NC(=O)C=C1",
    "CC(=O)Oc1ccccc1C(=O)O",
    "CC(C)Cc1ccc(cc1)C(C)C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "CC(=O)Nc1ccc(O)cc1",
    "CN1CCC[C@H]1c1cccnc1",
    "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O",
    "C[C@]12CC[C@H]3[C@@H](CCc4cc(O)ccc43)[C@@H]1CC[C@@H]2O",
    "CC1(C)S[C@@H]2[C@H](NC(=O)Cc3ccccc3)C(=O)N2[C@H]1C(=O)O",
    "COc1ccc2[nH]cc(CCNC(C)=O)c2c1",
    "CCCCCCCCCCCCCCCCCC(=O)O",
    "C1CCCCCCCCCCCCCC1",
    "O=C(O)c1ccccc1-c1c2ccc(=O)cc-2oc2cc(O)ccc12",
    "Clc1ccc(cc1)C(c1ccccc1)N1CCN(CC1)CCOCC(=O)O",
    "N#Cc1ccc(cc1)-c1ccc(cc1)C#N",
    "CC(C)(C)OC(=O)N[C@@H](Cc1ccccc1)[C@@H](O)CN",
    /* more than 100 atoms; isotopes beside ring closures of two digits */
    "CCCCCCCCCCCCCCCCCC(=O)OCC(COC(=O)CCCCCCCCCCCCCCCCC)OC(=O)"
    "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC",
    "N[C@@H](CCCC[NH3+])C(=O)N[C@@H](CC([O-])=O)C(=O)"
    "N[C@@H](CCCC[NH3+])C(=O)N[C@@H](CC([O-])=O)C(=O)"
    "N[C@@H](CCCC[NH3+])C(=O)N[C@@H](CC([O-])=O)C(=O)"
    "N[C@@H](CCCC[NH3+])C(=O)N[C@@H](CC([O-])=O)C(=O)"
    "N[C@@H](CCCC[NH3+])C(=O)N[C@@H](CC([O-])=O)C(=O)"
    "N[C@@H](CCCC[NH3+])C(=O)N[C@@H](CC([O-])=O)C(=O)"
    "N[C@@H](CCCC[NH3+])C(=O)O",
    "[13CH2]%10%11[13C@@H](O)C%12%13[14CH2]C%10(F)C%11C%12(Cl)C%13Br",
    "C1CC2CC3CC4CC5CC6CC7CC8CC9CC%10CC1C1C2C3C4C5C6C7C8C9C%101",
};

enum { N_SMILES = sizeof smiles / sizeof *smiles };

struct model_texts_parts {
    cg_format_config config;
    cg_tokenizer *tokenizer;
    cg_vocabulary_adapter vocabulary;
    cg_number_list numbers;
    cg_enriched_split split[N_SMILES];
    cg_range *literal[N_SMILES];
};

void model_texts_close(struct model_texts *t)
{
    struct model_texts_parts *p = t->parts;

    for (int32_t i = 0; p && i < N_SMILES; i++) {
        cg_enriched_split_finish(&p->split[i]);
        free(p->literal[i]);
    }
    if (p) {
        cg_number_list_finish(&p->numbers);
        cg_tokenizer_destroy(p->tokenizer);
    }
    free(p);
    free(t->molecules);
    free(t->smiles);
    *t = (struct model_texts) { 0 };
}

/* As a run opens them: core/engine/open_text.c. */
static cg_status open_format(struct model_texts *t, const char *model, cg_error *err)
{
    struct model_texts_parts *p = t->parts;
    const cg_format_config *f = &p->config;
    int has_end;

    if (!cg_file_exists(model))
        return cg_fail(err, CG_ERR_IO, "%s: no such folder, wanted a model", model);
    CG_TRY(cg_format_config_read(model, &p->config, err));
    CG_TRY(cg_tokenizer_load(model, &p->tokenizer, err));
    cg_vocabulary_init(&p->vocabulary, p->tokenizer, NULL);
    t->vocabulary = &p->vocabulary.vocabulary;
    has_end = f->has_end || cg_tokenizer_token_id(p->tokenizer, f->end, strlen(f->end)) >= 0;
    t->format = (cg_text_format) { CG_SIZED(cg_text_format), .begin = f->completion_open,
                                   .end = f->completion_close, .stop = has_end ? f->end : "",
                                   .max_new_tokens = 4096 };
    CG_TRY(cg_number_list_create(&f->conformer, &p->numbers, err));
    cg_text_format_set_numbers(&t->format, &f->conformer, &p->numbers);
    snprintf(t->name, sizeof t->name, "%s, format %s", model, f->conformer.name);
    return CG_OK;
}

/* Adds a molecule, unless the format cannot write it. */
static cg_status add(struct model_texts *t, const char *text, cg_error *err)
{
    struct model_texts_parts *p = t->parts;
    cg_enriched_split *split = &p->split[t->n];
    cg_range *literal;
    cg_status st = cg_enriched_split_smiles(text, strlen(text), &p->config.conformer, split, err);

    if (st != CG_OK)
        return st == CG_ERR_UNSUPPORTED ? CG_OK : st;
    literal = cg_alloc_array(split->n_groups + 1, sizeof *literal);
    if (!literal)
        return cg_fail_nomem(err, "molecules");
    for (size_t k = 0; k <= split->n_groups; k++)
        literal[k] = (cg_range) { split->literal_at[k], split->literal_at[k + 1] };
    p->literal[t->n] = literal;
    t->molecules[t->n] = (cg_literals) { CG_SIZED(cg_literals), .n_atoms = (int32_t)split->n_groups,
                                         .text = split->text, .literal = literal };
    t->smiles[t->n++] = text;
    return CG_OK;
}

static cg_status open_parts(struct model_texts *t, const char *model, cg_error *err)
{
    t->parts = calloc(1, sizeof *t->parts);
    t->molecules = calloc(N_SMILES, sizeof *t->molecules);
    t->smiles = calloc(N_SMILES, sizeof *t->smiles);
    if (!t->parts || !t->molecules || !t->smiles)
        return cg_fail_nomem(err, "molecules");
    CG_TRY(open_format(t, model, err));
    for (int32_t i = 0; i < N_SMILES; i++)
        CG_TRY(add(t, smiles[i], err));
    return CG_OK;
}

cg_status model_texts_open(const char *model, struct model_texts *texts, cg_error *err)
{
    char *folder = NULL;
    cg_status st;

    *texts = (struct model_texts) { 0 };
    if (!model) { /* constraints are checked over bytes only */
        if (cg_default_model_dir(&folder, NULL) == CG_OK &&
            open_parts(texts, folder, NULL) != CG_OK)
            model_texts_close(texts);
        free(folder);
        return CG_OK;
    }
    st = open_parts(texts, model, err);
    if (st != CG_OK)
        model_texts_close(texts);
    return st;
}
