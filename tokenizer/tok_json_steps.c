/* SPDX-License-Identifier: MIT */
#include "tok_json_steps.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tok_chars.h"
#include "tok_class_patterns.h"
#include "tok_load.h"
#include "tok_text.h"

#define MAX_DEPTH 8 /* of nested Sequences */

static const char *type_of(const json_t *part)
{
    const char *type = json_string_value(json_object_get(part, "type"));

    return type ? type : "(none)";
}

static cg_status fail_depth(cg_error *err)
{
    return cg_fail(err, CG_ERR_FORMAT, "Sequence without a list, or deeper than %d", MAX_DEPTH);
}

/* ---- patterns ------------------------------------------------------------------------------- */

/* {"Regex": text} or {"String": text}. */
static cg_status load_pattern(const json_t *pattern, const char *step, cg_pattern **ret,
                              cg_error *err)
{
    const json_t *regex = json_object_get(pattern, "Regex");
    const json_t *string = json_object_get(pattern, "String");
    const json_t *text = regex ? regex : string;

    if (!json_is_string(text) || (regex && string))
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: pattern is neither {\"Regex\": text} nor {\"String\": text}", step);
    return cg_pattern_create(json_string_value(text), json_string_length(text), !regex, ret, err);
}

static cg_status load_behavior(const json_t *part, const char *step, const char *otherwise,
                               enum cg_split_behavior *ret, cg_error *err)
{
    static const struct {
        const char *name;
        enum cg_split_behavior behavior;
    } behaviors[] = {
        { "Isolated", CG_SPLIT_ISOLATED },
        { "Removed", CG_SPLIT_REMOVED },
        { "MergedWithPrevious", CG_SPLIT_MERGED_BEFORE },
        { "MergedWithNext", CG_SPLIT_MERGED_AFTER },
        { "Contiguous", CG_SPLIT_CONTIGUOUS },
    };
    const char *name = json_string_value(json_object_get(part, "behavior"));

    name = name ? name : otherwise;
    for (size_t i = 0; name && i < sizeof behaviors / sizeof behaviors[0]; i++)
        if (!strcmp(name, behaviors[i].name)) {
            *ret = behaviors[i].behavior;
            return CG_OK;
        }
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "%s: behavior '%.40s' is not supported; Isolated, Removed, MergedWithPrevious, "
                   "MergedWithNext and Contiguous are",
                   step, name ? name : "(none)");
}

cg_status cg_load_split(cg_split *split, const json_t *part, cg_error *err)
{
    const json_t *pattern = json_object_get(part, "pattern");
    cg_split s = { 0 };

    CG_TRY(cg_load_bool(part, "Split", "invert", 1, &s.invert, err));
    CG_TRY(load_behavior(part, "Split", NULL, &s.behavior, err));
    CG_TRY(load_pattern(pattern, "Split", &s.pattern, err));
    *split = s;
    return CG_OK;
}

/* ---- normalizers ---------------------------------------------------------------------------- */

static cg_status add_normalizer(cg_normalizer *n, enum cg_normalizer_kind kind,
                                cg_normalizer_step **ret, cg_error *err)
{
    if (n->n == CG_NORMALIZER_STEPS)
        return cg_fail(err, CG_ERR_LIMIT, "found more than %d steps", CG_NORMALIZER_STEPS);
    *ret = &n->steps[n->n++];
    (*ret)->kind = kind;
    return CG_OK;
}

static cg_status add_form(cg_normalizer *n, enum cg_normal_form form, cg_error *err)
{
    cg_normalizer_step *step = NULL;

    CG_TRY(add_normalizer(n, CG_NORMALIZE_FORM, &step, err));
    step->form = form;
    return CG_OK;
}

static cg_status set_content(cg_normalizer_step *step, const json_t *part, const char *key,
                             cg_error *err)
{
    const json_t *text = json_object_get(part, key);

    if (!json_is_string(text))
        return cg_fail(err, CG_ERR_FORMAT, "%.40s: '%s' is missing or not a string", type_of(part),
                       key);
    step->content = strdup(json_string_value(text));
    step->content_len = json_string_length(text);
    return step->content ? CG_OK : cg_fail_nomem(err, "normalizer");
}

static cg_status load_bert(cg_normalizer *n, const json_t *part, cg_error *err)
{
    int clean = 1, chinese = 1, lower = 1, accents;
    const json_t *strip = json_object_get(part, "strip_accents");
    cg_normalizer_step *step = NULL;

    CG_TRY(cg_load_bool(part, "BertNormalizer", "clean_text", 1, &clean, err));
    CG_TRY(cg_load_bool(part, "BertNormalizer", "handle_chinese_chars", 1, &chinese, err));
    CG_TRY(cg_load_bool(part, "BertNormalizer", "lowercase", 1, &lower, err));
    accents = json_is_boolean(strip) ? json_is_true(strip) : lower;
    if (clean)
        CG_TRY(add_normalizer(n, CG_NORMALIZE_BERT_CLEAN, &step, err));
    if (chinese)
        CG_TRY(add_normalizer(n, CG_NORMALIZE_BERT_CHINESE, &step, err));
    if (accents) {
        CG_TRY(add_form(n, CG_FORM_D, err));
        CG_TRY(add_normalizer(n, CG_NORMALIZE_BERT_ACCENTS, &step, err));
    }
    return lower ? add_normalizer(n, CG_NORMALIZE_LOWERCASE, &step, err) : CG_OK;
}

static int is_blank(const json_t *text)
{
    return json_is_string(text) && !strcmp(json_string_value(text), " ");
}

static cg_status load_one_normalizer(cg_normalizer *n, const json_t *part, const char *type,
                                     cg_error *err)
{
    static const struct {
        const char *type;
        enum cg_normal_form form;
    } forms[] = {
        { "NFC", CG_FORM_C }, { "NFD", CG_FORM_D }, { "NFKC", CG_FORM_KC }, { "NFKD", CG_FORM_KD }
    };
    cg_normalizer_step *step = NULL;

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (!strcmp(type, forms[i].type))
            return add_form(n, forms[i].form, err);
    if (!strcmp(type, "Lowercase"))
        return add_normalizer(n, CG_NORMALIZE_LOWERCASE, &step, err);
    if (!strcmp(type, "StripAccents"))
        return add_normalizer(n, CG_NORMALIZE_STRIP_ACCENTS, &step, err);
    if (!strcmp(type, "ByteLevel"))
        return add_normalizer(n, CG_NORMALIZE_BYTE_LEVEL, &step, err);
    if (!strcmp(type, "BertNormalizer"))
        return load_bert(n, part, err);
    if (!strcmp(type, "Strip")) {
        CG_TRY(add_normalizer(n, CG_NORMALIZE_STRIP, &step, err));
        CG_TRY(cg_load_bool(part, "Strip", "strip_left", 1, &step->left, err));
        return cg_load_bool(part, "Strip", "strip_right", 1, &step->right, err);
    }
    if (!strcmp(type, "Replace")) {
        CG_TRY(add_normalizer(n, CG_NORMALIZE_REPLACE, &step, err));
        CG_TRY(set_content(step, part, "content", err));
        CG_TRY(load_pattern(json_object_get(part, "pattern"), "Replace", &step->pattern, err));
        if (is_blank(json_object_get(json_object_get(part, "pattern"), "String")))
            n->blank = step->content;
        return CG_OK;
    }
    if (!strcmp(type, "Prepend")) {
        CG_TRY(add_normalizer(n, CG_NORMALIZE_PREPEND, &step, err));
        return set_content(step, part, "prepend", err);
    }
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "type '%.40s' is not supported; NFC, NFD, NFKC, NFKD, Lowercase, Strip, "
                   "StripAccents, Replace, Prepend, BertNormalizer, ByteLevel and Sequence are",
                   type);
}

static cg_status load_normalizers(cg_normalizer *n, const json_t *part, int depth, cg_error *err)
{
    const json_t *list, *item;
    size_t i;

    if (!part || json_is_null(part))
        return CG_OK;
    if (strcmp(type_of(part), "Sequence"))
        return load_one_normalizer(n, part, type_of(part), err);
    list = json_object_get(part, "normalizers");
    if (!json_is_array(list) || depth == MAX_DEPTH)
        return fail_depth(err);
    json_array_foreach(list, i, item)
    {
        CG_TRY(load_normalizers(n, item, depth + 1, err));
    }
    return CG_OK;
}

cg_status cg_load_normalizer(cg_normalizer *normalizer, const json_t *part, cg_error *err)
{
    cg_status st = load_normalizers(normalizer, part, 0, err);

    return st == CG_OK ? CG_OK : cg_fail_prefix(err, st, "normalizer");
}

/* ---- pre-tokenizers ---------------------------------------------------------------------------
 */

static cg_status add_step(cg_steps *s, enum cg_step_kind kind, cg_step **ret, cg_error *err)
{
    if (s->n == CG_STEPS_MAX)
        return cg_fail(err, CG_ERR_LIMIT, "found more than %d steps", CG_STEPS_MAX);
    *ret = &s->items[s->n++];
    (*ret)->kind = kind;
    return CG_OK;
}

static cg_status add_class(cg_steps *s, int (*is_member)(uint32_t), enum cg_split_behavior behavior,
                           cg_error *err)
{
    cg_step *step = NULL;

    CG_TRY(add_step(s, CG_STEP_CLASS, &step, err));
    step->is_member = is_member;
    step->split.behavior = behavior;
    return CG_OK;
}

static cg_status load_metaspace(cg_steps *s, const json_t *part, cg_error *err)
{
    static const char *const schemes[] = { "never", "first", "always" };
    const json_t *scheme = json_object_get(part, "prepend_scheme");
    const char *name = json_string_value(scheme);
    const char *replacement = json_string_value(json_object_get(part, "replacement"));
    int prefix = 1, found = 0;
    cg_step *step = NULL;
    size_t n = 0;

    CG_TRY(add_step(s, CG_STEP_METASPACE, &step, err));
    step->splits = 1;
    CG_TRY(cg_load_bool(part, "Metaspace", "split", 0, &step->splits, err));
    CG_TRY(cg_load_bool(part, "Metaspace", "add_prefix_space", 0, &prefix, err));
    if (replacement && *replacement)
        step->replacement = cg_utf8_get(replacement, &n);
    if (!n || replacement[n])
        return cg_fail(err, CG_ERR_FORMAT, "Metaspace: 'replacement' is not one character");
    step->prepend = prefix ? CG_PREPEND_ALWAYS : CG_PREPEND_NEVER;
    for (int i = 0; i < 3 && name; i++)
        if (!strcmp(name, schemes[i])) {
            step->prepend = (enum cg_prepend_scheme)i;
            found = 1;
        }
    if (scheme && !found)
        return cg_fail(err, CG_ERR_FORMAT,
                       "Metaspace: 'prepend_scheme' is not never, first or always");
    return CG_OK;
}

static cg_status load_byte_level(cg_steps *s, const json_t *part, cg_error *err)
{
    int split = 1;
    cg_step *step = NULL;

    CG_TRY(add_step(s, CG_STEP_BYTE_LEVEL, &step, err));
    CG_TRY(cg_load_bool(part, "ByteLevel", "add_prefix_space", 1, &step->prefix_space, err));
    CG_TRY(cg_load_bool(part, "ByteLevel", "use_regex", 0, &split, err));
    return split ? cg_pattern_create(CG_BYTE_LEVEL_PATTERN, strlen(CG_BYTE_LEVEL_PATTERN), 0,
                                     &step->split.pattern, err)
                 : CG_OK;
}

static cg_status load_delimiter(cg_steps *s, const json_t *part, cg_error *err)
{
    const json_t *text = json_object_get(part, "delimiter");
    cg_step *step = NULL;

    if (!json_is_string(text))
        return cg_fail(err, CG_ERR_FORMAT, "CharDelimiterSplit: 'delimiter' is not a string");
    CG_TRY(add_step(s, CG_STEP_SPLIT, &step, err));
    step->split.behavior = CG_SPLIT_REMOVED;
    return cg_pattern_create(json_string_value(text), json_string_length(text), 1,
                             &step->split.pattern, err);
}

static cg_status load_one_step(cg_steps *s, const json_t *part, const char *type, cg_error *err)
{
    enum cg_split_behavior behavior = CG_SPLIT_ISOLATED;
    cg_step *step = NULL;
    int on = 0;

    if (!strcmp(type, "Split")) {
        CG_TRY(add_step(s, CG_STEP_SPLIT, &step, err));
        return cg_load_split(&step->split, part, err);
    }
    if (!strcmp(type, "ByteLevel"))
        return load_byte_level(s, part, err);
    if (!strcmp(type, "Metaspace"))
        return load_metaspace(s, part, err);
    if (!strcmp(type, "Whitespace"))
        return add_step(s, CG_STEP_WORDS, &step, err);
    if (!strcmp(type, "WhitespaceSplit"))
        return add_class(s, cg_is_space, CG_SPLIT_REMOVED, err);
    if (!strcmp(type, "Punctuation")) {
        CG_TRY(load_behavior(part, "Punctuation", "Isolated", &behavior, err));
        return add_class(s, cg_is_punctuation, behavior, err);
    }
    if (!strcmp(type, "Digits")) {
        CG_TRY(cg_load_bool(part, "Digits", "individual_digits", 1, &on, err));
        return add_class(s, cg_is_digit, on ? CG_SPLIT_ISOLATED : CG_SPLIT_CONTIGUOUS, err);
    }
    if (!strcmp(type, "BertPreTokenizer")) {
        CG_TRY(add_class(s, cg_is_space, CG_SPLIT_REMOVED, err));
        return add_class(s, cg_is_punctuation, CG_SPLIT_ISOLATED, err);
    }
    if (!strcmp(type, "CharDelimiterSplit"))
        return load_delimiter(s, part, err);
    if (!strcmp(type, "FixedLength")) {
        const json_t *length = json_object_get(part, "length");

        if (!json_is_integer(length) || json_integer_value(length) < 1)
            return cg_fail(err, CG_ERR_FORMAT, "FixedLength: 'length' is not 1 or more");
        CG_TRY(add_step(s, CG_STEP_FIXED, &step, err));
        step->length = (size_t)json_integer_value(length);
        return CG_OK;
    }
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "type '%.40s' is not supported; Split, Digits, ByteLevel, Metaspace, "
                   "Whitespace, WhitespaceSplit, Punctuation, BertPreTokenizer, "
                   "CharDelimiterSplit, FixedLength and Sequence are",
                   type);
}

static cg_status load_steps(cg_steps *s, const json_t *part, int depth, cg_error *err)
{
    const json_t *list, *item;
    size_t i;

    if (!part || json_is_null(part))
        return CG_OK;
    if (strcmp(type_of(part), "Sequence"))
        return load_one_step(s, part, type_of(part), err);
    list = json_object_get(part, "pretokenizers");
    if (!json_is_array(list) || depth == MAX_DEPTH)
        return fail_depth(err);
    json_array_foreach(list, i, item)
    {
        CG_TRY(load_steps(s, item, depth + 1, err));
    }
    return CG_OK;
}

cg_status cg_load_steps(cg_steps *steps, const json_t *part, cg_error *err)
{
    cg_status st = load_steps(steps, part, 0, err);

    return st == CG_OK ? CG_OK : cg_fail_prefix(err, st, "pre_tokenizer");
}
