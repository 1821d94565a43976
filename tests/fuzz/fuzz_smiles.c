/* SPDX-License-Identifier: MIT */
/*
 * Lines of SMILES through RDKit, and on through the template of the molecule, with the default
 * model's tokenizer and the constraint `grammar`.
 *
 * A text is refused with a reason, or its canonical SMILES is a fixed point, its prompt decodes to
 * that SMILES, its program is well-formed, and the bounds and tests of its geometry are in order.
 */
#include <math.h>

#include "properties/subject.h"
#include "properties/tables_check.h"

#include "fuzz.h"

enum { RENEW = 20000 }; /* programs, before the tables of the constraint are made again */

static subject s;
static tables_facts facts;

static void open_subject(void)
{
    static int n_programs;

    if (n_programs++ % RENEW)
        return;
    if (n_programs == 1) {
        setenv("CONFGEN_SOURCE_ROOT", FUZZ_SOURCE_ROOT, 1);
        subject_open(&s, "default", NULL, FUZZ_GRAMMAR, "grammar");
        s.builder.geometry = CG_GEOMETRY_REPAIR;
    } else {
        subject_renew(&s);
        tables_facts_finish(&facts);
    }
    facts.automaton = s.automaton;
    facts.vocabulary = &s.vocabulary.vocabulary;
}

static void check_molecule(const cg_molecule *mol)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *again = NULL;
    size_t len;
    const char *smiles = cg_molecule_smiles(mol, &len);

    require(len == strlen(smiles) && len > 0);
    require(cg_molecule_n_heavy(mol) >= 1 && cg_molecule_n_heavy(mol) <= cg_molecule_n_atoms(mol));
    require(cg_molecule_n_fragments(mol) >= 1);
    require(cg_molecule_n_fragments(mol) <= cg_molecule_n_atoms(mol));
    require_ok(cg_molecule_parse(smiles, len, &again, &err), &err);
    require(!strcmp(cg_molecule_smiles(again, NULL), smiles));
    cg_molecule_destroy(again);
}

static void check_prompt(const cg_molecule_template *t)
{
    const char *smiles = cg_molecule_smiles(t->molecule, NULL);
    cg_error err = CG_ERROR_INIT;
    char wanted[4096], *text = NULL;
    size_t len = 0;
    int n;

    for (int32_t i = 0; i < t->n_prompt; i++)
        require(t->prompt[i] >= 0 && t->prompt[i] < cg_tokenizer_vocab_size(s.tokenizer));
    require_ok(
        cg_tokenizer_decode(s.tokenizer, t->prompt, (size_t)t->n_prompt, 0, &text, &len, &err),
        &err);
    n = snprintf(wanted, sizeof wanted, "%s%s%s", s.config.prompt_open, smiles,
                 s.config.prompt_close);
    require(n > 0 && (size_t)n == len && !strcmp(text, wanted));
    free(text);
}

static void check_geometry(const cg_geometry *g, int32_t n_atoms)
{
    size_t n_pairs = (size_t)n_atoms * (size_t)(n_atoms - 1) / 2;

    require(g->n_atoms == n_atoms && g->n_tests >= 0 && g->n_untested >= 0);
    require(g->first_centre >= 0 && g->first_centre <= n_atoms);
    for (size_t i = 0; i < n_pairs; i++) {
        require(g->low2[i] >= 0 && g->low2[i] <= g->high2[i] && isfinite(g->high2[i]));
        require(g->pair_cause[i] >= CG_CAUSE_NONE && g->pair_cause[i] < CG_CAUSES);
    }
    require(g->test_start[0] == 0 && g->test_start[n_atoms] == g->n_tests);
    for (int32_t a = 0; a < n_atoms; a++) {
        require(g->test_start[a] <= g->test_start[a + 1]);
        for (int32_t i = g->test_start[a]; i < g->test_start[a + 1]; i++) {
            const cg_geometry_test *t = &g->tests[i];

            require(t->low < t->high && t->cause > CG_CAUSE_NONE && t->cause < CG_CAUSES);
            require(t->kind >= CG_TEST_VOLUME && t->kind <= CG_TEST_ANGLE);
            for (int k = 0; k < 4; k++)
                if (k == 3 && t->kind == CG_TEST_ANGLE)
                    require(t->atom[k] == CG_NO_ATOM);
                else
                    require(t->atom[k] >= 0 && t->atom[k] <= a);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule_template t = { 0 };
    cg_status st;
    int32_t n_atoms;

    open_subject();
    st = cg_molecule_template_build(&s.builder, (const char *)data, size, &t, &err);
    if (st != CG_OK) {
        require_refusal(st, &err);
        require(!t.molecule);
        return 0;
    }
    n_atoms = (int32_t)cg_molecule_n_atoms(t.molecule);
    require(t.split.n_atoms == (size_t)n_atoms);
    check_molecule(t.molecule);
    check_prompt(&t);
    require(tables_learn(&facts, t.program, n_atoms));
    if (t.geometry)
        check_geometry(t.geometry, n_atoms);
    cg_molecule_template_finish(&t);
    return 0;
}
