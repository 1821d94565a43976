/* SPDX-License-Identifier: MIT */
/* confgen text write FILE.sdf: the training text of each conformer. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_text.h"
#include "base/size.h"
#include "check/checker.h"
#include "chem/coordinate_frame.h"
#include "chem/enriched.h"
#include "eval/conformers.h"
#include "text.h"

static const struct command_option options[] = {
    TEXT_FORMAT_OPTIONS,
    { "jsonl", 'j', NULL,
      "lines {\"canonical_smiles\": ..., \"embedded_smiles\": ...} without tags" },
};

const struct command_page page_text_write = {
    .name = "text write",
    .summary = "write the training text of conformers",
    .usage = "confgen text write FILE.sdf [--format NAME|FILE.json | --model DIR] [--jsonl]\n",
    .text = "Writes the training text of each conformer on a line of its own: the prompt with its "
            "tags, then the conformer with its tags and the end text. FILE: an SDF, plain, .gz or "
            ".zst; - is standard input. Hydrogens that the SMILES does not have are left out.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes = "In the frame `none`, coordinates are relative to the mean of the record's "
             "atoms.\n\nExit status: 0; 1 if a conformer was left out, with its reason on standard "
             "error; 3 if FILE cannot be read.",
};

struct writer {
    cg_format_config format;
    int as_json;
    int64_t n_left_out;
};

/* Buffers of a molecule. */
struct molecule_text {
    cg_enriched_split split;
    cg_checker *checker;
    char *prompt;    /* SMILES of the prompt */
    float (*xyz)[3]; /* [atoms] in the order of the SMILES */
    double (*placed)[3];
    char *text; /* [cg_enriched_bound()] */
};

static void finish(struct molecule_text *t)
{
    cg_enriched_split_finish(&t->split);
    cg_checker_destroy(t->checker);
    free(t->prompt);
    free(t->xyz);
    free(t->placed);
    free(t->text);
}

static cg_status prepare(const cg_format_config *f, const cg_conformers *m, struct molecule_text *t,
                         cg_error *err)
{
    size_t n = cg_molecule_n_atoms(m->mol);

    CG_TRY(cg_enriched_split_molecule(m->mol, &f->conformer, &t->split, err));
    CG_TRY(cg_checker_create(m->mol, &t->checker, err));
    if (f->conformer.prompt_is_plain)
        CG_TRY(cg_molecule_plain_smiles(m->mol, &t->prompt, err));
    else
        t->prompt = strdup(m->smiles);
    t->xyz = cg_alloc_array(n, sizeof *t->xyz);
    t->placed = cg_alloc_array(n, sizeof *t->placed);
    t->text = malloc(cg_enriched_bound(&t->split));
    return t->prompt && t->xyz && t->placed && t->text ? CG_OK : cg_fail_nomem(err, "text");
}

/* Merges heavy atoms and hydrogens of conformer c into the order of the SMILES. */
static void gather(const cg_conformers *m, size_t c, float (*ret_xyz)[3])
{
    const cg_smiles *graph = cg_molecule_graph(m->mol);
    const float(*heavy)[3] = (const float(*)[3])m->xyz + c * m->n_atoms;
    const float(*hydrogens)[3] = (const float(*)[3])m->hydrogens + c * m->n_hydrogens;

    for (size_t i = 0; i < graph->n_atoms; i++)
        memcpy(ret_xyz[i], graph->atoms[i].element == 1 ? *hydrogens++ : *heavy++, sizeof *ret_xyz);
}

/*
 * A record is matched to its SMILES without stereo; the text would then state a configuration that
 * its coordinates do not have.
 */
static cg_status check_stereo(const struct molecule_text *t, cg_error *err)
{
    cg_verdict v;

    CG_TRY(cg_checker_run(t->checker, (const float(*)[3])t->xyz, &v, err));
    if (v.failed >> CG_CHECK_STEREO & 1)
        return cg_fail(err, CG_ERR_INPUT,
                       "its coordinates have another configuration than its "
                       "SMILES");
    return CG_OK;
}

static cg_status print_text(const struct writer *w, const struct molecule_text *t, cg_error *err)
{
    const cg_format_config *f = &w->format;
    json_t *line;
    char *dump;

    if (!w->as_json) {
        printf("%s%s%s%s%s%s%s\n", f->prompt_open, t->prompt, f->prompt_close, f->completion_open,
               t->text, f->completion_close, f->end);
        return CG_OK;
    }
    line = json_pack("{s:o, s:o}", "canonical_smiles", cg_json_text(t->prompt), "embedded_smiles",
                     cg_json_text(t->text));
    dump = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!dump)
        return cg_fail_nomem(err, "text");
    puts(dump);
    free(dump);
    return CG_OK;
}

static cg_status write_conformer(const struct writer *w, const cg_conformers *m, size_t c,
                                 struct molecule_text *t, cg_error *err)
{
    const cg_conformer_format *f = &w->format.conformer;
    size_t n = cg_molecule_n_atoms(m->mol), len;

    gather(m, c, t->xyz);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            t->placed[i][k] = (double)t->xyz[i][k];
    CG_TRY(cg_coordinate_frame_apply((cg_frame)f->frame, t->placed, n, err));
    CG_TRY(check_stereo(t, err));
    CG_TRY(cg_enriched_write(&t->split, f, (const double(*)[3])t->placed, t->text,
                             cg_enriched_bound(&t->split), &len, err));
    return print_text(w, t, err);
}

static cg_status write_molecule(struct writer *w, const cg_conformers *m, cg_error *err)
{
    struct molecule_text t = { 0 };
    cg_status st = prepare(&w->format, m, &t, err);

    if (st != CG_OK && st != CG_ERR_NOMEM) {
        message("molecule '%s': %zu conformers left out: %s", m->name, m->n, err->msg);
        w->n_left_out += (int64_t)m->n;
        st = CG_OK;
    } else {
        for (size_t c = 0; st == CG_OK && c < m->n; c++) {
            st = write_conformer(w, m, c, &t, err);
            if (st == CG_OK || st == CG_ERR_NOMEM)
                continue;
            message("molecule '%s', conformer %zu: left out: %s", m->name, c + 1, err->msg);
            w->n_left_out++;
            st = CG_OK;
        }
    }
    finish(&t);
    return st;
}

static cg_status write_file(struct writer *w, const char *path, cg_error *err)
{
    cg_conformer_file file = { 0 };
    cg_status st = CG_OK;

    CG_TRY(cg_conformer_file_read(path, CG_KEEP_TEXT_HYDROGENS, 1, &file, err));
    for (size_t i = 0; st == CG_OK && i < file.n_molecules; i++)
        st = write_molecule(w, &file.molecules[i], err);
    if (st == CG_OK && file.n_broken) {
        message("%zu records left out: %s", file.n_broken, file.first_broken_reason);
        w->n_left_out += (int64_t)file.n_broken;
    }
    cg_conformer_file_finish(&file);
    return st;
}

int text_write(int argc, char **argv)
{
    struct text_options chosen = { 0 };
    struct writer w = { 0 };
    cg_error err = CG_ERROR_INIT;
    int option;

    command_name = "text write";
    while ((option = next_option(argc, argv, &page_text_write)) != -1)
        if (!text_option(&chosen, option, optarg))
            w.as_json = 1;
    if (text_open_format(&chosen, &w.format, &err) != CG_OK)
        return report_error(&err);
    if (w.format.conformer.layout == CG_LAYOUT_TOKENS)
        usage_error("the format %s: its codes come from an encoder that confgen does not have",
                    w.format.conformer.name);
    if (write_file(&w, single_operand(argc, argv, "FILE.sdf"), &err) != CG_OK)
        return report_error(&err);
    return w.n_left_out ? EXIT_SOME_FAILED : EXIT_OK;
}
