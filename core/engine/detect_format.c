/* SPDX-License-Identifier: MIT */
/*
 * The text format of a model whose confgen.json does not describe one. Tokens of the vocabulary
 * that stand for codes or bins tell their formats. The other formats are told apart by the
 * probability that the model gives to a known conformer's text in each of them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "chem/coordinate_frame.h"
#include "chem/enriched.h"
#include "decode/text_probability.h"
#include "engine/engine.h"

/* ---- by the vocabulary -------------------------------------------------------------------- */

static int has_added_token(const cg_engine *e, const char *text)
{
    int32_t id = cg_tokenizer_token_id(e->model.tokenizer, text, strlen(text));

    return id >= 0 && cg_tokenizer_is_added(e->model.tokenizer, id);
}

/* Formats whose numbers are added tokens: the first and the last of them. */
static const struct {
    const char *format, *first, *last;
} token_formats[] = {
    { "molgen-fsq", "<0>", "<4095>" },
    { "molgen-binned-258", "000", "257" },
    { "molgen-binned-13", "000", "249" },
};

enum { N_TOKEN_FORMATS = sizeof token_formats / sizeof *token_formats };

/* Index of the format whose numbers the vocabulary has, -1 without one. */
static int find_token_format(const cg_engine *e)
{
    for (int i = 0; i < N_TOKEN_FORMATS; i++)
        if (has_added_token(e, token_formats[i].first) && has_added_token(e, token_formats[i].last))
            return i;
    return -1;
}

static cg_status find_by_vocabulary(cg_engine *e, int *ret_found, cg_error *err)
{
    int i = find_token_format(e);

    *ret_found = i >= 0;
    if (i < 0)
        return CG_OK;
    snprintf(e->model.format_reason, sizeof e->model.format_reason,
             "the vocabulary has the added tokens %s to %s", token_formats[i].first,
             token_formats[i].last);
    return cg_conformer_format_named(token_formats[i].format, &e->model.weights->format.conformer,
                                     err);
}

/* ---- by probability ----------------------------------------------------------------------- */

/* Acetamide, centred: an atom with hydrogens that molgen-v2 states, and coordinates that end in
 * zeros. */
static const char known_smiles[] = "CC(N)=O";
static const double known_xyz[][3] = { { -1.3620, -0.2504, 0.0100 },
                                       { 0.0753, 0.2110, -0.0300 },
                                       { 1.0150, -0.7610, 0.0200 },
                                       { 0.3861, 1.4000, 0.0010 } };

/* Each in the frame of the known conformer and in that of the first atoms. */
static const struct {
    const char *format;
    int32_t decimals; /* 0: of the format */
} candidates[] = {
    { "molgen-v3", 4 }, { "molgen-v3", 3 },        { "molgen-v2", 4 },
    { "molgen-v1", 4 }, { "molgen-binned-21", 0 },
};

enum {
    N_CANDIDATES = 2 * sizeof candidates / sizeof *candidates,
    N_ATOMS = sizeof known_xyz / sizeof *known_xyz,
    MAX_IDS = 2048,
    N_NUMBERS = 3 * N_ATOMS,
};

/* The text of the best format must be likely, and likelier than that of the next one, by these
 * factors: e^-4 a token on average, and e^5. */
static const double least_per_token = -4, least_margin = 5;

struct candidate {
    cg_conformer_format format;
    int32_t ids[MAX_IDS]; /* prompt and completion */
    int32_t n, n_prompt;
    double score; /* log of the probability density of the coordinates */
    double per_token;
};

static cg_status append_ids(struct candidate *c, const int32_t *ids, size_t n, cg_error *err)
{
    if ((size_t)c->n + n > MAX_IDS)
        return cg_fail(err, CG_ERR_LIMIT, "text format: found more than %d tokens in a short text",
                       MAX_IDS);
    if (n)
        memcpy(c->ids + c->n, ids, n * sizeof *ids);
    c->n += (int32_t)n;
    return CG_OK;
}

static cg_status append_text(const cg_engine *e, struct candidate *c, const char *text,
                             cg_error *err)
{
    cg_tokens tokens = CG_TOKENS_INIT;
    cg_status st =
        cg_tokenizer_encode(e->model.tokenizer, NULL, text, strlen(text), 0, &tokens, err);

    if (st == CG_OK)
        st = append_ids(c, tokens.ids, tokens.n, err);
    cg_tokens_finish(&tokens);
    return st;
}

/* Writes the known conformer in the format of c, as a prompt and its completion. */
static cg_status write_candidate(const cg_engine *e, struct candidate *c, cg_error *err)
{
    const cg_format_config *f = &e->model.weights->format;
    const cg_prompt_tokens *around = &e->model.around_prompt;
    cg_enriched_split split = { 0 };
    double xyz[N_ATOMS][3];
    char body[1024], text[2048];
    size_t len;
    cg_status st;

    CG_TRY(cg_enriched_split_smiles(known_smiles, strlen(known_smiles), &c->format, &split, err));
    memcpy(xyz, known_xyz, sizeof xyz);
    CG_TRY_GOTO(st, cg_coordinate_frame_apply((cg_frame)c->format.frame, xyz, N_ATOMS, err), out);
    CG_TRY_GOTO(st,
                cg_enriched_write(&split, &c->format, (const double(*)[3])xyz, body, sizeof body,
                                  &len, err),
                out);
    CG_TRY_GOTO(st, append_ids(c, around->prefix, (size_t)around->n_prefix, err), out);
    snprintf(text, sizeof text, "%s%s%s", f->prompt_open, known_smiles, f->prompt_close);
    CG_TRY_GOTO(st, append_text(e, c, text, err), out);
    CG_TRY_GOTO(st, append_ids(c, around->suffix, (size_t)around->n_suffix, err), out);
    c->n_prompt = c->n;
    snprintf(text, sizeof text, "%s%s%s", f->completion_open, body, f->completion_close);
    st = append_text(e, c, text, err);
out:
    cg_enriched_split_finish(&split);
    return st;
}

/* Width in Å of the interval that a number stands for. */
static double number_width(const cg_number_format *f)
{
    return f->kind == CG_NUMBER_BIN ? f->edge[1] - f->edge[0] : pow(10, -f->decimals);
}

static cg_status score_candidates(cg_engine *e, struct candidate *c, cg_error *err)
{
    cg_text_scorer scorer = { .model = e->model.weights, .team = e->team, .host = &e->host.host };
    cg_scored_text texts[N_CANDIDATES];
    const cg_plugin *plugin;

    CG_TRY(cg_registry_find(e->registry, CG_PLUGIN_ATTENTION, "eager", &plugin, err));
    scorer.attention = plugin->ops;
    scorer.attention_name = plugin->name;
    CG_TRY(cg_registry_find(e->registry, CG_PLUGIN_CACHE, "dynamic", &plugin, err));
    scorer.cache = plugin->ops;
    scorer.cache_name = plugin->name;
    for (int i = 0; i < N_CANDIDATES; i++) {
        int32_t decimals = candidates[i / 2].decimals;

        CG_TRY(cg_conformer_format_named(candidates[i / 2].format, &c[i].format, err));
        if (decimals && decimals != c[i].format.number.decimals) {
            c[i].format.number.decimals = decimals;
            c[i].format.is_changed = 1;
        }
        if (i % 2)
            c[i].format.frame = CG_FRAME_FIRST_ATOMS;
        CG_TRY(write_candidate(e, &c[i], err));
        texts[i] = (cg_scored_text) { .ids = c[i].ids, .n_given = c[i].n_prompt, .n = c[i].n };
    }
    CG_TRY(cg_score_texts(&scorer, texts, N_CANDIDATES, err));
    for (int i = 0; i < N_CANDIDATES; i++) {
        c[i].per_token = texts[i].log_probability / (texts[i].n - texts[i].n_given);
        c[i].score = texts[i].log_probability - N_NUMBERS * log(number_width(&c[i].format.number));
    }
    return CG_OK;
}

/* "molgen-v3 with 3 decimals" */
static void describe_format(const cg_conformer_format *f, char ret[64])
{
    if (f->is_changed)
        snprintf(ret, 64, "%s with %d decimals", f->name, f->number.decimals);
    else
        snprintf(ret, 64, "%s", f->name);
}

/* Chooses the format of the greatest score, or molgen-v3 if that decides nothing. */
static void choose(cg_engine *e, const struct candidate *c)
{
    int best = 0, second = -1;
    char *reason = e->model.format_reason;
    size_t cap = sizeof e->model.format_reason;
    char best_name[64], second_name[64];

    for (int i = 1; i < N_CANDIDATES; i++)
        if (c[i].score > c[best].score)
            best = i;
    for (int i = 0; i < N_CANDIDATES; i++)
        if (i / 2 != best / 2 && (second < 0 || c[i].score > c[second].score))
            second = i;
    describe_format(&c[best].format, best_name);
    describe_format(&c[second].format, second_name);
    if (c[best].per_token < least_per_token) {
        snprintf(reason, cap,
                 "assumed: the model finds no format's text likely, at best e^%.1f a token in %s",
                 c[best].per_token, best_name);
    } else if (c[best].score - c[second].score < least_margin) {
        snprintf(reason, cap, "assumed: the model finds the texts of %s and %s equally likely",
                 best_name, second_name);
    } else {
        e->model.weights->format.conformer = c[best].format;
        snprintf(reason, cap, "the model finds its text e^%.0f times as likely as that of %s",
                 c[best].score - c[second].score, second_name);
    }
}

static cg_status find_by_probability(cg_engine *e, cg_error *err)
{
    struct candidate *c = calloc(N_CANDIDATES, sizeof *c);
    cg_status st;

    if (!c)
        return cg_fail_nomem(err, "text format");
    st = score_candidates(e, c, err);
    if (st == CG_OK)
        choose(e, c);
    free(c);
    return st;
}

/* A vocabulary with tokens for other numbers than those of confgen.json was trained on them. */
static void warn_of_vocabulary(cg_engine *e)
{
    int i = find_token_format(e);
    int32_t kind;

    if (i < 0)
        return;
    kind = token_formats[i].first[0] == '<' ? CG_NUMBER_CODE : CG_NUMBER_BIN;
    if (e->model.weights->format.conformer.number.kind != kind)
        cg_host_log(&e->host.host, CG_LOG_WARNING,
                    "model '%s': confgen.json names the text format %s, but the vocabulary has the "
                    "added tokens %s to %s of %s",
                    e->model.name, e->model.weights->format.conformer.name, token_formats[i].first,
                    token_formats[i].last, token_formats[i].format);
}

cg_status cg_engine_detect_format(cg_engine *e, cg_error *err)
{
    char name[64];
    int found;

    if (e->model.weights->format.has_format) {
        strcpy(e->model.format_reason, "confgen.json");
        warn_of_vocabulary(e);
        return CG_OK;
    }
    CG_TRY(find_by_vocabulary(e, &found, err));
    if (!found && !strncmp(e->model.name, "shape:", 6)) {
        strcpy(e->model.format_reason, "default: random weights");
        return CG_OK;
    }
    if (!found)
        CG_TRY(find_by_probability(e, err));
    describe_format(&e->model.weights->format.conformer, name);
    cg_host_log(&e->host.host, CG_LOG_WARNING,
                "model '%s': confgen.json names no text format; %s is used: %s", e->model.name,
                name, e->model.format_reason);
    return CG_OK;
}
