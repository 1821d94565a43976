/* SPDX-License-Identifier: MIT */
#include "chem/molblock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/elements.h"
#include "chem/fixed.h"
#include "chem/rdkit_c.h"

/* Second line of a block: initials (2), program (8), date and time (10, left blank), dimension. */
static const char stamp[] = "   confgen          3D\n";

enum {
    V2000_MAX = 999,  /* atoms or bonds that three columns can count */
    V2000_FIELD = 10, /* columns of a coordinate */
    V3000_FIELD = 10, /* longest coordinate of a V3000 line: -9999.0000 */
    DECIMALS = 4,
};

struct cg_molblock {
    int version;
    size_t n_atoms;
    char *text;         /* what stands around the coordinates, from the stamp line on */
    size_t *literal_at; /* [n_atoms + 2] gap i is text[literal_at[i] .. literal_at[i + 1]), as in
                           enriched.h */
};

/* Lines of RDKit's block, read one after another. */
struct lines {
    const char *at;
    const char *line; /* current line, without its newline */
    size_t len;
};

static int next_line(struct lines *l)
{
    const char *end;

    if (!*l->at)
        return 0;
    end = strchr(l->at, '\n');
    l->line = l->at;
    l->len = end ? (size_t)(end - l->at) : strlen(l->at);
    l->at = end ? end + 1 : l->at + l->len;
    return 1;
}

static int starts_with(const struct lines *l, const char *prefix)
{
    size_t n = strlen(prefix);

    return l->len >= n && memcmp(l->line, prefix, n) == 0;
}

/* What the template is made in. */
struct builder {
    const cg_molecule *mol;
    cg_molblock *block;
    size_t out; /* bytes of block->text written */
    size_t n_gaps;
    cg_error *err;
};

static void put(struct builder *b, const char *text, size_t len)
{
    memcpy(b->block->text + b->out, text, len);
    b->out += len;
}

static void put_line(struct builder *b, const char *text, size_t len)
{
    put(b, text, len);
    put(b, "\n", 1);
}

static cg_status unexpected(const struct builder *b, const struct lines *l, const char *what)
{
    return cg_fail(
        b->err, CG_ERR_UNSUPPORTED, "molblock of '%.60s': found RDKit's line '%.*s', wanted %s",
        cg_molecule_smiles(b->mol, NULL), (int)(l->len < 100 ? l->len : 100), l->line, what);
}

/* The coordinates of atom `index` come here. */
static cg_status put_place(struct builder *b, const struct lines *l, const char *symbol,
                           size_t symbol_len, size_t index)
{
    const cg_smiles *g = cg_molecule_graph(b->mol);
    const char *want = cg_element_symbol(g->atoms[index].element);

    if (strlen(want) != symbol_len || memcmp(want, symbol, symbol_len) != 0)
        return unexpected(b, l, "the element of the SMILES atom in that place");
    b->block->literal_at[++b->n_gaps] = b->out;
    return CG_OK;
}

/* Bonds must join the same atoms as in the SMILES, in whatever order: compare sums of hashes. */
static uint64_t bond_hash(uint64_t a, uint64_t b)
{
    uint64_t z = (a < b ? a << 32 | b : b << 32 | a) + 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t graph_hash(const cg_smiles *g)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < g->n_bonds; i++)
        sum += bond_hash(g->bonds[i].first + 1, g->bonds[i].second + 1);
    return sum;
}

/* Number in columns [from, from + 3) of a line, blanks in front; 0 where there is none. */
static unsigned columns(const struct lines *l, size_t from)
{
    unsigned v = 0;

    for (size_t i = from; i < from + 3 && i < l->len; i++)
        if (l->line[i] >= '0' && l->line[i] <= '9')
            v = v * 10 + (unsigned)(l->line[i] - '0');
    return v;
}

static cg_status build_v2000(struct builder *b, struct lines *l)
{
    const cg_smiles *g = cg_molecule_graph(b->mol);
    uint64_t hash = 0;
    cg_status st;

    if (columns(l, 0) != g->n_atoms || columns(l, 3) != g->n_bonds)
        return unexpected(b, l, "as many atoms and bonds as in the SMILES");
    put_line(b, l->line, l->len);
    for (size_t i = 0; i < g->n_atoms; i++) {
        size_t n = 0;

        if (!next_line(l) || l->len < 3 * V2000_FIELD + 5)
            return unexpected(b, l, "an atom line");
        while (n < 3 && l->line[3 * V2000_FIELD + 1 + n] != ' ')
            n++;
        if ((st = put_place(b, l, l->line + 3 * V2000_FIELD + 1, n, i)) != CG_OK)
            return st;
        put_line(b, l->line + 3 * V2000_FIELD, l->len - 3 * V2000_FIELD);
    }
    for (size_t i = 0; i < g->n_bonds; i++) {
        if (!next_line(l) || l->len < 12)
            return unexpected(b, l, "a bond line");
        if (columns(l, 6) < 1 || columns(l, 6) > 3)
            return unexpected(b, l, "a single, double or triple bond");
        hash += bond_hash(columns(l, 0), columns(l, 3));
        put(b, l->line, 9);
        put_line(b, "  0", 3);
    }
    while (next_line(l))
        put_line(b, l->line, l->len);
    return hash == graph_hash(g) ? CG_OK : unexpected(b, l, "the bonds of the SMILES");
}

/* "M  V30 3 C 1.0 2.0 3.0 0 CHG=1": the three numbers are replaced. */
static cg_status build_v3000_atom(struct builder *b, struct lines *l, size_t index)
{
    unsigned number;
    int symbol_at = 0, symbol_end = 0, rest_at = 0;
    cg_status st;

    /* The line is within a terminated text and sscanf stops at its tokens. */
    if (!starts_with(l, "M  V30 ") ||
        sscanf(l->line, "M  V30 %u %n%*s%n %*f %*f %*f%n", &number, &symbol_at, &symbol_end,
               &rest_at) < 1 ||
        number != index + 1 || rest_at == 0 || (size_t)rest_at > l->len ||
        l->line[l->len - 1] == '-')
        return unexpected(b, l, "an atom line");
    put(b, l->line, (size_t)symbol_end + 1);
    st = put_place(b, l, l->line + symbol_at, (size_t)(symbol_end - symbol_at), index);
    if (st != CG_OK)
        return st;
    put_line(b, l->line + rest_at, l->len - (size_t)rest_at);
    return CG_OK;
}

static cg_status build_v3000(struct builder *b, struct lines *l)
{
    const cg_smiles *g = cg_molecule_graph(b->mol);
    uint64_t hash = 0;
    size_t atoms = 0, bonds = 0;
    enum { OUTSIDE, ATOMS, BONDS } part = OUTSIDE;
    cg_status st;

    do {
        if (starts_with(l, "M  V30 BEGIN ATOM")) {
            part = ATOMS;
        } else if (starts_with(l, "M  V30 BEGIN BOND")) {
            part = BONDS;
        } else if (starts_with(l, "M  V30 END ")) {
            part = OUTSIDE;
        } else if (part == ATOMS) {
            if (atoms == g->n_atoms)
                return unexpected(b, l, "no more atoms than in the SMILES");
            if ((st = build_v3000_atom(b, l, atoms++)) != CG_OK)
                return st;
            continue;
        } else if (part == BONDS) {
            unsigned type, from, to;
            int end = 0;

            bonds++;
            if (sscanf(l->line, "M  V30 %*u %u %u %u%n", &type, &from, &to, &end) < 3 || type < 1 ||
                type > 3)
                return unexpected(b, l, "a single, double or triple bond");
            hash += bond_hash(from, to);
            put_line(b, l->line, (size_t)end); /* leaves out a stereo mark, CFG= */
            continue;
        }
        put_line(b, l->line, l->len);
    } while (next_line(l));
    if (atoms != g->n_atoms || bonds != g->n_bonds || hash != graph_hash(g))
        return cg_fail(b->err, CG_ERR_UNSUPPORTED,
                       "molblock of '%.60s': found %zu atoms and %zu bonds, wanted the %zu atoms "
                       "and %zu bonds of the SMILES",
                       cg_molecule_smiles(b->mol, NULL), atoms, bonds, g->n_atoms, g->n_bonds);
    return CG_OK;
}

/* RDKit's block of the canonical SMILES, without useful coordinates; free_ptr(). */
static char *rdkit_block(const cg_molecule *mol, int version)
{
    static const char details[] = "{\"includeStereo\":false,\"kekulize\":true}";
    size_t size = 0;
    char *pkl = get_mol(cg_molecule_smiles(mol, NULL), &size, "{}");
    char *text = NULL;

    if (pkl)
        text = version == 3000 ? get_v3kmolblock(pkl, size, details)
                               : get_molblock(pkl, size, details);
    free_ptr(pkl);
    return text;
}

static cg_status build(struct builder *b, const char *rdkit)
{
    struct lines l = { .at = rdkit, .line = rdkit };

    /* Name, stamp and comment are ours; the counts line is the fourth. */
    for (int i = 0; i < 4; i++)
        if (!next_line(&l))
            return unexpected(b, &l, "a header of three lines and a counts line");
    put(b, stamp, sizeof stamp - 1);
    put(b, "\n", 1);
    return b->block->version == 3000 ? build_v3000(b, &l) : build_v2000(b, &l);
}

cg_status cg_molblock_create(const cg_molecule *mol, cg_molblock **ret_block, cg_error *err)
{
    const cg_smiles *g = cg_molecule_graph(mol);
    cg_molblock *block = calloc(1, sizeof *block);
    struct builder b = { .mol = mol, .block = block, .err = err };
    char *rdkit = NULL;
    cg_status st;

    if (!block)
        return cg_fail(err, CG_ERR_NOMEM, "molblock: out of memory");
    block->n_atoms = g->n_atoms;
    block->version = g->n_atoms > V2000_MAX || g->n_bonds > V2000_MAX ? 3000 : 2000;
    rdkit = rdkit_block(mol, block->version);
    if (!rdkit) {
        st = cg_fail(err, CG_ERR_UNSUPPORTED, "molblock of '%.60s': RDKit cannot write it",
                     cg_molecule_smiles(mol, NULL));
        goto out;
    }
    block->literal_at = cg_alloc_array(g->n_atoms + 2, sizeof *block->literal_at);
    /* Lines are copied, cut or gain a newline that a last line may lack. */
    block->text = cg_alloc_array(strlen(rdkit) + sizeof stamp + 2, 1);
    if (!block->literal_at || !block->text) {
        st = cg_fail(err, CG_ERR_NOMEM, "molblock of %zu atoms: out of memory", g->n_atoms);
        goto out;
    }
    block->literal_at[0] = 0;
    if ((st = build(&b, rdkit)) != CG_OK)
        goto out;
    block->literal_at[g->n_atoms + 1] = b.out;
    *ret_block = block;
    block = NULL;
out:
    free_ptr(rdkit);
    cg_molblock_destroy(block);
    return st;
}

void cg_molblock_destroy(cg_molblock *block)
{
    if (!block)
        return;
    free(block->text);
    free(block->literal_at);
    free(block);
}

int cg_molblock_version(const cg_molblock *block)
{
    return block->version;
}

size_t cg_molblock_n_atoms(const cg_molblock *block)
{
    return block->n_atoms;
}

size_t cg_molblock_bound(const cg_molblock *block, size_t name_len)
{
    /* name, newline, text, three numbers and two blanks an atom, NUL */
    return name_len + 1 + block->literal_at[block->n_atoms + 1] +
           block->n_atoms * (3 * V3000_FIELD + 2) + 1;
}

/* One coordinate, right-aligned in ten columns (V2000) or as short as it is (V3000). */
static size_t put_coordinate(double v, int version, char *out)
{
    char number[CG_FIXED_MAX];
    size_t n = cg_fixed_write(llround(v * 1e4), DECIMALS, number);
    size_t pad = version == 2000 ? V2000_FIELD - n : 0;

    memset(out, ' ', pad);
    memcpy(out + pad, number, n);
    return pad + n;
}

cg_status cg_molblock_write(const cg_molblock *block, const char *name, size_t name_len,
                            const double (*xyz)[3], char *buf, size_t cap, size_t *ret_len,
                            cg_error *err)
{
    size_t out = 0;

    if (cap < cg_molblock_bound(block, name_len))
        return cg_fail(err, CG_ERR_LIMIT, "molblock: found room for %zu bytes, wanted %zu", cap,
                       cg_molblock_bound(block, name_len));
    if (name_len >= 4 && memcmp(name, "$$$$", 4) == 0)
        return cg_fail(err, CG_ERR_INPUT, "molblock name: found '$$$$', which ends a record");
    for (size_t i = 0; i < name_len; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return cg_fail(err, CG_ERR_INPUT,
                           "molblock name offset %zu: found byte 0x%02x, wanted no control "
                           "characters",
                           i, (unsigned char)name[i]);
    if (name_len)
        memcpy(buf, name, name_len);
    out = name_len;
    buf[out++] = '\n';
    for (size_t i = 0; i <= block->n_atoms; i++) {
        size_t n = block->literal_at[i + 1] - block->literal_at[i];

        memcpy(buf + out, block->text + block->literal_at[i], n);
        out += n;
        for (int k = 0; i < block->n_atoms && k < 3; k++) {
            if (!(fabs(xyz[i][k]) <= 9999.0)) /* NaN too */
                return cg_fail(err, CG_ERR_LIMIT,
                               "atom %zu: found the coordinate %g, wanted at most 9999 Å", i + 1,
                               xyz[i][k]);
            if (k > 0 && block->version == 3000)
                buf[out++] = ' ';
            out += put_coordinate(xyz[i][k], block->version, buf + out);
        }
    }
    buf[out] = '\0';
    *ret_len = out;
    return CG_OK;
}

cg_status cg_molblock_add_hs(const char *molblock, char **ret_text, cg_error *err)
{
    char reason[256] = "";
    char *rdkit = cgrd_add_hs_with_coords(molblock, reason, sizeof reason);
    const char *second, *third;
    char *text;
    size_t size;

    if (!rdkit)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "hydrogens cannot be added: %s", reason);
    second = strchr(rdkit, '\n');
    third = second ? strchr(second + 1, '\n') : NULL;
    if (!third) {
        free_ptr(rdkit);
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "hydrogens cannot be added: RDKit's molblock has no header");
    }
    size = strlen(rdkit) + sizeof stamp;
    text = malloc(size);
    if (!text) {
        free_ptr(rdkit);
        return cg_fail(err, CG_ERR_NOMEM, "molblock of %zu bytes: out of memory", size);
    }
    snprintf(text, size, "%.*s\n%s%s", (int)(second - rdkit), rdkit, stamp, third + 1);
    free_ptr(rdkit);
    *ret_text = text;
    return CG_OK;
}
