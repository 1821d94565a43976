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
#include "chem/rdkit_fail.h"

/* Second line of a block: initials (2), program (8), date and time (10, blank), dimension. */
static const char stamp[] = "   confgen          3D\n";

enum {
    V2000_MAX = 999,             /* atoms or bonds: the counts have three columns */
    V2000_COORDINATE_WIDTH = 10, /* columns of a coordinate, padded */
    V3000_COORDINATE_WIDTH = 10, /* most columns of a coordinate: -9999.0000 */
    DECIMALS = 4,
    COORDINATE_MAX = 9999, /* in Å: a larger one has more than ten columns */
};

struct cg_molblock {
    int version;
    size_t n_atoms;
    char *text;         /* the block without coordinates, from the stamp line on */
    size_t *literal_at; /* [n_atoms + 2] literal i is text[literal_at[i] .. literal_at[i + 1]):
                           literals and the coordinates of one atom alternate */
};

/* Cursor over the lines of RDKit's block. */
struct line_cursor {
    const char *at;   /* start of the next line */
    const char *line; /* current line, without its newline */
    size_t len;
};

static int next_line(struct line_cursor *l)
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

static int starts_with(const struct line_cursor *l, const char *prefix)
{
    size_t n = strlen(prefix);

    return l->len >= n && memcmp(l->line, prefix, n) == 0;
}

/* A molblock under construction. */
struct block_builder {
    const cg_molecule *mol;
    cg_molblock *block;
    size_t out;        /* bytes of block->text written */
    size_t n_literals; /* completed */
    cg_error *err;
};

static void put(struct block_builder *b, const char *text, size_t len)
{
    memcpy(b->block->text + b->out, text, len);
    b->out += len;
}

static void put_line(struct block_builder *b, const char *text, size_t len)
{
    put(b, text, len);
    put(b, "\n", 1);
}

static cg_status unexpected(const struct block_builder *b, const struct line_cursor *l,
                            const char *wanted)
{
    return cg_fail(
        b->err, CG_ERR_UNSUPPORTED, "molblock of '%.60s': found RDKit's line '%.*s', wanted %s",
        cg_molecule_smiles(b->mol, NULL), (int)(l->len < 100 ? l->len : 100), l->line, wanted);
}

/* Ends the current literal: the coordinates of atom `index` follow. Checks its element. */
static cg_status end_literal(struct block_builder *b, const struct line_cursor *l,
                             const char *symbol, size_t symbol_len, size_t index)
{
    const cg_smiles *g = cg_molecule_graph(b->mol);
    const char *want = cg_element_symbol(g->atoms[index].element);

    if (strlen(want) != symbol_len || memcmp(want, symbol, symbol_len) != 0)
        return unexpected(b, l, "the element of the SMILES atom with that index");
    b->block->literal_at[++b->n_literals] = b->out;
    return CG_OK;
}

/* Bonds must join the same atoms as in the SMILES, in any order: compare sums of hashes. */
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

/* Number in columns [from, from + 3) of a line, right-aligned; 0 if blank. */
static unsigned number_at(const struct line_cursor *l, size_t from)
{
    unsigned v = 0;

    for (size_t i = from; i < from + 3 && i < l->len; i++)
        if (l->line[i] >= '0' && l->line[i] <= '9')
            v = v * 10 + (unsigned)(l->line[i] - '0');
    return v;
}

/* Copies the lines of a V2000 block and splits them at the coordinates. Columns, from 0: the counts
 * line has atoms in 0 to 2 and bonds in 3 to 5; an atom line has three coordinates of
 * V2000_COORDINATE_WIDTH columns, a blank and the element; a bond line has its atoms in 0 to 2 and
 * 3 to 5, its type in 6 to 8, and a stereo mark in 9 to 11, which is set to 0. */
static cg_status build_v2000(struct block_builder *b, struct line_cursor *l)
{
    const cg_smiles *g = cg_molecule_graph(b->mol);
    uint64_t hash = 0;

    if (number_at(l, 0) != g->n_atoms || number_at(l, 3) != g->n_bonds)
        return unexpected(b, l, "as many atoms and bonds as in the SMILES");
    put_line(b, l->line, l->len);
    for (size_t i = 0; i < g->n_atoms; i++) {
        size_t n = 0;

        if (!next_line(l) || l->len < 3 * V2000_COORDINATE_WIDTH + 5)
            return unexpected(b, l, "an atom line");
        while (n < 3 && l->line[3 * V2000_COORDINATE_WIDTH + 1 + n] != ' ')
            n++;
        CG_TRY(end_literal(b, l, l->line + 3 * V2000_COORDINATE_WIDTH + 1, n, i));
        put_line(b, l->line + 3 * V2000_COORDINATE_WIDTH, l->len - 3 * V2000_COORDINATE_WIDTH);
    }
    for (size_t i = 0; i < g->n_bonds; i++) {
        if (!next_line(l) || l->len < 12)
            return unexpected(b, l, "a bond line");
        if (number_at(l, 6) < 1 || number_at(l, 6) > 3)
            return unexpected(b, l, "a single, double or triple bond");
        hash += bond_hash(number_at(l, 0), number_at(l, 3));
        put(b, l->line, 9);
        put_line(b, "  0", 3);
    }
    while (next_line(l))
        put_line(b, l->line, l->len);
    return hash == graph_hash(g) ? CG_OK : unexpected(b, l, "the bonds of the SMILES");
}

/* "M  V30 3 C 1.0 2.0 3.0 0 CHG=1": the three coordinates are left out. */
static cg_status build_v3000_atom(struct block_builder *b, struct line_cursor *l, size_t index)
{
    unsigned number;
    int symbol_at = 0, symbol_end = 0, rest_at = 0;

    /* sscanf may read past the line: it is part of a longer terminated text. */
    if (!starts_with(l, "M  V30 ") ||
        sscanf(l->line, "M  V30 %u %n%*s%n %*f %*f %*f%n", &number, &symbol_at, &symbol_end,
               &rest_at) < 1 ||
        number != index + 1 || rest_at == 0 || (size_t)rest_at > l->len ||
        l->line[l->len - 1] == '-')
        return unexpected(b, l, "an atom line");
    put(b, l->line, (size_t)symbol_end + 1);
    CG_TRY(end_literal(b, l, l->line + symbol_at, (size_t)(symbol_end - symbol_at), index));
    put_line(b, l->line + rest_at, l->len - (size_t)rest_at);
    return CG_OK;
}

/* As build_v2000() for a V3000 block. */
static cg_status build_v3000(struct block_builder *b, struct line_cursor *l)
{
    const cg_smiles *g = cg_molecule_graph(b->mol);
    uint64_t hash = 0;
    size_t atoms = 0, bonds = 0;
    enum { OUTSIDE, ATOMS, BONDS } part = OUTSIDE;

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
            CG_TRY(build_v3000_atom(b, l, atoms++));
            continue;
        } else if (part == BONDS) {
            unsigned type, from, to;
            int end = 0;

            bonds++;
            if (sscanf(l->line, "M  V30 %*u %u %u %u%n", &type, &from, &to, &end) < 3 || type < 1 ||
                type > 3)
                return unexpected(b, l, "a single, double or triple bond");
            hash += bond_hash(from, to);
            put_line(b, l->line, (size_t)end); /* without a stereo flag, CFG= */
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

/* RDKit's block of the canonical SMILES, its coordinates meaningless; free_ptr(). */
static char *rdkit_block(const cg_molecule *mol, int version)
{
    static const char details[] = "{\"includeStereo\":false,\"kekulize\":true}";
    size_t size = 0;
    char *pkl = get_mol(cg_molecule_smiles(mol, NULL), &size, "{\"removeHs\":false}");
    char *text = NULL;

    if (pkl)
        text = version == 3000 ? get_v3kmolblock(pkl, size, details)
                               : get_molblock(pkl, size, details);
    free_ptr(pkl);
    return text;
}

static cg_status build(struct block_builder *b, const char *rdkit)
{
    struct line_cursor l = { .at = rdkit, .line = rdkit };

    /* Name, stamp and comment lines are replaced; the counts line is the fourth. */
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
    struct block_builder b = { .mol = mol, .block = block, .err = err };
    char *rdkit = NULL;
    cg_status st;

    if (!block)
        return cg_fail_nomem(err, "molblock");
    block->n_atoms = g->n_atoms;
    block->version = g->n_atoms > V2000_MAX || g->n_bonds > V2000_MAX ? 3000 : 2000;
    rdkit = rdkit_block(mol, block->version);
    if (!rdkit) {
        st = cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "molblock of '%.60s': RDKit cannot write it",
                           cg_molecule_smiles(mol, NULL));
        goto out;
    }
    block->literal_at = cg_alloc_array(g->n_atoms + 2, sizeof *block->literal_at);
    /* No line grows, except for a newline that the last line may lack. */
    block->text = cg_alloc_array(strlen(rdkit) + sizeof stamp + 2, 1);
    if (!block->literal_at || !block->text) {
        st = cg_fail_nomem(err, "molblock");
        goto out;
    }
    block->literal_at[0] = 0;
    CG_TRY_GOTO(st, build(&b, rdkit), out);
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
    /* name, newline, literals, three numbers and two blanks per atom, NUL */
    return name_len + 1 + block->literal_at[block->n_atoms + 1] +
           block->n_atoms * (3 * V3000_COORDINATE_WIDTH + 2) + 1;
}

/* Writes a coordinate, |v| <= COORDINATE_MAX, right-aligned in ten columns (V2000) or unpadded. */
static size_t put_coordinate(double v, int version, char *out)
{
    char number[CG_FIXED_MAX];
    size_t n = cg_fixed_write(llround(v * (double)cg_fixed_unit(DECIMALS)), DECIMALS, number);
    size_t pad = version == 2000 ? V2000_COORDINATE_WIDTH - n : 0;

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
        return cg_fail(err, CG_ERR_LIMIT,
                       "molblock: buffer of %zu bytes, needs %zu (internal error)", cap,
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
            if (!(fabs(xyz[i][k]) <= COORDINATE_MAX)) /* also refuses NaN */
                return cg_fail(err, CG_ERR_LIMIT,
                               "atom %zu: found the coordinate %g, wanted at most %d Å", i + 1,
                               xyz[i][k], COORDINATE_MAX);
            if (k > 0 && block->version == 3000)
                buf[out++] = ' ';
            out += put_coordinate(xyz[i][k], block->version, buf + out);
        }
    }
    buf[out] = '\0';
    *ret_len = out;
    return CG_OK;
}
