/* SPDX-License-Identifier: MIT */
/* The meaning of a constraint: which texts its sequences have, and which tokens. */
#include <stdlib.h>
#include <string.h>

#include "conformer_text.h"
#include "constraint_case.h"

enum {
    WALKS = 3,           /* random sequences of a molecule, beside first, last and longest ones */
    ENTRIES = 64,        /* entry states whose numbers are tested */
    SAMPLE = 300,        /* numbers of an entry state that are tested if there are too many */
    MAX_PATHS = 1 << 21, /* paths of an entry state that are all followed */
    MAX_TOTAL = 1 << 23, /* of all entry states */
    FIELD_TEXT = 512,    /* bytes */
    SHOWN = 160,         /* bytes of a text in a message */
};

/* ---- forced tokens ------------------------------------------------------------------------- */

static void check_forced(constraint_case *c, const number_texts *numbers, int32_t molecule)
{
    const cg_program *p = c->program[molecule];
    conformer_text text;
    uint32_t at = 0;
    int ok = 1;

    conformer_text_init(&text, numbers, c->format, &c->molecules[molecule]);
    for (int32_t f = 0; f <= p->n_fields && ok; f++) {
        char part[4096];
        uint32_t n = 0;

        for (int32_t i = p->forced_start[f]; i < p->forced_start[f + 1]; i++) {
            uint32_t len = 0;
            int32_t special;
            const char *bytes =
                c->vocabulary->token(c->vocabulary->ctx, p->forced_token[i], &len, &special);

            if (len > sizeof part - n) /* of a long literal, the start */
                break;
            memcpy(part + n, bytes, len);
            n += len;
        }
        ok = expect(c->rec, conformer_text_find(&text, part, n, &at),
                    "%s: forced tokens %d spell '%.*s', which is not the molecule's text there: "
                    "wanted a part of '%.*s'",
                    constraint_molecule(c, molecule), f, n < SHOWN ? (int)n : SHOWN, part, SHOWN,
                    c->molecules[molecule].text);
    }
    conformer_text_finish(&text);
}

void constraint_check_forced(constraint_case *c)
{
    number_texts numbers;

    if (constraint_open(c)) {
        number_texts_init(&numbers, c->format);
        for (int32_t i = 0; i < c->n_molecules; i++)
            if (c->program[i])
                check_forced(c, &numbers, i);
        number_texts_finish(&numbers);
    }
    constraint_close(c);
}

/* ---- whole sequences ----------------------------------------------------------------------- */

/* Byte `at` of the tokens from `token` on. */
static uint32_t start_of(const constraint_sequence *s, uint32_t token)
{
    return token ? s->end[token - 1] : 0;
}

/* Fields that belong to atoms contain their numbers. */
static int check_fields(constraint_case *c, const cg_program *p, const constraint_sequence *s,
                        const number_texts *numbers, const cg_range *number, const char *molecule)
{
    int32_t per = p->fields_per_atom ? numbers->per_literal / p->fields_per_atom : 0;

    if (p->fields_per_atom &&
        !expect(c->rec, per > 0, "%s: %d fields per atom, which has %d numbers", molecule,
                p->fields_per_atom, numbers->per_literal))
        return 0;
    for (int32_t f = 0; per && f < p->n_fields; f++) {
        uint32_t begin = start_of(s, s->field[f].begin), end = start_of(s, s->field[f].end);

        if (!expect(c->rec, begin <= number[f * per].begin && end >= number[f * per + per - 1].end,
                    "%s: field %d is '%.*s', wanted the number '%.*s' in it", molecule, f,
                    (int)(end - begin), s->text + begin,
                    (int)(number[f * per + per - 1].end - number[f * per].begin),
                    s->text + number[f * per].begin))
            return 0;
    }
    return 1;
}

/* Is a sequence the molecule's text, with numbers where the fields are? */
static int check_sequence(constraint_case *c, const number_texts *numbers, int32_t molecule,
                          enum constraint_selection selection)
{
    const char *name = constraint_molecule(c, molecule);
    const cg_program *p = c->program[molecule];
    constraint_sequence s;
    conformer_text text;
    cg_range *number;
    char why[512];
    int ok;

    conformer_text_init(&text, numbers, c->format, &c->molecules[molecule]);
    number = calloc((size_t)text.n_numbers + 1, sizeof *number);
    if (!number)
        abort();
    constraint_generate(c, p, selection, &s);
    ok = expect(c->rec, s.is_complete, "%s: no end within max_tokens, %d tokens", name,
                p->max_tokens);
    if (ok) {
        ok = conformer_text_parse(&text, s.text, s.len, number, why, sizeof why);
        ok = expect(c->rec, ok, "%s: a sequence spells '%.*s%s': %s", name, SHOWN, s.text,
                    s.len > SHOWN ? ".." : "", why) &&
             check_fields(c, p, &s, numbers, number, name);
    }
    constraint_sequence_finish(&s);
    free(number);
    conformer_text_finish(&text);
    return ok;
}

static int is_declared(const constraint_case *c)
{
    return (constraint_features(c) & CG_CONSTRAINT_EXACT) != 0;
}

static void for_each_sequence(constraint_case *c,
                              int (*check)(constraint_case *, const number_texts *, int32_t,
                                           enum constraint_selection))
{
    number_texts numbers;

    if (constraint_open(c)) {
        number_texts_init(&numbers, c->format);
        numbers.any_zero = !is_declared(c);
        for (int32_t i = 0; i < c->n_molecules; i++)
            for (int32_t k = 0; k < SELECT_ANY + test_rounds(c->rec, WALKS) && c->program[i]; k++)
                if (!check(c, &numbers, i, k < SELECT_ANY ? k : SELECT_ANY))
                    break;
        number_texts_finish(&numbers);
    }
    constraint_close(c);
}

/* Are the tokens of a sequence those into which its text is encoded? */
static int check_tokens(constraint_case *c, const number_texts *numbers, int32_t molecule,
                        enum constraint_selection selection)
{
    constraint_sequence s;
    cg_error err = CG_ERROR_INIT;
    int32_t *ids, n = 0, same = 0;
    cg_status st;
    int ok;

    (void)numbers;
    constraint_generate(c, c->program[molecule], selection, &s);
    ids = malloc(((size_t)s.len + 1) * sizeof *ids);
    if (!ids)
        abort();
    st = s.n_tokens ? c->vocabulary->encode(c->vocabulary->ctx, s.text, s.len, ids, NULL,
                                            (int32_t)s.len, &n, &err)
                    : CG_OK;
    while (same < n && same < s.n_tokens && ids[same] == s.token[same])
        same++;
    ok = expect(c->rec, st == CG_OK && n == s.n_tokens && same == n,
                "%s: '%.*s' has token %d at place %d, wanted token %d, as the tokenizer encodes "
                "it (%d tokens, wanted %d)",
                constraint_molecule(c, molecule), SHOWN, s.text ? s.text : "",
                same < s.n_tokens ? s.token[same] : -1, same, same < n ? ids[same] : -1, s.n_tokens,
                n);
    free(ids);
    constraint_sequence_finish(&s);
    return ok;
}

void constraint_check_canonical(constraint_case *c)
{
    for_each_sequence(c, check_tokens);
}

/* ---- numbers ------------------------------------------------------------------------------- */

/* A field: text before and behind its numbers, and what has been found of its paths. */
struct field {
    constraint_case *c;
    const number_texts *numbers;
    const char *name; /* of the molecule */
    int32_t index, entry, n_numbers;
    char before[FIELD_TEXT], behind[FIELD_TEXT];
    uint32_t n_before, n_behind;
    /* following all paths */
    char text[FIELD_TEXT];
    uint8_t *seen;   /* [numbers->count]; NULL: a number may have several paths, or none */
    int64_t n_paths; /* followed */
};

/* Number of paths from `state` that spell text[len]; stops at 2. */
static int count_paths(const struct field *f, int32_t state, const char *text, uint32_t len)
{
    const cg_automaton *a = f->c->automaton;
    int n = 0;

    for (int32_t i = a->row[state]; i < a->row[state + 1] && n < 2; i++) {
        uint32_t bytes = 0;
        int32_t special;
        const char *token =
            f->c->vocabulary->token(f->c->vocabulary->ctx, a->token[i], &bytes, &special);

        if (!bytes || bytes > len || memcmp(token, text, bytes))
            continue;
        if (a->next[i] == CG_EXIT)
            n += bytes == len;
        else
            n += count_paths(f, a->next[i], text + bytes, len - bytes);
    }
    return n;
}

/* Records whether `text` in place of the numbers has `wanted` paths. */
static int check_number(struct field *f, const char *text, int wanted)
{
    char whole[3 * FIELD_TEXT];
    int len = snprintf(whole, sizeof whole, "%.*s%s%.*s", (int)f->n_before, f->before, text,
                       (int)f->n_behind, f->behind);
    int found = count_paths(f, f->entry, whole, (uint32_t)len);

    return expect(f->c->rec, found == wanted, "%s, field %d: %s path%s for '%s', wanted %s",
                  f->name, f->index,
                  found == 0   ? "no"
                  : found == 1 ? "one"
                               : "several",
                  found == 1 ? "" : "s", text, wanted ? "exactly one" : "none: it is no number");
}

/* Records what is wrong with the text of a path to CG_EXIT. */
static int check_path(struct field *f, uint32_t len)
{
    uint32_t n = len - f->n_before - f->n_behind;
    const char *number = f->text + f->n_before;
    int64_t i = -1;
    int ok = len >= f->n_before + f->n_behind && !memcmp(f->text, f->before, f->n_before) &&
             !memcmp(f->text + len - f->n_behind, f->behind, f->n_behind);

    if (ok)
        i = number_index(f->numbers, number, n);
    if (i < 0)
        return expect(f->c->rec, 0,
                      "%s, field %d: a path spells '%.*s', wanted '%.*s' NUMBER '%.*s'", f->name,
                      f->index, (int)len, f->text, (int)f->n_before, f->before, (int)f->n_behind,
                      f->behind);
    if (f->seen && f->seen[i])
        return expect(f->c->rec, 0,
                      "%s, field %d: several paths for the number %.*s, wanted exactly one",
                      f->name, f->index, (int)n, number);
    if (f->seen)
        f->seen[i] = 1;
    return ++f->n_paths < MAX_PATHS;
}

/* Follows all paths from a state; text[len] led to it. Returns 0 after a failure. */
static int follow(struct field *f, int32_t state, uint32_t len)
{
    const cg_automaton *a = f->c->automaton;

    for (int32_t i = a->row[state]; i < a->row[state + 1]; i++) {
        uint32_t bytes = 0;
        int32_t special;
        const char *token =
            f->c->vocabulary->token(f->c->vocabulary->ctx, a->token[i], &bytes, &special);

        if (bytes >= sizeof f->text - len)
            return expect(f->c->rec, 0, "%s, field %d: a path spells more than %zu bytes", f->name,
                          f->index, sizeof f->text);
        memcpy(f->text + len, token, bytes);
        if (!(a->next[i] == CG_EXIT ? check_path(f, len + bytes)
                                    : follow(f, a->next[i], len + bytes)))
            return 0;
    }
    return 1;
}

/* Every path is a number, and every number has a path. */
static void check_all(struct field *f)
{
    char text[NUMBER_TEXT];
    int64_t i = 0;

    f->seen = calloc((size_t)f->numbers->count, 1);
    if (!f->seen)
        abort();
    if (follow(f, f->entry, 0)) {
        while (i < f->numbers->count && f->seen[i])
            i++;
        number_print(f->numbers, i < f->numbers->count ? i : 0, text);
        expect(f->c->rec, i == f->numbers->count,
               "%s, field %d: no path for the number %s, wanted exactly one "
               "(CG_CONSTRAINT_ALL_NUMBERS)",
               f->name, f->index, text);
    }
    free(f->seen);
    f->seen = NULL;
}

/* A number: next to powers of ten, then random ones and those at the ends. */
static int64_t sampled_number(struct field *f, int32_t i)
{
    int64_t count = f->numbers->count, half = (count + 1) / 2, ten = 1, index;

    for (int32_t k = 0; k < i / 4 && ten < count; k++)
        ten *= 10;
    index = ten - i % 2 + (i % 4 < 2 ? 0 : half - 1); /* 1, 0, -1, 9, 10, -9, -10, .. */
    if (index < count)
        return index;
    return i % 8    ? (int64_t)(random_u64(f->c->rec) % (uint64_t)count)
           : i % 16 ? count - 1
                    : half - 1;
}

static void check_sample(struct field *f)
{
    for (int32_t i = 0; i < SAMPLE; i++) {
        char text[3 * (NUMBER_TEXT + FIELD_TEXT)];
        size_t len = 0;

        for (int32_t k = 0; k < f->n_numbers; k++) {
            char number[NUMBER_TEXT];

            number_print(f->numbers, sampled_number(f, k ? random_in(f->c->rec, 0, SAMPLE) : i),
                         number);
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s",
                                    k ? f->numbers->separator : "", number);
        }
        if (!check_number(f, text, 1))
            return;
    }
}

/* Every path is a number. */
static void check_paths_of(struct field *f, int64_t *n_paths)
{
    if (f->n_numbers == 1 && *n_paths < MAX_TOTAL) {
        (void)follow(f, f->entry, 0);
        *n_paths += f->n_paths;
    }
}

static void check_numbers_of(struct field *f, int64_t *n_paths)
{
    if (f->n_numbers == 1 && f->numbers->count <= MAX_PATHS && *n_paths < MAX_TOTAL) {
        *n_paths += f->numbers->count;
        check_all(f);
    } else {
        check_sample(f);
    }
}

/* Texts like numbers, which are none. */
static void check_no_numbers_of(struct field *f, int64_t *n_paths)
{
    const number_texts *n = f->numbers;
    char text[5][NUMBER_TEXT];

    (void)n_paths;
    if (f->n_numbers != 1 || n->listed)
        return;
    snprintf(text[0], sizeof text[0], "-0.%0*d", n->decimals, 0);
    snprintf(text[1], sizeof text[1], "-0");
    snprintf(text[2], sizeof text[2], "01.%0*d", n->decimals, 1);
    snprintf(text[3], sizeof text[3], "1%0*d.%0*d", n->max_integer_digits, 1, n->decimals, 1);
    snprintf(text[4], sizeof text[4], "1.%0*d", n->decimals + 1, 1);
    for (int i = 0; i < 5; i++)
        if (!check_number(f, text[i], 0))
            return;
}

/* Copies the text around the numbers of a field from a sequence. @return 0 if it is too long */
static int find_text_around(struct field *f, const constraint_sequence *s, const cg_range *number)
{
    uint32_t begin = start_of(s, s->field[f->index].begin);
    uint32_t end = start_of(s, s->field[f->index].end);
    int32_t first = f->index * f->n_numbers, last = first + f->n_numbers - 1;

    f->n_before = number[first].begin - begin;
    f->n_behind = end - number[last].end;
    if (f->n_before >= FIELD_TEXT || f->n_behind >= FIELD_TEXT)
        return 0;
    memcpy(f->before, s->text + begin, f->n_before);
    memcpy(f->behind, s->text + number[last].end, f->n_behind);
    return 1;
}

/* Has an earlier field of this or another molecule the same entry state? */
static int is_known(const int32_t *entries, int32_t n, int32_t entry)
{
    while (n > 0 && entries[n - 1] != entry)
        n--;
    return n > 0;
}

/* Entry states that have been checked. */
struct entries {
    int32_t state[ENTRIES], n;
    int64_t n_paths; /* followed */
};

/* Checks the fields of a molecule whose entry states are new. */
static void check_fields_of(constraint_case *c, const number_texts *numbers, int32_t molecule,
                            void (*check)(struct field *, int64_t *), struct entries *e)
{
    const cg_program *p = c->program[molecule];
    constraint_sequence s;
    conformer_text text;
    cg_range *number;
    char why[512];

    conformer_text_init(&text, numbers, c->format, &c->molecules[molecule]);
    number = calloc((size_t)text.n_numbers + 1, sizeof *number);
    if (!number)
        abort();
    constraint_generate(c, p, SELECT_FIRST, &s);
    if (expect(c->rec, s.is_complete && p->fields_per_atom,
               "%s: the fields are not those of atoms (fields_per_atom %d)",
               constraint_molecule(c, molecule), p->fields_per_atom) &&
        expect(c->rec, conformer_text_parse(&text, s.text, s.len, number, why, sizeof why),
               "%s: a sequence spells '%.*s': %s", constraint_molecule(c, molecule), SHOWN, s.text,
               why) &&
        check_fields(c, p, &s, numbers, number, constraint_molecule(c, molecule)))
        for (int32_t i = 0; i < p->n_fields && e->n < ENTRIES; i++) {
            struct field f = { .c = c,
                               .numbers = numbers,
                               .index = i,
                               .entry = p->entry[i],
                               .name = constraint_molecule(c, molecule),
                               .n_numbers = numbers->per_literal / p->fields_per_atom };

            if (is_known(e->state, e->n, f.entry))
                continue;
            e->state[e->n++] = f.entry;
            if (find_text_around(&f, &s, number))
                check(&f, &e->n_paths);
        }
    constraint_sequence_finish(&s);
    free(number);
    conformer_text_finish(&text);
}

static void check_entries(constraint_case *c, void (*check)(struct field *, int64_t *))
{
    struct entries e = { .n = 0 };
    number_texts numbers;

    if (constraint_open(c)) {
        number_texts_init(&numbers, c->format);
        numbers.any_zero = !is_declared(c);
        for (int32_t i = 0; i < c->n_molecules && e.n < ENTRIES && !c->rec->bad; i++)
            if (c->program[i])
                check_fields_of(c, &numbers, i, check, &e);
        number_texts_finish(&numbers);
    }
    constraint_close(c);
}

void constraint_check_numbers(constraint_case *c)
{
    check_entries(c, check_numbers_of);
}

void constraint_check_exact(constraint_case *c)
{
    for_each_sequence(c, check_sequence);
    if (is_declared(c))
        check_entries(c, check_no_numbers_of);
    else
        check_entries(c, check_paths_of);
}
