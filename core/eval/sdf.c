/* SPDX-License-Identifier: MIT */
#include "eval/sdf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "base/error.h"
#include "chem/elements.h"

enum {
    HEADER_LINES = 4,   /* title, stamp, comment, counts */
    FIELD = 10,         /* columns of a V2000 coordinate */
    LOGICAL_MAX = 4096, /* bytes of a V3000 line with its continuations */
    SHOWN = 60,         /* bytes of a bad line that a message quotes */
};

/* Lines of a record, without their ends. */
struct lines {
    const char *at, *end; /* rest of the text */
    const char *line;     /* current line */
    size_t len;
    size_t number; /* of the current line, from 1 */
};

/* Advances to the next line; returns 0 at the end of the record. */
static int next_line(struct lines *l)
{
    const char *lf;

    if (l->at == l->end)
        return 0;
    lf = memchr(l->at, '\n', (size_t)(l->end - l->at));
    l->line = l->at;
    l->len = (size_t)((lf ? lf : l->end) - l->at);
    l->at = lf ? lf + 1 : l->end;
    while (l->len && l->line[l->len - 1] == '\r')
        l->len--;
    l->number++;
    return 1;
}

static int starts_with(const char *text, size_t len, const char *prefix)
{
    size_t n = strlen(prefix);

    return len >= n && memcmp(text, prefix, n) == 0;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *len)
{
    while (*len && is_blank((*text)[*len - 1]))
        (*len)--;
    while (*len && is_blank(**text)) {
        (*text)++;
        (*len)--;
    }
}

/* State of reading a record. */
struct parse {
    struct lines l;
    XXH3_state_t *hash;
    double (*xyz)[3]; /* [CG_SDF_MAX_ATOMS] */
    size_t n_atoms, n_bonds;
    size_t n_heavy;
    cg_error *err;
};

/* Hashes text into the record's key. */
static void add_key(struct parse *p, const char *text, size_t len)
{
    XXH3_128bits_update(p->hash, text, len);
}

/* A terminated part of the key. */
static void add_key_part(struct parse *p, const char *text, size_t len)
{
    add_key(p, text, len);
    add_key(p, "\n", 1);
}

static cg_status fail_wanted(struct parse *p, const char *wanted)
{
    return cg_fail(p->err, CG_ERR_INPUT, "line %zu: found '%.*s', wanted %s", p->l.number,
                   (int)(p->l.len < SHOWN ? p->l.len : SHOWN), p->l.line, wanted);
}

static cg_status unexpected_end(struct parse *p, const char *wanted)
{
    return cg_fail(p->err, CG_ERR_INPUT, "the record ends after line %zu, wanted %s", p->l.number,
                   wanted);
}

/*
 * Reads the symbol of an atom, which ends at a blank or at the end of the text, and counts heavy
 * atoms. Only elements reach RDKit, which also reads `CL`: where other atoms are in aromatic rings,
 * it tries all subsets of them.
 */
static cg_status read_symbol(struct parse *p, const char *text, size_t len)
{
    char symbol[3] = "";
    size_t n = 0;

    trim(&text, &len);
    while (n < len && !is_blank(text[n]))
        n++;
    for (size_t i = 0; i < n && i < sizeof symbol; i++)
        symbol[i] = i && text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
    if (!(n == 1 && strchr("HDT", *symbol)))
        p->n_heavy++;
    if (n > 2 || !(cg_element_find(symbol, n) || (n == 1 && strchr("DT", *symbol))))
        return fail_wanted(p, "the symbol of an element: wildcards, R groups and queries are not "
                              "supported");
    return CG_OK;
}

/* ---- numbers ---------------------------------------------------------------------------- */

/* Whole number in text[len], surrounding blanks allowed; -1 if it is not one. */
static long whole_number(const char *text, size_t len)
{
    long v = 0;

    trim(&text, &len);
    if (!len || len > 9)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        v = v * 10 + (text[i] - '0');
    }
    return v;
}

/* Reads all of text[len] with strtod(); returns 0 if it is not a number. */
static int any_number(const char *text, size_t len, double *ret_value)
{
    char copy[64], *end;

    if (!len || len >= sizeof copy)
        return 0;
    memcpy(copy, text, len);
    copy[len] = '\0';
    *ret_value = strtod(copy, &end);
    return end == copy + len;
}

/*
 * Reads a coordinate in text[len], surrounding blanks allowed; returns 0 if it is not one. Plain
 * decimals are converted here, ten times as fast as by strtod() and as exactly: a whole number
 * below 2^53 divided by a power of ten that a double represents.
 */
static int coordinate(const char *text, size_t len, double *ret_value)
{
    static const double power[] = { 1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
    uint64_t v = 0;
    size_t i, digits = 0, decimals = 0;
    int point = 0;
    double x;

    trim(&text, &len);
    i = len && (text[0] == '-' || text[0] == '+');
    for (; i < len && digits < 16; i++) {
        if (text[i] == '.' && !point) {
            point = 1;
        } else if (text[i] >= '0' && text[i] <= '9') {
            v = v * 10 + (uint64_t)(text[i] - '0');
            digits++;
            decimals += (size_t)point;
        } else {
            break;
        }
    }
    if (i == len && digits && digits < 16)
        x = (text[0] == '-' ? -(double)v : (double)v) / power[decimals];
    else if (!any_number(text, len, &x))
        return 0;
    *ret_value = x;
    return fabs(x) <= CG_SDF_MAX_COORDINATE; /* false for NaN */
}

/* ---- V2000 ------------------------------------------------------------------------------ */

/* Reads the atom lines of a V2000 block: coordinates in columns 1 to 30, the element in columns 32
 * to 34. All but coordinates and stereo parity is part of the key. */
static cg_status read_v2000_atoms(struct parse *p)
{
    const struct lines *l = &p->l;

    for (size_t i = 0; i < p->n_atoms; i++) {
        size_t len;

        if (!next_line(&p->l))
            return unexpected_end(p, "an atom line");
        len = l->len;
        while (len && l->line[len - 1] == ' ')
            len--;
        if (len < 3 * FIELD + 2 || !coordinate(l->line, FIELD, &p->xyz[i][0]) ||
            !coordinate(l->line + FIELD, FIELD, &p->xyz[i][1]) ||
            !coordinate(l->line + 2 * FIELD, FIELD, &p->xyz[i][2]))
            return fail_wanted(p,
                               "an atom line: three coordinates within 10000 Å in columns of ten, "
                               "then the element");
        CG_TRY(read_symbol(p, l->line + 3 * FIELD + 1, len - 3 * FIELD - 1));
        /* Columns 40 to 42 are the stereo parity. */
        add_key(p, l->line + 3 * FIELD, (len < 39 ? len : 39) - 3 * FIELD);
        add_key_part(p, len > 42 ? l->line + 42 : "", len > 42 ? len - 42 : 0);
    }
    return CG_OK;
}

/* Reads a V2000 block after its counts line, up to M  END. */
static cg_status read_v2000(struct parse *p)
{
    CG_TRY(read_v2000_atoms(p));
    for (size_t i = 0; i < p->n_bonds; i++) {
        if (!next_line(&p->l))
            return unexpected_end(p, "a bond line");
        if (p->l.len < 9 || whole_number(p->l.line, 3) < 1 || whole_number(p->l.line + 3, 3) < 1 ||
            whole_number(p->l.line + 6, 3) < 1)
            return fail_wanted(p, "a bond line: two atoms and a type in columns of three");
        add_key_part(p, p->l.line, 9); /* the stereo mark follows */
    }
    for (;;) {
        if (!next_line(&p->l))
            return unexpected_end(p, "a line 'M  END'");
        if (starts_with(p->l.line, p->l.len, "M  END"))
            return CG_OK;
        add_key_part(p, p->l.line, p->l.len);
    }
}

/* ---- V3000 ------------------------------------------------------------------------------ */

/* A line of the V30 part without "M  V30 ", continuations joined. */
struct logical {
    char text[LOGICAL_MAX];
    size_t len;
    size_t at; /* next word */
};

/* Reads a logical line: "-" at the end of a line continues it on the next one. */
static cg_status next_logical(struct parse *p, struct logical *g)
{
    static const char prefix[] = "M  V30 ";

    g->len = g->at = 0;
    for (;;) {
        const char *text;
        size_t len;
        int more;

        if (!next_line(&p->l))
            return unexpected_end(p, "a line 'M  V30 ...'");
        if (!starts_with(p->l.line, p->l.len, prefix))
            return fail_wanted(p, "a line 'M  V30 ...'");
        text = p->l.line + sizeof prefix - 1;
        len = p->l.len - (sizeof prefix - 1);
        more = len && text[len - 1] == '-';
        len -= (size_t)more;
        if (len > sizeof g->text - g->len)
            return fail_wanted(p, "no more than 4096 bytes with its continuations");
        memcpy(g->text + g->len, text, len);
        g->len += len;
        if (!more)
            return CG_OK;
    }
}

/* Returns 0 at the end. */
static int next_word(struct logical *g, const char **ret_word, size_t *ret_len)
{
    size_t start;

    while (g->at < g->len && is_blank(g->text[g->at]))
        g->at++;
    start = g->at;
    while (g->at < g->len && !is_blank(g->text[g->at]))
        g->at++;
    *ret_word = g->text + start;
    *ret_len = g->at - start;
    return *ret_len > 0;
}

/* Adds the remaining words, except stereo marks, to the key. */
static void add_words(struct parse *p, struct logical *g)
{
    const char *word;
    size_t len;

    while (next_word(g, &word, &len))
        if (!starts_with(word, len, "CFG="))
            add_key_part(p, word, len);
    add_key_part(p, "", 0);
}

static int is_line(const struct logical *g, const char *text)
{
    return starts_with(g->text, g->len, text);
}

/* Skips to the next line that starts with `text`. */
static cg_status find_logical(struct parse *p, struct logical *g, const char *text)
{
    do
        CG_TRY(next_logical(p, g));
    while (!is_line(g, text));
    return CG_OK;
}

/* Reads the atoms of a V3000 block. All but coordinates and stereo marks is part of the key. */
static cg_status read_v3000_atoms(struct parse *p, struct logical *g)
{
    const char *word, *symbol;
    size_t len, symbol_len;

    for (size_t i = 0; i < p->n_atoms; i++) {
        int ok;

        CG_TRY(next_logical(p, g));
        ok = next_word(g, &word, &len) && whole_number(word, len) > 0;
        add_key_part(p, word, len);
        ok = ok && next_word(g, &word, &len) && !is_line(g, "END ");
        add_key_part(p, word, len);
        symbol = word;
        symbol_len = len;
        for (int k = 0; k < 3; k++)
            ok = ok && next_word(g, &word, &len) && coordinate(word, len, &p->xyz[i][k]);
        if (!ok)
            return fail_wanted(p,
                               "an atom line: number, element, three coordinates within 10000 Å");
        CG_TRY(read_symbol(p, symbol, symbol_len));
        add_words(p, g);
    }
    return CG_OK;
}

static cg_status read_v3000(struct parse *p)
{
    struct logical *g = malloc(sizeof *g);
    const char *word;
    size_t len;
    long atoms, bonds;
    cg_status st;

    if (!g)
        return cg_fail_nomem(p->err, "SDF record");
    CG_TRY_GOTO(st, find_logical(p, g, "COUNTS "), out);
    next_word(g, &word, &len);
    atoms = next_word(g, &word, &len) ? whole_number(word, len) : -1;
    bonds = next_word(g, &word, &len) ? whole_number(word, len) : -1;
    if (atoms < 0 || bonds < 0) {
        st = fail_wanted(p, "the numbers of atoms and bonds");
        goto out;
    }
    if (atoms > CG_SDF_MAX_ATOMS) {
        st = cg_fail(p->err, CG_ERR_LIMIT, "found %ld atoms, wanted at most %d", atoms,
                     CG_SDF_MAX_ATOMS);
        goto out;
    }
    p->n_atoms = (size_t)atoms;
    p->n_bonds = (size_t)bonds;
    CG_TRY_GOTO(st, find_logical(p, g, "BEGIN ATOM"), out);
    CG_TRY_GOTO(st, read_v3000_atoms(p, g), out);
    if (bonds)
        CG_TRY_GOTO(st, find_logical(p, g, "BEGIN BOND"), out);
    for (size_t i = 0; i < p->n_bonds; i++) {
        CG_TRY_GOTO(st, next_logical(p, g), out);
        if (is_line(g, "END ")) {
            st = fail_wanted(p, "another bond line");
            goto out;
        }
        add_words(p, g);
    }
    st = CG_OK;
    while (next_line(&p->l))
        if (starts_with(p->l.line, p->l.len, "M  END"))
            goto out;
    st = unexpected_end(p, "a line 'M  END'");
out:
    free(g);
    return st;
}

/* ---- the record ------------------------------------------------------------------------- */

/* Advances to the value of the next data item, trimmed; *ret_key[*ret_key_len] is its name. Returns
 * 0 if there is none. The line after the name is the value, whatever it looks like: a name may be
 * "> <SMILES>". */
static int next_item(struct lines *l, const char **ret_key, size_t *ret_key_len)
{
    while (next_line(l)) {
        const char *open, *close;

        if (!l->len || l->line[0] != '>')
            continue;
        open = memchr(l->line, '<', l->len);
        close = open ? memchr(open, '>', (size_t)(l->line + l->len - open)) : NULL;
        if (!close)
            continue;
        *ret_key = open + 1;
        *ret_key_len = (size_t)(close - open - 1);
        if (!next_line(l))
            return 0;
        trim(&l->line, &l->len);
        return 1;
    }
    return 0;
}

/* Takes name and SMILES from the data items that follow. */
static void read_items(struct lines l, cg_sdf_record *record)
{
    const char *key;
    size_t len;

    while (next_item(&l, &key, &len)) {
        int smiles = len == 6 && !strncasecmp(key, "SMILES", 6) && !record->smiles;
        int name = len == 4 && !strncasecmp(key, "name", 4) && !record->name_len;

        if (smiles && l.len) {
            record->smiles = l.line;
            record->smiles_len = l.len;
        } else if (name && l.len) {
            record->name = l.line;
            record->name_len = l.len;
        }
    }
}

/* Reads the data items after "M  END"; works for a damaged block too. */
static void find_items(struct lines l, cg_sdf_record *record)
{
    while (next_line(&l))
        if (starts_with(l.line, l.len, "M  END")) {
            read_items(l, record);
            return;
        }
}

/* Columns 21 and 22 of line 2 state the dimension; without it a flat molecule is a 2D drawing. */
static cg_status check_dimension(struct parse *p, const char *stamp, size_t stamp_len)
{
    int says_3d = stamp_len >= 22 && !strncasecmp(stamp + 20, "3D", 2);

    if (says_3d)
        return CG_OK;
    for (size_t i = 0; i < p->n_atoms; i++)
        if (p->xyz[i][2] != (p->n_atoms > 1 ? p->xyz[0][2] : 0))
            return CG_OK;
    return cg_fail(p->err, CG_ERR_INPUT,
                   "found a 2D drawing (one z coordinate, and line 2 does not "
                   "say 3D), wanted a conformer");
}

/* No two atoms are at one point: programs write zeros for atoms that they could not place. */
static cg_status check_distinct(struct parse *p)
{
    static const double one_point = 0.01; /* Å; bonds have a hundred times that */

    for (size_t i = 1; i < p->n_atoms; i++)
        for (size_t k = 0; k < i; k++) {
            double x = p->xyz[i][0] - p->xyz[k][0], y, z;

            if (fabs(x) >= one_point)
                continue;
            y = p->xyz[i][1] - p->xyz[k][1];
            z = p->xyz[i][2] - p->xyz[k][2];
            if (x * x + y * y + z * z < one_point * one_point)
                return cg_fail(p->err, CG_ERR_INPUT,
                               "found atoms %zu and %zu at one point, wanted a conformer", k + 1,
                               i + 1);
        }
    return CG_OK;
}

/* Coordinates relative to the centroid. */
static void subtract_centroid(struct parse *p, float (*ret_xyz)[3])
{
    double sum[3] = { 0 };

    for (size_t i = 0; i < p->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            sum[k] += p->xyz[i][k];
    for (size_t i = 0; i < p->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            ret_xyz[i][k] = (float)(p->xyz[i][k] - sum[k] / (double)p->n_atoms);
}

static cg_status read_block(struct parse *p, cg_sdf_record *record)
{
    const char *stamp = "";
    size_t stamp_len = 0;
    long atoms, bonds;
    cg_status st;

    /* line 1, the title, was read by cg_sdf_read() */
    for (int i = 1; i < HEADER_LINES; i++) {
        if (!next_line(&p->l))
            return unexpected_end(p, "a header of three lines and a counts line");
        if (i == 1) {
            stamp = p->l.line;
            stamp_len = p->l.len;
        }
    }
    if (p->l.len >= 39 && starts_with(p->l.line + 34, 5, "V3000")) {
        add_key_part(p, "V3000", 5);
        st = read_v3000(p);
    } else {
        atoms = p->l.len >= 6 ? whole_number(p->l.line, 3) : -1;
        bonds = p->l.len >= 6 ? whole_number(p->l.line + 3, 3) : -1;
        if (atoms < 0 || bonds < 0)
            return fail_wanted(p, "a counts line: atoms and bonds in columns of three");
        p->n_atoms = (size_t)atoms;
        p->n_bonds = (size_t)bonds;
        add_key_part(p, p->l.line, 6);
        st = read_v2000(p);
    }
    if (st != CG_OK)
        return st;
    record->block_len = (size_t)(p->l.at - record->block);
    if (record->block_len > CG_SDF_MAX_BLOCK)
        return cg_fail(p->err, CG_ERR_LIMIT, "found a molblock of %zu bytes, wanted at most %d",
                       record->block_len, CG_SDF_MAX_BLOCK);
    if (!p->n_atoms)
        return cg_fail(p->err, CG_ERR_INPUT, "found no atoms, wanted a conformer");
    if (p->n_heavy > CG_SDF_MAX_HEAVY)
        return cg_fail(p->err, CG_ERR_LIMIT, "found %zu heavy atoms, wanted at most %d", p->n_heavy,
                       CG_SDF_MAX_HEAVY);
    CG_TRY(check_distinct(p));
    return check_dimension(p, stamp, stamp_len);
}

cg_status cg_sdf_read(const char *text, size_t len, float (*ret_xyz)[3], size_t cap,
                      cg_sdf_record *ret_record, cg_error *err)
{
    struct parse p = { .l = { .at = text, .end = text + len }, .err = err };
    XXH128_hash_t hash;
    cg_status st;

    *ret_record = (cg_sdf_record) { .name = "", .block = text };
    if (next_line(&p.l)) {
        ret_record->name = p.l.line;
        ret_record->name_len = p.l.len;
        trim(&ret_record->name, &ret_record->name_len);
    }
    find_items(p.l, ret_record);
    if (memchr(text, '\0', len)) {
        /* cuts the name at the NUL, because callers copy it to a C string */
        ret_record->name_len = strnlen(ret_record->name, ret_record->name_len);
        return cg_fail(err, CG_ERR_INPUT, "found a NUL byte, wanted text");
    }
    p.hash = XXH3_createState();
    p.xyz = malloc(CG_SDF_MAX_ATOMS * sizeof *p.xyz);
    if (!p.hash || !p.xyz) {
        st = cg_fail_nomem(err, "SDF record");
        goto out;
    }
    XXH3_128bits_reset(p.hash);
    CG_TRY_GOTO(st, read_block(&p, ret_record), out);
    if (p.n_atoms > cap) {
        st = cg_fail(err, CG_ERR_LIMIT, "found %zu atoms, room for %zu (internal error)", p.n_atoms,
                     cap);
        goto out;
    }
    subtract_centroid(&p, ret_xyz);
    ret_record->n_atoms = p.n_atoms;
    hash = XXH3_128bits_digest(p.hash);
    ret_record->key[0] = hash.low64;
    ret_record->key[1] = hash.high64;
out:
    XXH3_freeState(p.hash);
    free(p.xyz);
    return st;
}

int cg_sdf_item(const char *text, size_t len, const char *key, const char **ret_value,
                size_t *ret_len)
{
    struct lines l = { .at = text, .end = text + len };
    const char *found;
    size_t found_len;

    while (next_line(&l))
        if (starts_with(l.line, l.len, "M  END"))
            break;
    while (next_item(&l, &found, &found_len))
        if (found_len == strlen(key) && !memcmp(found, key, found_len)) {
            *ret_value = l.line;
            *ret_len = l.len;
            return 1;
        }
    return 0;
}
