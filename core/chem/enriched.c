/* SPDX-License-Identifier: MIT */
#include "chem/enriched.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/refusal.h"

/* Longest enriched text accepted; 2000 atoms take about 70 kB. */
enum { MAX_TEXT = 1 << 24 };

/* ---- texts of atoms ----------------------------------------------------------------------- */

/*
 * Length of the symbol in text[len], an atom without its brackets, if the format could have added
 * those brackets: a bare atom, with its hydrogens if the format states them. 0 if not.
 */
static size_t wrapped_symbol(const cg_conformer_format *format, const char *text, size_t len)
{
    size_t n = len;

    if (cg_smiles_is_bare(text, len))
        return len;
    if (format->atom_text != CG_ATOM_HYDROGENS || len < 2)
        return 0;
    if (text[n - 1] >= '2' && text[n - 1] <= '9')
        n--;
    if (n < 2 || text[n - 1] != 'H')
        return 0;
    n--;
    return cg_smiles_is_bare(text, n) && text[0] >= 'A' && text[0] <= 'Z' &&
                   !(n == 1 && text[0] == 'C')
               ? n
               : 0;
}

/*
 * Refuses an atom whose brackets cannot be distinguished from added ones when the text is read
 * back: [O] without hydrogens would be read as the O of water. `radical` describes the atom in the
 * text that the user gave, or is "".
 */
static cg_status check_brackets(const cg_conformer_format *format, const char *smiles, size_t len,
                                const cg_smiles_atom *a, const char *radical, cg_error *err)
{
    int ambiguous = a->bracket ? wrapped_symbol(format, smiles + a->start + 1, a->len - 2) > 0
                               : !cg_smiles_is_bare(smiles + a->start, a->len);

    if (!ambiguous || format->atom_text == CG_ATOM_BARE)
        return CG_OK;
    if (*radical)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "%s: radical atoms without hydrogens are not supported; an atom in "
                       "brackets has only the hydrogens that are written there",
                       radical);
    return cg_refuse_smiles(err, CG_ERR_UNSUPPORTED, smiles, len,
                            "offset %u: found '%.*s', wanted an atom whose brackets cannot be "
                            "mistaken for the brackets that enriched SMILES adds around every atom",
                            (unsigned)a->start, (int)a->len, smiles + a->start);
}

/* Adds the orders of the bonds of each atom. */
static void sum_bond_orders(const cg_smiles *scan, uint32_t *ret_sum)
{
    memset(ret_sum, 0, scan->n_atoms * sizeof *ret_sum);
    for (size_t i = 0; i < scan->n_bonds; i++) {
        const cg_smiles_bond *b = &scan->bonds[i];
        uint32_t order = b->symbol == '=' ? 2 : b->symbol == '#' ? 3 : b->symbol == '$' ? 4 : 1;

        ret_sum[b->first] += order;
        ret_sum[b->second] += order;
    }
}

/*
 * Hydrogens of a bare aliphatic atom: what its bonds lack to the next of its valences (OpenSMILES,
 * section 3.1.5). 0 for carbon and aromatic atoms, whose hydrogens no format states.
 */
static uint32_t stated_hydrogens(const cg_smiles_atom *a, uint32_t bond_orders)
{
    static const struct {
        uint8_t element;
        uint8_t valences[3];
    } table[] = { { 5, { 3 } },  { 7, { 3, 5 } },  { 8, { 2 } },
                  { 9, { 1 } },  { 15, { 3, 5 } }, { 16, { 2, 4, 6 } },
                  { 17, { 1 } }, { 35, { 1 } },    { 53, { 1 } } };

    for (size_t i = 0; !a->aromatic && i < sizeof table / sizeof *table; i++)
        for (size_t k = 0; table[i].element == a->element && k < 3; k++)
            if (table[i].valences[k] >= bond_orders)
                return table[i].valences[k] - bond_orders;
    return 0;
}

/* Writes atom `a` as the format does; `out` has room for a->len + 5 bytes. @return bytes */
static size_t write_atom(const cg_conformer_format *format, const char *smiles,
                         const cg_smiles_atom *a, uint32_t bond_orders, char *out)
{
    size_t n = 0;
    int wrap = !a->bracket && format->atom_text != CG_ATOM_BARE;
    uint32_t n_h =
        wrap && format->atom_text == CG_ATOM_HYDROGENS ? stated_hydrogens(a, bond_orders) : 0;

    if (wrap)
        out[n++] = '[';
    memcpy(out + n, smiles + a->start, a->len);
    n += a->len;
    if (n_h)
        out[n++] = 'H';
    if (n_h > 1)
        out[n++] = (char)('0' + n_h);
    if (wrap)
        out[n++] = ']';
    return n;
}

/* ---- literals ----------------------------------------------------------------------------- */

/* The text of a split while it is written. */
struct split_text {
    const cg_conformer_format *format;
    const char *smiles;
    size_t len;
    const cg_smiles *scan;
    uint32_t *bond_orders; /* [n_atoms] */
    uint32_t *literal_at;  /* [n_groups + 2] */
    size_t n_groups;       /* finished */
    char *text;
    size_t out; /* bytes written */
};

static void put(struct split_text *s, const char *text, size_t n)
{
    memcpy(s->text + s->out, text, n);
    s->out += n;
}

static void put_mark(struct split_text *s, const char *mark)
{
    put(s, mark, strlen(mark));
}

static void put_atom(struct split_text *s, size_t i)
{
    s->out +=
        write_atom(s->format, s->smiles, &s->scan->atoms[i], s->bond_orders[i], s->text + s->out);
}

/* Ends a literal: the numbers of a group follow, or the end. */
static void end_literal(struct split_text *s)
{
    s->literal_at[++s->n_groups] = (uint32_t)s->out;
}

/* [C]< | >[C]< | > */
static void split_atoms(struct split_text *s)
{
    size_t at = 0; /* next byte of the SMILES */

    for (size_t i = 0; i < s->scan->n_atoms; i++) {
        const cg_smiles_atom *a = &s->scan->atoms[i];

        put_mark(s, i ? s->format->close : "");
        put(s, s->smiles + at, a->start - at);
        put_atom(s, i);
        put_mark(s, s->format->open);
        end_literal(s);
        at = a->start + a->len;
    }
    put_mark(s, s->format->close);
    put(s, s->smiles + at, s->len - at);
    end_literal(s);
}

/* CC&{ | {  | */
static void split_behind_smiles(struct split_text *s)
{
    size_t at = 0;

    for (size_t i = 0; i < s->scan->n_atoms; i++) {
        const cg_smiles_atom *a = &s->scan->atoms[i];

        put(s, s->smiles + at, a->start - at);
        put_atom(s, i);
        at = a->start + a->len;
    }
    put(s, s->smiles + at, s->len - at);
    put_mark(s, s->format->between);
    for (size_t i = 0; i < s->scan->n_atoms; i++) {
        put_mark(s, i ? s->format->close : "");
        put_mark(s, s->format->open);
        end_literal(s);
    }
    put_mark(s, s->format->close);
    end_literal(s);
}

/* Bytes of the token at smiles[at] that is no atom: %12 or one character. */
static size_t mark_length(const char *smiles, size_t len, size_t at)
{
    size_t n = 1;

    if (smiles[at] == '%')
        while (at + n < len && n < 3 && smiles[at + n] >= '0' && smiles[at + n] <= '9')
            n++;
    return n;
}

/* [C] | ( | [O] | ) | */
static void split_tokens(struct split_text *s)
{
    size_t atom = 0;

    for (size_t at = 0; at < s->len;) {
        const cg_smiles_atom *a = atom < s->scan->n_atoms ? &s->scan->atoms[atom] : NULL;
        size_t n = mark_length(s->smiles, s->len, at);

        if (a && a->start == at) {
            put_atom(s, atom++);
            n = a->len;
        } else {
            put(s, s->smiles + at, n);
        }
        end_literal(s);
        at += n;
    }
    end_literal(s);
}

static cg_status split_scanned(const char *smiles, size_t len, const cg_conformer_format *format,
                               const cg_smiles *scan, const char *radical,
                               cg_enriched_split *ret_split, cg_error *err)
{
    size_t n = scan->n_atoms, max_groups = format->layout == CG_LAYOUT_TOKENS ? len : n;
    size_t marks = strlen(format->open) + strlen(format->close);
    struct split_text s = { .format = format, .smiles = smiles, .len = len, .scan = scan };
    uint32_t *block;

    for (size_t i = 0; i < n; i++)
        CG_TRY(check_brackets(format, smiles, len, &scan->atoms[i], radical, err));
    /* literal_at[max_groups + 2], bond_orders[n], then the text. All less than 2^31: no overflow.
     */
    block = malloc((max_groups + 2 + n) * sizeof *block + len + n * (5 + marks) + CG_MAX_MARK + 1);
    if (!block)
        return cg_fail_nomem(err, "enriched SMILES");
    s.literal_at = block;
    s.bond_orders = block + max_groups + 2;
    s.text = (char *)(s.bond_orders + n);
    s.literal_at[0] = 0;
    sum_bond_orders(scan, s.bond_orders);
    if (format->layout == CG_LAYOUT_TOKENS)
        split_tokens(&s);
    else if (format->layout == CG_LAYOUT_SMILES)
        split_behind_smiles(&s);
    else
        split_atoms(&s);
    s.text[s.out] = '\0';
    *ret_split = (cg_enriched_split) { .n_atoms = n,
                                       .n_groups = s.n_groups - 1,
                                       .literal_at = s.literal_at,
                                       .text = s.text,
                                       .block = block };
    return CG_OK;
}

cg_status cg_enriched_split_smiles(const char *smiles, size_t len,
                                   const cg_conformer_format *format, cg_enriched_split *ret_split,
                                   cg_error *err)
{
    cg_smiles scan = { 0 };
    cg_status st;

    if (len > MAX_TEXT)
        return cg_fail(err, CG_ERR_LIMIT, "SMILES: found %zu bytes, wanted at most %d", len,
                       MAX_TEXT);
    CG_TRY(cg_smiles_scan(smiles, len, CG_SMILES_STRICT, len, &scan, err));
    st = split_scanned(smiles, len, format, &scan, "", ret_split, err);
    cg_smiles_finish(&scan);
    return st;
}

cg_status cg_enriched_split_molecule(const cg_molecule *mol, const cg_conformer_format *format,
                                     cg_enriched_split *ret_split, cg_error *err)
{
    size_t len;
    const char *smiles = cg_molecule_smiles(mol, &len);

    return split_scanned(smiles, len, format, cg_molecule_graph(mol), cg_molecule_radical(mol),
                         ret_split, err);
}

void cg_enriched_split_finish(cg_enriched_split *split)
{
    if (!split)
        return;
    free(split->block);
    *split = (cg_enriched_split) { 0 };
}

/* ---- writing ----------------------------------------------------------------------------- */

size_t cg_enriched_bound(const cg_enriched_split *split)
{
    /* Three numbers and two separators, or one code and its marks. */
    return split->literal_at[split->n_groups + 1] +
           split->n_groups * (3 * CG_NUMBER_MAX_TEXT + 2 * CG_MAX_MARK) + 1;
}

static size_t append(char *buf, size_t at, const char *text, size_t n)
{
    memcpy(buf + at, text, n);
    return at + n;
}

static size_t append_literal(const cg_enriched_split *split, size_t i, char *buf, size_t at)
{
    return append(buf, at, split->text + split->literal_at[i],
                  split->literal_at[i + 1] - split->literal_at[i]);
}

static cg_status check_room(const cg_enriched_split *split, size_t cap, cg_error *err)
{
    if (cap >= cg_enriched_bound(split))
        return CG_OK;
    return cg_fail(err, CG_ERR_LIMIT,
                   "enriched SMILES: buffer of %zu bytes, needs %zu (internal error)", cap,
                   cg_enriched_bound(split));
}

cg_status cg_enriched_write(const cg_enriched_split *split, const cg_conformer_format *format,
                            const double (*xyz)[3], char *buf, size_t cap, size_t *ret_len,
                            cg_error *err)
{
    size_t at = 0;

    CG_TRY(check_room(split, cap, err));
    for (size_t i = 0; i <= split->n_groups; i++) {
        at = append_literal(split, i, buf, at);
        for (int k = 0; i < split->n_groups && k < 3; k++) {
            cg_decimal number;

            if (!cg_number_from_coordinate(&format->number, xyz[i][k], CG_ROUND_TRUNCATE, &number))
                return cg_fail(err, CG_ERR_LIMIT,
                               "atom %zu: found the coordinate %.6g, wanted a finite number of at "
                               "most %d digits before the point",
                               i + 1, xyz[i][k], format->number.max_integer_digits);
            if (k > 0)
                at = append(buf, at, format->separator, strlen(format->separator));
            at += cg_number_write(&number, buf + at);
        }
    }
    buf[at] = '\0';
    *ret_len = at;
    return CG_OK;
}

cg_status cg_enriched_write_codes(const cg_enriched_split *split, const cg_conformer_format *format,
                                  const int32_t *codes, char *buf, size_t cap, size_t *ret_len,
                                  cg_error *err)
{
    size_t at = 0;

    CG_TRY(check_room(split, cap, err));
    for (size_t i = 0; i <= split->n_groups; i++) {
        cg_decimal number;

        at = append_literal(split, i, buf, at);
        if (i == split->n_groups)
            break;
        if (codes[i] < 0 || codes[i] >= format->number.n_values)
            return cg_fail(err, CG_ERR_LIMIT, "token %zu: found code %d, wanted 0 to %d", i + 1,
                           codes[i], format->number.n_values - 1);
        number = cg_number_of_index(&format->number, codes[i]);
        at = append(buf, at, format->open, strlen(format->open));
        at += cg_number_write(&number, buf + at);
        at = append(buf, at, format->close, strlen(format->close));
    }
    buf[at] = '\0';
    *ret_len = at;
    return CG_OK;
}

/* ---- reading ----------------------------------------------------------------------------- */

struct parser {
    const cg_conformer_format *format;
    const char *text;
    size_t len;
    size_t at;
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

static cg_status init_parser(struct parser *p, const cg_conformer_format *format, const char *text,
                             size_t len, cg_error *err)
{
    *p = (struct parser) { .format = format, .text = text, .len = len, .err = err };
    if (len > MAX_TEXT)
        return cg_fail(err, CG_ERR_LIMIT, "enriched SMILES: found %zu bytes, wanted at most %d",
                       len, MAX_TEXT);
    return CG_OK;
}

/* Reads a mark of the format; `where` describes its place: "after an atom". */
static cg_status read_mark(struct parser *p, const char *mark, const char *where)
{
    for (; *mark; mark++, p->at++)
        if (peek(p) != *mark || p->at == p->len) {
            char wanted[96];

            snprintf(wanted, sizeof wanted, "'%c' %s", *mark, where);
            return unexpected(p, p->at, wanted);
        }
    return CG_OK;
}

static cg_status read_number(struct parser *p, cg_decimal *ret)
{
    const char *wanted = NULL;
    size_t used;

    if (!cg_number_parse(&p->format->number, p->text + p->at, p->len - p->at, ret, &used, &wanted))
        return unexpected(p, p->at + used, wanted);
    p->at += used;
    return CG_OK;
}

static cg_status read_triple(struct parser *p, double xyz[3])
{
    for (int k = 0; k < 3; k++) {
        cg_decimal number;

        if (k > 0)
            CG_TRY(read_mark(p, p->format->separator, "between coordinates"));
        CG_TRY(read_number(p, &number));
        xyz[k] = cg_number_to_coordinate(&p->format->number, &number);
    }
    return CG_OK;
}

static cg_status read_code(struct parser *p, int32_t *ret)
{
    cg_decimal number;

    CG_TRY(read_mark(p, p->format->open, "before a code"));
    CG_TRY(read_number(p, &number));
    CG_TRY(read_mark(p, p->format->close, "behind a code"));
    *ret = number.digits;
    return CG_OK;
}

/* Appends text[n] of an atom to the SMILES, without brackets that the format added. */
static void append_atom(const cg_conformer_format *format, cg_enriched *e, const char *text,
                        size_t n)
{
    size_t symbol = 0;

    if (text[0] == '[' && format->atom_text != CG_ATOM_BARE)
        symbol = wrapped_symbol(format, text + 1, n - 2);
    if (symbol)
        e->smiles_len = append(e->smiles, e->smiles_len, text + 1, symbol);
    else
        e->smiles_len = append(e->smiles, e->smiles_len, text, n);
    e->n_atoms++;
}

/* Reads an atom at p->at and appends it to the SMILES. */
static cg_status read_atom_text(struct parser *p, cg_enriched *e)
{
    const char *start = p->text + p->at;
    size_t left = p->len - p->at, n = 1;

    if (*start == '[') {
        const char *close = memchr(start, ']', left);

        if (!close)
            return unexpected(p, p->len, "']' after an atom");
        n = (size_t)(close - start) + 1;
    } else if (left > 1 && cg_smiles_is_bare(start, 2)) {
        n = 2;
    } else if (!cg_smiles_is_bare(start, 1)) {
        return unexpected(p, p->at, "an atom, a bond, branch or ring closure");
    }
    append_atom(p->format, e, start, n);
    p->at += n;
    return CG_OK;
}

static int is_smiles_mark(char c)
{
    return c && strchr("0123456789%()-=#$:/\\.", c) != NULL;
}

/* Does an atom start with c in this format? */
static int starts_atom(const cg_conformer_format *format, char c)
{
    return c == '[' || (format->atom_text == CG_ATOM_BARE &&
                        ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')));
}

/* Appends the token at p->at that is no atom to the SMILES. */
static cg_status read_smiles_mark(struct parser *p, cg_enriched *e)
{
    size_t n;

    if (!is_smiles_mark(peek(p)))
        return unexpected(p, p->at, "'[' of an atom, a bond, branch or ring closure");
    n = p->format->layout == CG_LAYOUT_TOKENS ? mark_length(p->text, p->len, p->at) : 1;
    e->smiles_len = append(e->smiles, e->smiles_len, p->text + p->at, n);
    p->at += n;
    return CG_OK;
}

static cg_status parse_atoms(struct parser *p, cg_enriched *e)
{
    while (p->at < p->len) {
        if (!starts_atom(p->format, peek(p))) {
            CG_TRY(read_smiles_mark(p, e));
            continue;
        }
        CG_TRY(read_atom_text(p, e));
        CG_TRY(read_mark(p, p->format->open, "after an atom"));
        CG_TRY(read_triple(p, e->xyz[e->n_atoms - 1]));
        CG_TRY(read_mark(p, p->format->close, "after three coordinates"));
    }
    return CG_OK;
}

static cg_status parse_behind_smiles(struct parser *p, cg_enriched *e)
{
    size_t n = strlen(p->format->between);

    while (p->at < p->len && (p->len - p->at < n || memcmp(p->text + p->at, p->format->between, n)))
        CG_TRY(starts_atom(p->format, peek(p)) ? read_atom_text(p, e) : read_smiles_mark(p, e));
    CG_TRY(read_mark(p, p->format->between, "between the SMILES and its coordinates"));
    for (size_t i = 0; i < e->n_atoms; i++) {
        CG_TRY(read_mark(p, p->format->open, "before an atom's coordinates"));
        CG_TRY(read_triple(p, e->xyz[i]));
        CG_TRY(read_mark(p, p->format->close, "after three coordinates"));
    }
    return p->at < p->len ? unexpected(p, p->at, "the end") : CG_OK;
}

static cg_status parse_tokens(struct parser *p, cg_enriched *e)
{
    while (p->at < p->len) {
        CG_TRY(starts_atom(p->format, peek(p)) ? read_atom_text(p, e) : read_smiles_mark(p, e));
        CG_TRY(read_code(p, &e->codes[e->n_codes]));
        e->n_codes++;
    }
    return CG_OK;
}

/* Fails if the text states other hydrogens than the atoms have: the text of the molecule differs.
 */
static cg_status check_hydrogens(const struct parser *p, cg_enriched *e)
{
    cg_enriched_split split = { 0 };
    cg_status st;

    if (p->format->atom_text != CG_ATOM_HYDROGENS)
        return CG_OK;
    CG_TRY(cg_enriched_split_smiles(e->smiles, e->smiles_len, p->format, &split, p->err));
    st = e->codes ? cg_enriched_read_codes(&split, p->format, p->text, p->len, e->codes, p->err)
                  : cg_enriched_read(&split, p->format, p->text, p->len, e->xyz, p->err);
    cg_enriched_split_finish(&split);
    return st;
}

/* An atom with three numbers has at least six bytes, a token with a code two. */
static int alloc_enriched(const cg_conformer_format *format, size_t len, cg_enriched *e)
{
    e->smiles = malloc(len + 1);
    if (format->layout == CG_LAYOUT_TOKENS)
        e->codes = cg_alloc_array(len / 2 + 1, sizeof *e->codes);
    else
        e->xyz = cg_alloc_array(len / 6 + 1, sizeof *e->xyz);
    return e->smiles && (e->codes || e->xyz) ? 0 : -1;
}

cg_status cg_enriched_parse(const char *text, size_t len, const cg_conformer_format *format,
                            cg_enriched *ret_enriched, cg_error *err)
{
    struct parser p;
    cg_enriched e = { 0 };
    cg_smiles scan = { 0 };
    cg_status st;

    CG_TRY(init_parser(&p, format, text, len, err));
    if (alloc_enriched(format, len, &e)) {
        st = cg_fail_nomem(err, "enriched SMILES");
        goto out;
    }
    st = format->layout == CG_LAYOUT_TOKENS   ? parse_tokens(&p, &e)
         : format->layout == CG_LAYOUT_SMILES ? parse_behind_smiles(&p, &e)
                                              : parse_atoms(&p, &e);
    if (st != CG_OK)
        goto out;
    e.smiles[e.smiles_len] = '\0';
    st = cg_smiles_scan(e.smiles, e.smiles_len, CG_SMILES_STRICT, e.n_atoms, &scan, err);
    if (st != CG_OK) {
        st = cg_fail_prefix(err, st, "enriched SMILES, without coordinates");
        goto out;
    }
    cg_smiles_finish(&scan);
    CG_TRY_GOTO(st, check_hydrogens(&p, &e), out);
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
    free(enriched->codes);
    *enriched = (cg_enriched) { 0 };
}

/* Reads literal i of a known molecule. */
static cg_status read_literal(struct parser *p, const cg_enriched_split *split, size_t i)
{
    const char *literal = split->text + split->literal_at[i];
    size_t n = split->literal_at[i + 1] - split->literal_at[i];

    for (size_t k = 0; k < n; k++, p->at++) {
        char found[16], want[16];

        if (p->at < p->len && p->text[p->at] == literal[k])
            continue;
        return cg_fail(p->err, CG_ERR_INPUT,
                       "enriched SMILES offset %zu: found %s, wanted %s of the molecule's text "
                       "before coordinates %zu of %zu",
                       p->at, cg_smiles_show_byte(p->text, p->len, p->at, found),
                       cg_smiles_show_byte(literal, n, k, want), i + 1, split->n_groups + 1);
    }
    return CG_OK;
}

cg_status cg_enriched_read(const cg_enriched_split *split, const cg_conformer_format *format,
                           const char *text, size_t len, double (*ret_xyz)[3], cg_error *err)
{
    struct parser p;

    CG_TRY(init_parser(&p, format, text, len, err));
    for (size_t i = 0; i <= split->n_groups; i++) {
        CG_TRY(read_literal(&p, split, i));
        if (i < split->n_groups)
            CG_TRY(read_triple(&p, ret_xyz[i]));
    }
    return p.at < len ? unexpected(&p, p.at, "the end") : CG_OK;
}

cg_status cg_enriched_read_codes(const cg_enriched_split *split, const cg_conformer_format *format,
                                 const char *text, size_t len, int32_t *ret_codes, cg_error *err)
{
    struct parser p;

    CG_TRY(init_parser(&p, format, text, len, err));
    for (size_t i = 0; i <= split->n_groups; i++) {
        CG_TRY(read_literal(&p, split, i));
        if (i < split->n_groups)
            CG_TRY(read_code(&p, &ret_codes[i]));
    }
    return p.at < len ? unexpected(&p, p.at, "the end") : CG_OK;
}
