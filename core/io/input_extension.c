/* SPDX-License-Identifier: MIT */
#include "input_extension.h"

#include <stdio.h>
#include <string.h>

#include "io/input.h"

enum action { KEEP, DROP, GROUP, REFUSE };

static const char double_bonds[] =
    "double bond configurations; write them with / and \\ in the SMILES, "
    "none in rings below 8 atoms";

/* Features by the letters before ':' and digits. What is not listed is refused, too. */
static const struct {
    const char *key;
    enum action action;
    const char *meaning;
} features[] = {
    { "a", KEEP, "" }, /* absolute stereo: as the SMILES says */
    { "o", GROUP, "" },
    { "&", GROUP, "" },
    { "r", GROUP, "" },
    { "(", DROP, "" }, /* coordinates */
    { "atomProp", DROP, "" },
    { "f", DROP, "" }, /* components that belong together */
    { "LP", DROP, "" },
    { "lp", DROP, "" },
    { "H", DROP, "" }, /* hydrogen bonds */
    { "SgD", DROP, "" },
    { "SgH", DROP, "" },
    { "w", DROP, "" }, /* wavy bonds: either configuration */
    { "$_AV:", DROP, "" },
    { "$", REFUSE, "atom labels or R groups" },
    { "^", REFUSE, "radicals" },
    { "wU", REFUSE, "wedge bonds, whose configuration the SMILES lacks" },
    { "wD", REFUSE, "wedge bonds, whose configuration the SMILES lacks" },
    { "c", REFUSE, double_bonds },
    { "t", REFUSE, double_bonds },
    { "ctu", REFUSE, double_bonds },
    { "C", REFUSE, "coordinate bonds" },
    { "D", REFUSE, "coordinate bonds" },
    { "Z", REFUSE, "bonds of order zero" },
    { "Sg", REFUSE, "polymers or mixtures" },
    { "m", REFUSE, "attachments at several positions" },
    { "LN", REFUSE, "link nodes" },
    { "LO", REFUSE, "the order of an R group's attachments" },
    { "RG", REFUSE, "R groups" },
    { "s", REFUSE, "query features" },
    { "u", REFUSE, "query features" },
    { "rb", REFUSE, "query features" },
};

size_t cg_extension_length(const char *text, size_t len)
{
    if (!len || *text != '|')
        return 0;
    for (size_t i = 1; i < len; i++)
        if (text[i] == '|' && (i + 1 == len || text[i + 1] == ' ' || text[i + 1] == '\t'))
            return i + 1;
    return len;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Length of the key at the start of a feature: '(' or '$...$' as a whole, else the characters
 * before its number, ':' or ','. */
static size_t key_length(const char *p, const char *end)
{
    size_t n = 0;

    if (*p == '(')
        return 1;
    if (*p == '$')
        return end - p >= 5 && !memcmp(p, "$_AV:", 5) ? 5 : 1;
    while (p + n < end && p[n] != ':' && p[n] != ',' && !is_digit(p[n]))
        n++;
    return n;
}

/* The end of the feature that starts at p: the comma before the next one, or `end`. A comma before
 * a digit continues a list. */
static const char *feature_end(const char *p, const char *end)
{
    char close = *p == '(' ? ')' : *p == '$' ? '$' : '\0';

    if (close) {
        p = memchr(p + 1, close, (size_t)(end - p - 1));
        p = p ? p + 1 : end;
    }
    while (p < end && !(*p == ',' && !(p + 1 < end && is_digit(p[1]))))
        p++;
    return p;
}

/* $;;$ labels no atom. */
static int is_empty_labels(const char *p, const char *stop)
{
    for (; p < stop; p++)
        if (*p != '$' && *p != ';')
            return 0;
    return 1;
}

int cg_extension_read(const char *text, size_t len, uint32_t *notes,
                      char ret_reason[CG_EXTENSION_REASON])
{
    const char *p = text + 1, *end = text + len - 1, *stop;

    if (len < 2 || *end != '|') {
        snprintf(ret_reason, CG_EXTENSION_REASON,
                 "found '%.*s' after the SMILES, wanted a CXSMILES extension that ends with '|'",
                 (int)(len < 40 ? len : 40), text);
        return 1;
    }
    for (; p < end; p = stop + (stop < end)) {
        size_t n = key_length(p, end), i = 0, count = sizeof features / sizeof *features;

        stop = feature_end(p, end);
        if (stop == p || (*p == '$' && is_empty_labels(p, stop)))
            continue;
        while (i < count && (strlen(features[i].key) != n || memcmp(features[i].key, p, n) != 0))
            i++;
        if (i == count || features[i].action == REFUSE) {
            snprintf(
                ret_reason, CG_EXTENSION_REASON,
                "the CXSMILES extension has '%.*s' (%s), which is not served: the SMILES alone "
                "is another molecule",
                (int)(stop - p < 40 ? stop - p : 40), p,
                i == count ? "of a kind that is not known" : features[i].meaning);
            return 1;
        }
        *notes |= features[i].action == DROP    ? CG_INPUT_NOTE_DROPPED
                  : features[i].action == GROUP ? CG_INPUT_NOTE_STEREO_GROUP
                                                : 0;
    }
    return 0;
}
