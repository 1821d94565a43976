/* SPDX-License-Identifier: MIT */
#include "format/conformer_format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* ---- built-in formats --------------------------------------------------------------------- */

#define DECIMALS(...)                                                                              \
    {                                                                                              \
        .kind = CG_NUMBER_DECIMAL, .max_integer_digits = 2, .decimals = 4, __VA_ARGS__             \
    }

static const cg_conformer_format built_in[] = {
    { .name = "molgen-v1", .atom_text = CG_ATOM_BARE, .number = DECIMALS() },
    { .name = "molgen-v2", .atom_text = CG_ATOM_HYDROGENS, .number = DECIMALS(.strip_zeros = 1) },
    { .name = "molgen-v3", .number = DECIMALS() },
    { .name = "molgen-binned-21" },
    { .name = "molgen-binned-13", .frame = CG_FRAME_CENTRED, .prompt_is_plain = 1 },
    { .name = "molgen-binned-258",
      .frame = CG_FRAME_CENTRED,
      .open = "",
      .separator = "",
      .close = ";" },
    { .name = "molgen-fsq",
      .layout = CG_LAYOUT_TOKENS,
      .frame = CG_FRAME_CENTRED,
      .number = { .kind = CG_NUMBER_CODE, .n_values = 4096 } },
};

enum { N_BUILT_IN = sizeof built_in / sizeof *built_in };

/* Bins of one width: molgen-binned-258 has open ends, the others begin and end with a bin. */
static const struct {
    const char *name;
    double low, high;
    int32_t n_bins, has_open_ends;
} uniform_bins[] = {
    { "molgen-binned-21", -21, 21, 1000, 0 },
    { "molgen-binned-13", -13, 13, 250, 0 },
    { "molgen-binned-258", -10.574765862560271, 10.510156147575572, 256, 1 },
};

/* Index 0 is below the first edge. Without open ends there is no index above the last edge. */
static void set_uniform_bins(cg_number_format *f, double low, double high, int32_t n_bins,
                             int32_t has_open_ends)
{
    f->kind = CG_NUMBER_BIN;
    f->n_edges = n_bins + 1;
    f->n_values = n_bins + 1 + has_open_ends;
    for (int32_t i = 0; i <= n_bins; i++)
        f->edge[i] = low + (high - low) * i / n_bins;
}

/* As many digits as the last index has, at least three. */
static int32_t index_width(int32_t n_values)
{
    int32_t width = 3;

    for (int64_t limit = 1000; n_values > limit; limit *= 10)
        width++;
    return width;
}

const char *cg_conformer_format_name(int i)
{
    return i >= 0 && i < N_BUILT_IN ? built_in[i].name : NULL;
}

/* "molgen-v1, ..., molgen-fsq" */
static void list_names(char *ret, size_t cap)
{
    size_t n = 0;

    for (int i = 0; i < N_BUILT_IN && n < cap; i++)
        n += (size_t)snprintf(ret + n, cap - n, "%s%s", i ? ", " : "", built_in[i].name);
}

cg_status cg_conformer_format_named(const char *name, cg_conformer_format *ret, cg_error *err)
{
    cg_conformer_format f;
    char names[256];
    int i = 0;

    if (!strcmp(name, "enriched-smiles-v2"))
        name = "molgen-v3";
    while (i < N_BUILT_IN && strcmp(name, built_in[i].name))
        i++;
    if (i == N_BUILT_IN) {
        list_names(names, sizeof names);
        return cg_fail(err, CG_ERR_UNSUPPORTED, "format: found \"%.40s\", wanted %s%s", name, names,
                       strstr(name, "spherical")
                           ? ": the spherical form of early 2025 is not supported"
                           : " or an object that describes it");
    }
    f = built_in[i];
    if (strcmp(f.name, "molgen-binned-258")) {
        strcpy(f.open, "<");
        strcpy(f.close, ">");
        if (f.layout != CG_LAYOUT_TOKENS)
            strcpy(f.separator, ",");
    }
    for (size_t k = 0; k < sizeof uniform_bins / sizeof *uniform_bins; k++)
        if (!strcmp(f.name, uniform_bins[k].name)) {
            set_uniform_bins(&f.number, uniform_bins[k].low, uniform_bins[k].high,
                             uniform_bins[k].n_bins, uniform_bins[k].has_open_ends);
            /* The width counts the edges: 1000 of them have four digits. */
            f.number.width = index_width(uniform_bins[k].n_bins + 1);
        }
    *ret = f;
    return CG_OK;
}

/* ---- confgen.json ------------------------------------------------------------------------- */

/* A name and the value it stands for. */
struct choice {
    const char *name;
    int32_t value;
};

static const struct choice layouts[] = { { "atoms", CG_LAYOUT_ATOMS },
                                         { "smiles", CG_LAYOUT_SMILES },
                                         { "tokens", CG_LAYOUT_TOKENS } };
static const struct choice atom_texts[] = { { "bracketed", CG_ATOM_BRACKETED },
                                            { "bare", CG_ATOM_BARE },
                                            { "hydrogens", CG_ATOM_HYDROGENS } };
static const struct choice frames[] = { { "none", CG_FRAME_NONE },
                                        { "first-atoms", CG_FRAME_FIRST_ATOMS },
                                        { "centred", CG_FRAME_CENTRED } };
static const struct choice kinds[] = { { "decimal", CG_NUMBER_DECIMAL },
                                       { "integer", CG_NUMBER_INTEGER },
                                       { "bin", CG_NUMBER_BIN },
                                       { "code", CG_NUMBER_CODE } };
enum { PROMPT_ISOMERIC, PROMPT_PLAIN, PROMPT_AS_GIVEN };
static const struct choice prompts[] = { { "isomeric", PROMPT_ISOMERIC },
                                         { "plain", PROMPT_PLAIN },
                                         { "input", PROMPT_AS_GIVEN } };

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static cg_status read_choice(const cg_json *o, const char *key, const struct choice *choices, int n,
                             int32_t *ret, cg_error *err)
{
    const char *name = NULL;
    char wanted[128] = "";
    size_t len = 0;

    CG_TRY(cg_json_string(o, key, CG_JSON_OPTIONAL, &name, err));
    if (!name)
        return CG_OK;
    for (int i = 0; i < n; i++) {
        if (!strcmp(name, choices[i].name)) {
            *ret = choices[i].value;
            return CG_OK;
        }
        len += (size_t)snprintf(wanted + len, sizeof wanted - len, "%s\"%s\"",
                                i == 0       ? ""
                                : i == n - 1 ? " or "
                                             : ", ",
                                choices[i].name);
    }
    return cg_json_fail_unsupported(o, key, wanted, err);
}

static cg_status check_keys(const cg_json *o, const char *const *known, int n, cg_error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)o->node, key, value)
    {
        int i = 0;

        while (i < n && strcmp(key, known[i]))
            i++;
        if (i == n)
            return cg_fail(err, CG_ERR_FORMAT, "%s: %s: unknown key \"%.40s\"", o->file, o->path,
                           key);
    }
    return CG_OK;
}

/* Bytes of a mark: printable ASCII other than digits, which would run into the numbers. */
static cg_status copy_mark(const cg_json *o, const char *key, const json_t *v,
                           char ret[CG_MAX_MARK], cg_error *err)
{
    const char *text = json_string_value(v);
    size_t n = json_string_length(v);
    int ok = text && n < CG_MAX_MARK;

    for (size_t i = 0; ok && i < n; i++)
        ok = text[i] > ' ' && text[i] < 127 && !(text[i] >= '0' && text[i] <= '9');
    if (!ok)
        return cg_json_fail_wanted(o, key, "texts of at most 15 printable characters, no digits",
                                   err);
    memcpy(ret, text, n + 1);
    return CG_OK;
}

static cg_status read_marks(const cg_json *o, cg_conformer_format *f, cg_error *err)
{
    const json_t *list = cg_json_member(o, "marks"), *between = cg_json_member(o, "between");
    char *const marks[] = { f->open, f->separator, f->close };

    if (between)
        CG_TRY(copy_mark(o, "between", between, f->between, err));
    if (!list)
        return CG_OK;
    if (!json_is_array(list) || json_array_size(list) != 3)
        return cg_json_fail_wanted(
            o, "marks", "a list of the texts before, between and behind the numbers", err);
    for (size_t i = 0; i < 3; i++)
        CG_TRY(copy_mark(o, "marks", json_array_get(list, i), marks[i], err));
    return CG_OK;
}

/* "edges": a list of ascending numbers */
static cg_status read_edges(const cg_json *o, const json_t *list, cg_number_format *f,
                            cg_error *err)
{
    size_t n = json_array_size(list);

    if (!json_is_array(list) || n < 2 || n > CG_NUMBER_MAX_EDGES)
        return cg_json_fail_wanted(o, "edges", "a list of 2 to 1024 numbers", err);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);
        double edge = json_number_value(v);

        if (!json_is_number(v) || !(fabs(edge) < 1e4) || (i > 0 && !(edge > f->edge[i - 1])))
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: %s.edges: number %zu is not one above the number before it",
                           o->file, o->path, i + 1);
        f->edge[i] = edge;
    }
    f->n_edges = (int32_t)n;
    f->n_values = (int32_t)n + 1;
    f->width = index_width(f->n_values);
    return CG_OK;
}

/* "low", "high" and either "step" or "bins" */
static cg_status read_uniform_bins(const cg_json *o, cg_number_format *f, cg_error *err)
{
    double low = f->edge[0], high = f->n_edges ? f->edge[f->n_edges - 1] : 0, step = 0;
    int32_t n_bins = f->n_edges - 1, open_ends = f->n_values > f->n_edges;
    int required = f->n_edges ? CG_JSON_OPTIONAL : CG_JSON_REQUIRED;
    double count;

    CG_TRY(cg_json_real(o, "low", required, -1e4, 1e4, &low, err));
    CG_TRY(cg_json_real(o, "high", required, low, 1e4, &high, err));
    CG_TRY(cg_json_real(o, "step", CG_JSON_OPTIONAL, 1e-4, 1e4, &step, err));
    CG_TRY(cg_json_i32(o, "bins", CG_JSON_OPTIONAL, 1, CG_NUMBER_MAX_EDGES - 1, &n_bins, err));
    CG_TRY(cg_json_bool(o, "open_ends", CG_JSON_OPTIONAL, &open_ends, err));
    if (step > 0 && cg_json_member(o, "bins"))
        return cg_json_fail_wanted(o, "step", "either step or bins", err);
    if (step > 0) {
        count = ceil((high - low) / step - 1e-9);
        if (!(count >= 1 && count < CG_NUMBER_MAX_EDGES))
            return cg_json_fail_wanted(o, "step", "1 to 1023 bins between low and high", err);
        n_bins = (int32_t)count;
        high = low + step * n_bins; /* the last bin may end above */
    }
    if (n_bins < 1 || !(high > low))
        return cg_json_fail_wanted(o, "high", "a number above low, and step or bins", err);
    set_uniform_bins(f, low, high, n_bins, open_ends);
    f->width = index_width(n_bins + 1);
    return CG_OK;
}

static cg_status read_bins(const cg_json *o, cg_number_format *f, cg_error *err)
{
    const json_t *edges = cg_json_member(o, "edges");
    int32_t digits = 1;
    int open_ends = 1;

    CG_TRY(cg_json_bool(o, "open_ends", CG_JSON_OPTIONAL, &open_ends, err));
    if (edges && (!open_ends || cg_json_member(o, "low") || cg_json_member(o, "high") ||
                  cg_json_member(o, "step") || cg_json_member(o, "bins")))
        return cg_json_fail_wanted(
            o, "edges", "either edges, whose ends are open, or low, high, step, bins, open_ends",
            err);
    if (edges)
        CG_TRY(read_edges(o, edges, f, err));
    else
        CG_TRY(read_uniform_bins(o, f, err));
    CG_TRY(cg_json_i32(o, "width", CG_JSON_OPTIONAL, 0, 6, &f->width, err));
    for (int64_t limit = 10; f->n_values > limit; limit *= 10)
        digits++;
    if (f->width && f->width < digits)
        return cg_json_fail_wanted(o, "width", "at least the digits of the last bin", err);
    return CG_OK;
}

/* A member that belongs to another kind of number would be ignored. */
static cg_status check_kind_keys(const cg_json *o, int32_t kind, cg_error *err)
{
    static const struct {
        const char *key;
        unsigned kinds; /* bits */
    } members[] = {
        { "decimals", 1u << CG_NUMBER_DECIMAL },
        { "max_integer_digits", 1u << CG_NUMBER_DECIMAL | 1u << CG_NUMBER_INTEGER },
        { "strip_zeros", 1u << CG_NUMBER_DECIMAL },
        { "per_angstrom", 1u << CG_NUMBER_INTEGER },
        { "width", 1u << CG_NUMBER_INTEGER | 1u << CG_NUMBER_BIN },
        { "low", 1u << CG_NUMBER_BIN },
        { "high", 1u << CG_NUMBER_BIN },
        { "step", 1u << CG_NUMBER_BIN },
        { "bins", 1u << CG_NUMBER_BIN },
        { "edges", 1u << CG_NUMBER_BIN },
        { "open_ends", 1u << CG_NUMBER_BIN },
        { "codes", 1u << CG_NUMBER_CODE },
    };

    for (int i = 0; i < COUNT(members); i++)
        if (cg_json_member(o, members[i].key) && !(members[i].kinds & 1u << kind))
            return cg_json_fail_wanted(o, members[i].key,
                                       "nothing: numbers of this kind have no such member", err);
    return CG_OK;
}

/* "numbers": an object; members that are absent keep the values of the built-in format. */
static cg_status read_numbers(const cg_json *o, cg_number_format *f, cg_error *err)
{
    static const char *const known[] = { "kind",        "decimals",     "max_integer_digits",
                                         "strip_zeros", "per_angstrom", "width",
                                         "low",         "high",         "step",
                                         "bins",        "edges",        "open_ends",
                                         "codes" };
    int32_t kind = f->kind;

    CG_TRY(check_keys(o, known, COUNT(known), err));
    CG_TRY(read_choice(o, "kind", kinds, COUNT(kinds), &kind, err));
    CG_TRY(check_kind_keys(o, kind, err));
    if (kind != f->kind)
        *f = (cg_number_format) { .kind = kind, .max_integer_digits = 2, .decimals = 4 };
    switch (kind) {
    case CG_NUMBER_DECIMAL:
        CG_TRY(cg_json_i32(o, "decimals", CG_JSON_OPTIONAL, 1, 5, &f->decimals, err));
        CG_TRY(cg_json_i32(o, "max_integer_digits", CG_JSON_OPTIONAL, 1, 4, &f->max_integer_digits,
                           err));
        return cg_json_bool(o, "strip_zeros", CG_JSON_OPTIONAL, &f->strip_zeros, err);
    case CG_NUMBER_INTEGER:
        f->max_integer_digits = 4;
        CG_TRY(cg_json_i32(o, "per_angstrom", CG_JSON_REQUIRED, 1, 10000, &f->per_angstrom, err));
        CG_TRY(cg_json_i32(o, "max_integer_digits", CG_JSON_OPTIONAL, 1, 4, &f->max_integer_digits,
                           err));
        return cg_json_i32(o, "width", CG_JSON_OPTIONAL, 0, f->max_integer_digits, &f->width, err);
    case CG_NUMBER_BIN:
        return read_bins(o, f, err);
    default:
        f->n_values = f->n_values ? f->n_values : 4096;
        return cg_json_i32(o, "codes", CG_JSON_OPTIONAL, 2, CG_NUMBER_MAX_CODES, &f->n_values, err);
    }
}

static int shows_end_of_smiles(const char *between)
{
    char c = between[0];

    return c && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
           !strchr("%()-=#$:/\\.[]@+*", c);
}

static cg_status check_combination(const cg_json *o, const cg_conformer_format *f, cg_error *err)
{
    int codes = f->number.kind == CG_NUMBER_CODE;

    if (codes != (f->layout == CG_LAYOUT_TOKENS))
        return cg_json_fail_wanted(o, "layout", "\"tokens\" with codes, and no other with them",
                                   err);
    if (!f->separator[0] && !codes && !cg_number_has_fixed_width(&f->number))
        return cg_json_fail_wanted(o, "marks", "a text between numbers of different length", err);
    if (f->layout == CG_LAYOUT_ATOMS && !f->open[0] && !f->close[0] && f->atom_text == CG_ATOM_BARE)
        return cg_json_fail_wanted(o, "marks", "a text before or behind the numbers of an atom",
                                   err);
    if (f->layout == CG_LAYOUT_SMILES && !shows_end_of_smiles(f->between))
        return cg_json_fail_wanted(
            o, "between",
            "a text between the SMILES and the numbers whose first character "
            "no SMILES has",
            err);
    if (f->layout != CG_LAYOUT_SMILES && f->between[0])
        return cg_json_fail_wanted(o, "between", "nothing: the layout is not \"smiles\"", err);
    return CG_OK;
}

static cg_status read_object(const cg_json *o, cg_conformer_format *f, cg_error *err)
{
    static const char *const known[] = { "name",  "layout",  "atoms",         "frame",
                                         "marks", "between", "prompt_smiles", "numbers" };
    const char *name = "molgen-v3";
    const json_t *numbers = cg_json_member(o, "numbers");
    int32_t prompt;

    CG_TRY(check_keys(o, known, COUNT(known), err));
    CG_TRY(cg_json_string(o, "name", CG_JSON_OPTIONAL, &name, err));
    if (cg_conformer_format_named(name, f, err) != CG_OK)
        return cg_fail_prefix(err, CG_ERR_UNSUPPORTED, "%s", o->file);
    f->is_changed = json_object_size(o->node) > (cg_json_member(o, "name") != NULL);
    CG_TRY(read_choice(o, "layout", layouts, COUNT(layouts), &f->layout, err));
    CG_TRY(read_choice(o, "atoms", atom_texts, COUNT(atom_texts), &f->atom_text, err));
    CG_TRY(read_choice(o, "frame", frames, COUNT(frames), &f->frame, err));
    prompt = f->prompt_is_plain ? PROMPT_PLAIN : PROMPT_ISOMERIC;
    CG_TRY(read_choice(o, "prompt_smiles", prompts, COUNT(prompts), &prompt, err));
    f->prompt_is_plain = prompt == PROMPT_PLAIN;
    f->prompt_as_given = prompt == PROMPT_AS_GIVEN;
    CG_TRY(read_marks(o, f, err));
    if (numbers) {
        cg_json sub = { o->file, "format.numbers", numbers };

        if (!json_is_object(numbers))
            return cg_json_fail_wanted(o, "numbers", "an object", err);
        CG_TRY(read_numbers(&sub, &f->number, err));
    }
    return check_combination(o, f, err);
}

/* A member beside "format" and the same one in it would contradict each other. */
static cg_status check_twice(const cg_json *o, cg_error *err)
{
    static const char *const older[] = { "decimals", "max_integer_digits", "frame" };
    const json_t *format = cg_json_member(o, "format"), *numbers;

    if (!json_is_object(format))
        return CG_OK;
    numbers = json_object_get(format, "numbers");
    for (int i = 0; i < COUNT(older); i++)
        if (cg_json_member(o, older[i]) &&
            (json_object_get(format, older[i]) || json_object_get(numbers, older[i])))
            return cg_json_fail_wanted(o, older[i], "it once: \"format\" states it too", err);
    return CG_OK;
}

/* The members beside "format": they are older than the object and change decimals only. */
static cg_status read_older_members(const cg_json *o, cg_conformer_format *f, cg_error *err)
{
    int32_t frame = f->frame, decimals = f->number.decimals,
            max_integer_digits = f->number.max_integer_digits;

    CG_TRY(check_twice(o, err));
    CG_TRY(read_choice(o, "frame", frames, COUNT(frames), &frame, err));
    CG_TRY(cg_json_i32(o, "decimals", CG_JSON_OPTIONAL, 1, 5, &decimals, err));
    CG_TRY(cg_json_i32(o, "max_integer_digits", CG_JSON_OPTIONAL, 1, 4, &max_integer_digits, err));
    if ((cg_json_member(o, "decimals") || cg_json_member(o, "max_integer_digits")) &&
        f->number.kind != CG_NUMBER_DECIMAL)
        return cg_json_fail_wanted(o, "decimals", "nothing: the format's numbers are no decimals",
                                   err);
    if (frame != f->frame || decimals != f->number.decimals ||
        max_integer_digits != f->number.max_integer_digits)
        f->is_changed = 1;
    f->frame = frame;
    f->number.decimals = decimals;
    f->number.max_integer_digits = max_integer_digits;
    return CG_OK;
}

cg_status cg_conformer_format_read(const cg_json *o, cg_conformer_format *ret, cg_error *err)
{
    const json_t *v = cg_json_member(o, "format");
    cg_conformer_format f;

    if (json_is_object(v)) {
        CG_TRY(read_object(&(cg_json) { o->file, "format", v }, &f, err));
    } else if (!v || json_is_string(v)) {
        const char *name = v ? json_string_value(v) : "molgen-v3";

        if (cg_conformer_format_named(name, &f, err) != CG_OK)
            return cg_fail_prefix(err, CG_ERR_UNSUPPORTED, "%s", o->file);
    } else {
        return cg_json_fail_wanted(o, "format", "a name or an object", err);
    }
    CG_TRY(read_older_members(o, &f, err));
    *ret = f;
    return CG_OK;
}

/* ---- as text ------------------------------------------------------------------------------ */

static const char *choice_name(const struct choice *choices, int n, int32_t value)
{
    for (int i = 0; i < n; i++)
        if (choices[i].value == value)
            return choices[i].name;
    return "?";
}

void cg_conformer_format_text(const cg_conformer_format *f, char *ret_text, size_t cap)
{
    const cg_number_format *n = &f->number;
    double sum = 0; /* stands for the edges */

    for (int32_t i = 0; i < n->n_edges; i++)
        sum += n->edge[i] * (i + 1);
    snprintf(
        ret_text, cap,
        "%s%s layout=%s atoms=%s frame=%s marks=%s|%s|%s between=%s prompt=%s numbers=%s "
        "%d.%d%s width=%d per_angstrom=%d values=%d edges=%d:%.17g",
        f->name, f->is_changed ? " (changed)" : "", choice_name(layouts, COUNT(layouts), f->layout),
        choice_name(atom_texts, COUNT(atom_texts), f->atom_text),
        choice_name(frames, COUNT(frames), f->frame), f->open, f->separator, f->close, f->between,
        f->prompt_as_given   ? "input"
        : f->prompt_is_plain ? "plain"
                             : "isomeric",
        choice_name(kinds, COUNT(kinds), n->kind), n->max_integer_digits, n->decimals,
        n->strip_zeros ? " stripped" : "", n->width, n->per_angstrom, n->n_values, n->n_edges, sum);
}
