/* SPDX-License-Identifier: MIT */
#include "molecule_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "chem/enriched.h"
#include "io/input.h"
#include "../unit/format_made.h"
#include "subject.h"

/* Canonical SMILES of the set: a hash table of indices into items, with open addressing. */
struct known {
    int32_t *bucket; /* -1: free */
    uint32_t mask;
};

static uint32_t hash(const char *text)
{
    uint32_t h = 2166136261u;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 16777619u;
    return h ^ h >> 15;
}

/* Returns the bucket of a text, or the free bucket for it. */
static int32_t *find_bucket(const molecule_set *set, const struct known *known, const char *text)
{
    uint32_t at = hash(text) & known->mask;

    while (known->bucket[at] >= 0 && strcmp(set->items[known->bucket[at]].canonical, text))
        at = (at + 1) & known->mask;
    return &known->bucket[at];
}

static char *copy_text(const char *text, size_t len)
{
    char *copy = must_alloc(len + 1, 1);

    memcpy(copy, text, len);
    return copy;
}

static void count(molecule_set *set, const molecule *m, size_t n_atoms)
{
    uint32_t canonical = odd_features(m->canonical), input = odd_features(m->input);

    for (int i = 0; i < ODD_N_FEATURES; i++) {
        set->canonical_with[i] += (int32_t)(canonical >> i & 1);
        set->input_with[i] += (int32_t)(input >> i & 1);
    }
    set->atoms += (int64_t)n_atoms;
    if (set->n == 1 || (int32_t)n_atoms < set->min_atoms)
        set->min_atoms = (int32_t)n_atoms;
    if ((int32_t)n_atoms > set->max_atoms)
        set->max_atoms = (int32_t)n_atoms;
}

/* Adds a text if it is a supported molecule that is not in the set. @return whether it was added */
static int add(molecule_set *set, struct known *known, const char *text, size_t len, int odd)
{
    cg_enriched_split split = { 0 };
    cg_molecule *mol = NULL;
    cg_status st = cg_molecule_parse(text, len, &mol, NULL);
    int32_t *bucket;
    int added = 0;

    *(odd ? &set->tried_odd : &set->tried_listed) += 1;
    if (st != CG_OK) {
        *(st == CG_ERR_UNSUPPORTED ? &set->refused_unsupported
          : st == CG_ERR_LIMIT     ? &set->refused_limit
                                   : &set->refused_input) += 1;
        return 0;
    }
    bucket = find_bucket(set, known, cg_molecule_smiles(mol, NULL));
    if (*bucket >= 0) {
        set->duplicates++;
    } else if (cg_enriched_split_molecule(mol, format_of_decimals(4, 2), &split, NULL) != CG_OK) {
        set->refused_ambiguous++;
    } else {
        molecule *m = &set->items[set->n];
        size_t n_smiles;
        const char *smiles = cg_molecule_smiles(mol, &n_smiles);

        *m = (molecule) { copy_text(text, len), copy_text(smiles, n_smiles), odd };
        *bucket = set->n++;
        set->n_listed += !odd;
        count(set, m, cg_molecule_n_atoms(mol));
        added = 1;
    }
    cg_enriched_split_finish(&split);
    cg_molecule_destroy(mol);
    return added;
}

struct lines {
    char **text;
    size_t n, cap;
};

static void read_list(struct lines *lines, const char *path)
{
    cg_error err = CG_ERROR_INIT;
    cg_input_record record;
    cg_input *input = NULL;
    int more = 1;

    if (cg_input_open(path, NULL, &input, &err) != CG_OK) {
        fprintf(stderr, "%s\n", err.msg);
        exit(3);
    }
    while (cg_input_next(input, &record, &more, &err) == CG_OK && more) {
        if (lines->n == lines->cap) {
            lines->cap = lines->cap ? 2 * lines->cap : 1024;
            lines->text = realloc(lines->text, lines->cap * sizeof *lines->text);
            if (!lines->text)
                abort();
        }
        if (record.status == CG_OK)
            lines->text[lines->n++] = copy_text(record.smiles, record.smiles_len);
    }
    cg_input_close(input);
}

/* Adds up to n molecules sampled from a list without replacement; frees the list. */
static void add_sample(molecule_set *set, struct known *known, odd_random *random,
                       struct lines *lines, int32_t n)
{
    for (size_t left = lines->n; left > 0 && n > 0; left--) {
        size_t i = odd_below(random, (uint32_t)left);
        char *text = lines->text[i];

        n -= add(set, known, text, strlen(text), 0);
        lines->text[i] = lines->text[left - 1];
        lines->text[left - 1] = text;
    }
    for (size_t i = 0; i < lines->n; i++)
        free(lines->text[i]);
    free(lines->text);
    *lines = (struct lines) { 0 };
}

void molecule_set_init(molecule_set *set, int32_t n, uint64_t seed, const char *shared)
{
    static const char *const tree[] = { "data/geom_drugs_test.smi",
                                        "data/geom_drugs_test_corrected.smi" };
    odd_random random = { seed };
    struct known known = { NULL, 0 };
    struct lines lines = { 0 };
    char text[ODD_MAX];

    memset(set, 0, sizeof *set);
    set->items = must_alloc((size_t)n, sizeof *set->items);
    for (known.mask = 1; known.mask < 2 * (uint32_t)n; known.mask = 2 * known.mask + 1)
        ;
    known.bucket = must_alloc((size_t)known.mask + 1, sizeof *known.bucket);
    memset(known.bucket, 0xff, ((size_t)known.mask + 1) * sizeof *known.bucket);
    for (size_t i = 0; i < sizeof tree / sizeof *tree; i++) {
        char *path = source_path(tree[i]);

        read_list(&lines, path);
        free(path);
    }
    add_sample(set, &known, &random, &lines, n / 5);
    if (shared) {
        char *path = cg_path_join(shared, "data/training/train.smi.zst");

        if (cg_file_exists(path)) {
            read_list(&lines, path);
            add_sample(set, &known, &random, &lines, n / 5);
        }
        free(path);
    }
    while (set->n < n)
        add(set, &known, text, odd_molecule(&random, text), 1);
    free(known.bucket);
}

void molecule_set_finish(molecule_set *set)
{
    for (int32_t i = 0; i < set->n; i++) {
        free(set->items[i].input);
        free(set->items[i].canonical);
    }
    free(set->items);
    memset(set, 0, sizeof *set);
}

void molecule_set_print(const molecule_set *set)
{
    printf(
        "%d molecules, %d to %d atoms, %.1f on average: %d of %d from lists, %d of %d generated\n",
        set->n, set->min_atoms, set->max_atoms, (double)set->atoms / set->n, set->n_listed,
        set->tried_listed, set->n - set->n_listed, set->tried_odd);
    printf("not used: %d invalid, %d not supported, %d too long, %d ambiguous in brackets, %d "
           "duplicates\n",
           set->refused_input, set->refused_unsupported, set->refused_limit, set->refused_ambiguous,
           set->duplicates);
    printf("with feature (input / canonical):");
    for (int i = 0; i < ODD_N_FEATURES; i++)
        printf("%s %s %d/%d", i ? "," : "", odd_feature_name(i), set->input_with[i],
               set->canonical_with[i]);
    printf("\n");
}
