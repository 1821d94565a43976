/* SPDX-License-Identifier: MIT */
#include "chem/enriched.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/fixed.h"
#include "chem/refusal.h"

/* Longest enriched text accepted; 2000 atoms take about 70 kB. */
enum { MAX_TEXT = 1 << 24 };

/* ---- literals ---------------------------------------------------------------------------- */

/*
 * Refuses an atom whose brackets cannot be distinguished from added ones when the text is read
 * back: [O] without hydrogens would be read as the O of water. `radical` describes the atom in the
 * text that the user gave, or is "".
 */
static cg_status check_brackets(const char *smiles, size_t len, const cg_smiles_atom *a,
                                const char *radical, cg_error *err)
{
    int ambiguous = a->bracket ? cg_smiles_is_bare(smiles + a->start + 1, a->len - 2)
                               : !cg_smiles_is_bare(smiles + a->start, a->len);

    if (ambiguous && *radical)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "%s: radical atoms without hydrogens are not supported", radical);
    if (ambiguous)
        return cg_refuse_smiles(err, CG_ERR_UNSUPPORTED, smiles, len,
                                "offset %u: found '%.*s', wanted an atom whose brackets cannot be "
                                "mistaken for the brackets that enriched SMILES adds around every "
                                "atom",
                                (unsigned)a->start, (int)a->len, smiles + a->start);
    return CG_OK;
}

/* Splits a scanned SMILES into the n + 1 literals around its n coordinates: brackets are added to
 * bare atoms, and "<" and ">" around each coordinate. */
static cg_status split_scanned(const char *smiles, size_t len, const cg_smiles *scan,
                               const char *radical, cg_enriched_split *ret_split, cg_error *err)
{
    size_t n = scan->n_atoms;
    size_t at = 0; /* next byte of smiles to copy */
    size_t out = 0;
    uint32_t *literal_at, *desc_at, *desc_len;
    char *text;

    for (size_t i = 0; i < n; i++)
        CG_TRY(check_brackets(smiles, len, &scan->atoms[i], radical, err));
    /* literal_at[n + 2], desc_at[n], desc_len[n], then the text. n < 2^31: no overflow. */
    literal_at = malloc((3 * n + 2) * sizeof *literal_at + len + 4 * n + 1);
    if (!literal_at)
        return cg_fail_nomem(err, "enriched SMILES");
    desc_at = literal_at + n + 2;
    desc_len = desc_at + n;
    text = (char *)(desc_len + n);
    for (size_t i = 0; i < n; i++) {
        const cg_smiles_atom *a = &scan->atoms[i];

        literal_at[i] = (uint32_t)out;
        if (i > 0)
            text[out++] = '>';
        memcpy(text + out, smiles + at, a->start - at);
        out += a->start - at;
        desc_at[i] = (uint32_t)out;
        if (!a->bracket)
            text[out++] = '[';
        memcpy(text + out, smiles + a->start, a->len);
        out += a->len;
        if (!a->bracket)
            text[out++] = ']';
        desc_len[i] = (uint32_t)out - desc_at[i];
        text[out++] = '<';
        at = a->start + a->len;
    }
    literal_at[n] = (uint32_t)out;
    text[out++] = '>';
    memcpy(text + out, smiles + at, len - at);
    out += len - at;
    literal_at[n + 1] = (uint32_t)out;
    text[out] = '\0';
    *ret_split = (cg_enriched_split) { .n_atoms = n,
                                       .literal_at = literal_at,
                                       .desc_at = desc_at,
                                       .desc_len = desc_len,
                                       .text = text,
                                       .block = literal_at };
    return CG_OK;
}

cg_status cg_enriched_split_smiles(const char *smiles, size_t len, cg_enriched_split *ret_split,
                                   cg_error *err)
{
    cg_smiles scan = { 0 };
    cg_status st;

    if (len > MAX_TEXT)
        return cg_fail(err, CG_ERR_LIMIT, "SMILES: found %zu bytes, wanted at most %d", len,
                       MAX_TEXT);
    CG_TRY(cg_smiles_scan(smiles, len, CG_SMILES_STRICT, len, &scan, err));
    st = split_scanned(smiles, len, &scan, "", ret_split, err);
    cg_smiles_finish(&scan);
    return st;
}

cg_status cg_enriched_split_molecule(const cg_molecule *mol, cg_enriched_split *ret_split,
                                     cg_error *err)
{
    size_t len;
    const char *smiles = cg_molecule_smiles(mol, &len);

    return split_scanned(smiles, len, cg_molecule_graph(mol), cg_molecule_radical(mol), ret_split,
                         err);
}

void cg_enriched_split_finish(cg_enriched_split *split)
{
    if (!split)
        return;
    free(split->block);
    *split = (cg_enriched_split) { 0 };
}

/* ---- writing ----------------------------------------------------------------------------- */

size_t cg_enriched_bound(const cg_enriched_split *split, int decimals, int max_int_digits)
{
    size_t number = (size_t)(1 + max_int_digits + 1 + decimals);

    return split->literal_at[split->n_atoms + 1] + split->n_atoms * (3 * number + 2) + 1;
}

/* `low` is 1 for a writer; 0 for a reader, to which 0 means any. */
static cg_status check_number_format(int decimals, int max_int_digits, int low, cg_error *err)
{
    if (decimals < low || decimals > CG_ENRICHED_MAX_DECIMALS || max_int_digits < low ||
        max_int_digits > CG_ENRICHED_MAX_INT_DIGITS)
        return cg_fail(err, CG_ERR_USAGE,
                       "number format: found %d decimals and %d digits before the point, wanted "
                       "%d to %d and %d to %d",
                       decimals, max_int_digits, low, CG_ENRICHED_MAX_DECIMALS, low,
                       CG_ENRICHED_MAX_INT_DIGITS);
    return CG_OK;
}

/* v in units of the last decimal, truncated toward zero except for binary rounding noise. */
static int64_t truncate_units(double v, double unit)
{
    double scaled = v * unit;
    double nearest = nearbyint(scaled);

    return (int64_t)(fabs(scaled - nearest) < 1e-6 ? nearest : trunc(scaled));
}

cg_status cg_enriched_write(const cg_enriched_split *split, const double (*xyz)[3], int decimals,
                            int max_int_digits, char *buf, size_t cap, size_t *ret_len,
                            cg_error *err)
{
    double unit;
    int64_t limit;
    size_t out = 0;

    CG_TRY(check_number_format(decimals, max_int_digits, 1, err));
    if (cap < cg_enriched_bound(split, decimals, max_int_digits))
        return cg_fail(err, CG_ERR_LIMIT,
                       "enriched SMILES: buffer of %zu bytes, needs %zu (internal error)", cap,
                       cg_enriched_bound(split, decimals, max_int_digits));
    unit = (double)cg_fixed_unit(decimals);
    limit = cg_fixed_unit(decimals + max_int_digits);
    for (size_t i = 0; i <= split->n_atoms; i++) {
        size_t n = split->literal_at[i + 1] - split->literal_at[i];

        memcpy(buf + out, split->text + split->literal_at[i], n);
        out += n;
        for (int k = 0; i < split->n_atoms && k < 3; k++) {
            double v = xyz[i][k];
            int64_t units;

            if (!(fabs(v) < 1e7)) /* also refuses NaN and infinity; v * unit fits 64 bits */
                return cg_fail(err, CG_ERR_LIMIT,
                               "atom %zu: found the coordinate %g, wanted a finite number of at "
                               "most %d digits before the point",
                               i + 1, v, max_int_digits);
            units = truncate_units(v, unit);
            if (units >= limit || -units >= limit)
                return cg_fail(err, CG_ERR_LIMIT,
                               "atom %zu: found the coordinate %.3f, wanted at most %d digits "
                               "before the point",
                               i + 1, v, max_int_digits);
            if (k > 0)
                buf[out++] = ',';
            out += cg_fixed_write(units, decimals, buf + out);
        }
    }
    buf[out] = '\0';
    *ret_len = out;
    return CG_OK;
}

/* ---- reading ----------------------------------------------------------------------------- */

struct parser {
    const char *text;
    size_t len;
    size_t at;
    int decimals;       /* 0: any */
    int max_int_digits; /* at least 1 */
    cg_error *err;
};

static cg_status unexpected(const struct parser *p, size_t at, const char *wanted)
{
    char buf[16];

    return cg_fail(p->err, CG_ERR_INPUT, "enriched SMILES offset %zu: found %s, wanted %s", at,
                   cg_smiles_show_byte(p->text, p->len, at, buf), wanted);
}

static char peek(const struct parser *p)
{
    return p->at < p->len ? p->text[p->at] : '\0';
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads a canonical decimal number at p->at: no leading zero, no negative zero, the number of
 * decimals of the format. */
static cg_status read_number(struct parser *p, double *ret_value)
{
    int max_decimals = p->decimals ? p->decimals : CG_ENRICHED_MAX_DECIMALS;
    size_t start = p->at;
    int negative = 0;
    int n = 0;
    int64_t units = 0;

    if (peek(p) == '-') {
        negative = 1;
        p->at++;
    }
    for (; is_digit(peek(p)); p->at++, n++) {
        if (n == p->max_int_digits)
            return unexpected(p, p->at, "'.': the number has all its digits before the point");
        if (n == 1 && units == 0)
            return unexpected(p, p->at, "'.': a number has no leading zero");
        units = units * 10 + (peek(p) - '0');
    }
    if (n == 0)
        return unexpected(p, p->at, negative ? "a digit" : "a number");
    if (peek(p) != '.')
        return unexpected(p, p->at, "'.' in a number");
    p->at++;
    for (n = 0; is_digit(peek(p)) && n < max_decimals; p->at++, n++)
        units = units * 10 + (peek(p) - '0');
    if (n == 0 || (p->decimals && n < p->decimals))
        return unexpected(p, p->at, "another digit after the point");
    if (negative && units == 0)
        return unexpected(p, start, "a zero without a sign");
    /* Both are exact and division rounds once: the nearest double of the decimal. */
    *ret_value = (double)(negative ? -units : units) / (double)cg_fixed_unit(n);
    return CG_OK;
}

static cg_status read_triple(struct parser *p, double xyz[3])
{
    for (int k = 0; k < 3; k++) {
        if (k > 0) {
            if (peek(p) != ',')
                return unexpected(p, p->at, "',' between coordinates");
            p->at++;
        }
        CG_TRY(read_number(p, &xyz[k]));
    }
    return CG_OK;
}

static cg_status init_parser(struct parser *p, const char *text, size_t len, int decimals,
                             int max_int_digits, cg_error *err)
{
    *p = (struct parser) { .text = text, .len = len, .decimals = decimals, .err = err };
    p->max_int_digits = max_int_digits ? max_int_digits : CG_ENRICHED_MAX_INT_DIGITS;
    if (len > MAX_TEXT)
        return cg_fail(err, CG_ERR_LIMIT, "enriched SMILES: found %zu bytes, wanted at most %d",
                       len, MAX_TEXT);
    return check_number_format(decimals, max_int_digits, 0, err);
}

/* Reads `[...]<x,y,z>` at p->at and appends the atom to the SMILES, without added brackets. */
static cg_status read_atom(struct parser *p, cg_enriched *e)
{
    size_t start = p->at;
    size_t n;
    const char *close = memchr(p->text + start, ']', p->len - start);

    if (!close)
        return unexpected(p, p->len, "']' after an atom");
    n = (size_t)(close - (p->text + start)) + 1;
    if (cg_smiles_is_bare(p->text + start + 1, n - 2)) {
        memcpy(e->smiles + e->smiles_len, p->text + start + 1, n - 2);
        e->smiles_len += n - 2;
    } else {
        memcpy(e->smiles + e->smiles_len, p->text + start, n);
        e->smiles_len += n;
    }
    p->at = start + n;
    if (peek(p) != '<')
        return unexpected(p, p->at, "'<' after an atom");
    p->at++;
    CG_TRY(read_triple(p, e->xyz[e->n_atoms]));
    if (peek(p) != '>')
        return unexpected(p, p->at, "'>' after three coordinates");
    p->at++;
    e->n_atoms++;
    return CG_OK;
}

cg_status cg_enriched_parse(const char *text, size_t len, int decimals, int max_int_digits,
                            cg_enriched *ret_enriched, cg_error *err)
{
    struct parser p;
    cg_enriched e = { 0 };
    cg_smiles scan = { 0 };
    size_t n_open = 0;
    cg_status st;

    CG_TRY(init_parser(&p, text, len, decimals, max_int_digits, err));
    for (size_t i = 0; i < len; i++)
        n_open += text[i] == '[';
    e.smiles = malloc(len + 1);
    e.xyz = cg_alloc_array(n_open, sizeof *e.xyz);
    if (!e.smiles || !e.xyz) {
        st = cg_fail_nomem(err, "enriched SMILES");
        goto out;
    }
    while (p.at < len) {
        char c = text[p.at];

        if (c == '[') {
            CG_TRY_GOTO(st, read_atom(&p, &e), out);
        } else if (c && strchr("0123456789%()-=#$:/\\.", c)) {
            e.smiles[e.smiles_len++] = c;
            p.at++;
        } else {
            st = unexpected(&p, p.at, "'[' of an atom, a bond, branch or ring closure");
            goto out;
        }
    }
    e.smiles[e.smiles_len] = '\0';
    /* Each of the n_open brackets is one atom, so the scan cannot exceed that bound. */
    st = cg_smiles_scan(e.smiles, e.smiles_len, CG_SMILES_STRICT, n_open, &scan, err);
    if (st != CG_OK) {
        st = cg_fail_prefix(err, st, "enriched SMILES, without coordinates");
        goto out;
    }
    cg_smiles_finish(&scan);
    *ret_enriched = e;
    e = (cg_enriched) { 0 };
out:
    cg_enriched_finish(&e);
    return st;
}

void cg_enriched_finish(cg_enriched *enriched)
{
    if (!enriched)
        return;
    free(enriched->smiles);
    free(enriched->xyz);
    *enriched = (cg_enriched) { 0 };
}

cg_status cg_enriched_read(const cg_enriched_split *split, const char *text, size_t len,
                           int decimals, int max_int_digits, double (*ret_xyz)[3], cg_error *err)
{
    struct parser p;

    CG_TRY(init_parser(&p, text, len, decimals, max_int_digits, err));
    for (size_t i = 0; i <= split->n_atoms; i++) {
        const char *literal = split->text + split->literal_at[i];
        size_t n = split->literal_at[i + 1] - split->literal_at[i];

        for (size_t k = 0; k < n; k++, p.at++) {
            char found[16], want[16];

            if (p.at < len && text[p.at] == literal[k])
                continue;
            return cg_fail(err, CG_ERR_INPUT,
                           "enriched SMILES offset %zu: found %s, wanted %s of the molecule's "
                           "text before coordinates %zu of %zu",
                           p.at, cg_smiles_show_byte(text, len, p.at, found),
                           cg_smiles_show_byte(literal, n, k, want), i + 1, split->n_atoms + 1);
        }
        if (i < split->n_atoms)
            CG_TRY(read_triple(&p, ret_xyz[i]));
    }
    if (p.at < len)
        return unexpected(&p, p.at, "the end");
    return CG_OK;
}
