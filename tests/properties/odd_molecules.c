/* SPDX-License-Identifier: MIT */
#include "odd_molecules.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_DEPTH = 7,      /* of nested substituents */
    MAX_RING = 1000,    /* ring numbers are smaller */
    MAX_CAGE = 72,      /* atoms of a cage */
    MAX_EXPANDER = 260, /* atoms of cages with three-digit ring numbers */
    RESERVE = 64,       /* bytes by which a fragment may exceed the budget */
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/*
 * Fragments. In a fragment
 *     ~a ~b ..   is a ring number, opened by its first and closed by its second occurrence
 *     *          is a substituent in parentheses, or nothing
 *     &          is a chain
 *     ?          is @, @@ or nothing
 *     !          is /, \ or nothing
 *     ^          is a mass number or nothing
 *     ;          is an atom class or nothing
 */

/* Bonded on the left by their first atom and on the right by their last one. */
static const char *const links[] = {
    "C",
    "CC",
    "C*",
    "C**",
    "N*",
    "O",
    "S",
    "[Se]",
    "S(=O)",
    "S(=O)(=O)",
    "[S?](=O)",
    "P(=O)(O*)",
    "[P?](=O)(C)",
    "[Si](C)(C)",
    "[Ge](C)(C)",
    "[^CH2;]",
    "[C?H;](&C)",
    "[C?](C)(&O)",
    "[C?H](F)",
    "[^C?H](&N)",
    "C(=O)",
    "C(=O)N*",
    "C(=O)O",
    "C(=S)N",
    "C(=N*)",
    "N=N",
    "C=N",
    "!C=C!",
    "!C*=C*!",
    "!C=N!",
    "!C=C!C=C!",
    "C#C",
    "C=C=C",
    "[N+](C)(C)",
    "[N+]*(C)",
    "[NH2+]",
    "[15NH]",
    "[18O]",
    "OO",
    "SS",
    "c~accc(cc~a)",
    "c~accccc~a",
    "c~accc(nc~a)",
    "c~ac*sc(n~a)",
    "c~anc*[nH]c~a",
    "n~accc*c~a",
    "n~anc*cc~a",
    "[n+]~accc(cc~a)",
    "c~acc*c[n+]([O-])c~a",
    "c~accc(o~a)",
    "c~ac[se]c(n~a)",
    "C~aC*CC(CC~a)",
    "N~aCCN(CC~a)",
    "C~aOC~a",
    "C~aCC~a",
    "C~aCC(C~a)",
    "C~aNC*C~a",
    "c~accc~bcc(ccc~bc~a)",
    "c~accc~bc(c~a)c(c[nH]~b)",
    "c~anc(N*)c~bncn(c~bn~a)",
    "c~accc~bc(c~a)c~ccccc(c~c[nH]~b)",
    "C~aCC~bCC~aCC~b",
    "C~aC~bCC~cCC~aCC(C~b)C~c",
    "C~aCCC~b(C~a)CCCC~b",
    "[C?H]~aCC[C?H]~b[C?H](C~a)CC[C?]~b(C)",
    "[C?]~a(C)CC[C?H]~b[C?H](C~a)CC[C?]~b(C)",
    "C~a~bC~cC~dC~aC~eC~bC~cC~d~e",
    "[C?H]~aO[C?H](CO)[C?H](O)[C?H](O)[C?H]~aO",
    "C~a&C~a",
    "[C?H]~a&[C?H]~a",
    "C~a&N~a",
    "C~a=C&C~a",
    "[BH-]*[NH2+]",
    "[Te]",
    "[As](C)",
    "[S+](C)",
    "[I+]",
    "[CH;]",
    "[N-]",
};

/* The end of a chain. */
static const char *const ends[] = {
    "F",
    "Cl",
    "Br",
    "I",
    "[At]",
    "C",
    "CC",
    "O",
    "N",
    "S",
    "C#N",
    "C#[15N]",
    "[N+]#[C-]",
    "N=[N+]=[N-]",
    "[N+](=O)[O-]",
    "N(=O)=O",
    "N=C=S",
    "N=C=O",
    "[NH3+]",
    "[O-]",
    "[S-]",
    "C(=O)[O-]",
    "C(=O)O",
    "[2H]",
    "[3H]",
    "[H]",
    "[^CH3;]",
    "[^CH3]",
    "[CH3;]",
    "[OH;]",
    "[^NH2;]",
    "[125I]",
    "[18F]",
    "[37Cl]",
    "[81Br]",
    "[C?H](C)[2H]",
    "B(O)O",
    "B~aOC(C)(C)C(C)(C)O~a",
    "[B-](F)(F)F",
    "S(F)(F)(F)(F)F",
    "P(=O)([O-])[O-]",
    "P(=O)(O)O",
    "[P+](C)(C)C",
    "P(F)(F)(F)F",
    "S(=O)(=O)[O-]",
    "[S+](C)C",
    "[S?](=O)C",
    "[S?](=N)(=O)C",
    "OS(=O)(=O)O",
    "[Si](C)(C)C",
    "[SiH3]",
    "[GeH3]",
    "[SeH]",
    "[Se]C",
    "[Te]C",
    "[AsH2]",
    "c~accccc~a",
    "c~acc[nH]c~a",
    "c~a[nH]nnc~a",
    "c~anc[nH]n~a",
    "c~acc[se]c~a",
    "c~acc[te]c~a",
    "c~acc[n+]([O-])cc~a",
    "c~acc[nH+]cc~a",
    "n~acccc~a",
    "c~ancc[n-]~a",
    "c~a[^cH]cccc~a",
    "[I+]c~accccc~a",
    "I(=O)=O",
    "[Cl+3]([O-])([O-])[O-]",
    "[O]",
    "[CH2]",
    "[C-]~acccc~a",
    "C(F)(F)F",
    "C(Cl)(Cl)Br",
    "!C=C!Cl",
    "!C=C!Br",
    "!C(F)=C(!Cl)Br",
    "!N=N!C",
    "!C=N!O",
    "[PH](C)(C)C",
    "[Kr]",
    "[BiH2]",
};

/* Components of salts. */
static const char *const ions[] = {
    "[Na+]",
    "[K+]",
    "[Li+]",
    "[Rb+]",
    "[Cs+]",
    "[Ag+]",
    "[Mg+2]",
    "[Ca+2]",
    "[Ba+2]",
    "[Zn+2]",
    "[Cu+]",
    "[Cu+2]",
    "[Fe+2]",
    "[Fe+3]",
    "[Al+3]",
    "[Gd+3]",
    "[La+3]",
    "[Ti+4]",
    "[U+6]",
    "[Tl+]",
    "[Pt+2]",
    "[99Tc+4]",
    "[68Ga+3]",
    "[Bi+3]",
    "[F-]",
    "[Cl-]",
    "[Br-]",
    "[I-]",
    "[125I-]",
    "[OH-]",
    "[H+]",
    "[NH4+]",
    "[OH3+]",
    "O",
    "[2H]O[2H]",
    "Cl",
    "Br",
    "I",
    "[C-]#N",
    "[S-]C#N",
    "[N-]=[N+]=[N-]",
    "[O-][N+](=O)[O-]",
    "[O-]S(=O)(=O)[O-]",
    "OS(=O)(=O)[O-]",
    "[O-][Cl+3]([O-])([O-])[O-]",
    "[O-]P([O-])([O-])=O",
    "F[P-](F)(F)(F)(F)F",
    "F[B-](F)(F)F",
    "F[Sb-](F)(F)(F)(F)F",
    "[BH4-]",
    "CC(=O)[O-]",
    "OC(=O)/C=C\\C(=O)O",
    "OC(=O)/C=C/C(=O)O",
    "C[N+](C)(C)C",
    "CS(=O)(=O)O",
    "OC(=O)C(F)(F)F",
    "c1ccncc1",
    "[Xe]",
    "[Ar]",
    "[He]",
    "[O-2]",
    "[S-2]",
    "[Zn]",
    "[CH3-]",
    "[CH3+]",
    "[13CH4]",
    "[NH2-]",
};

static const char *const residues[] = {
    "C",
    "CC(C)C",
    "Cc~accccc~a",
    "CO",
    "CS",
    "CC(=O)O",
    "CCSC",
    "CCCC[NH3+]",
    "Cc~ac[nH]cn~a",
    "CCCNC(=[NH2+])N",
    "C(C)CC",
    "C(C)O",
    "Cc~accc(O)cc~a",
    "Cc~ac[nH]c~bccccc~a~b",
    "C(C)C",
    "[2H]",
};

struct writer {
    odd_random *random;
    char *buf;
    size_t n, budget; /* bytes written; bound after which optional parts are omitted */
    char used[MAX_RING];
    int ring_style; /* 1: two digits, 2: three digits, 0: any of 5 styles, else the lowest */
};

/* ---- random numbers ------------------------------------------------------------------------- */

uint64_t odd_next(odd_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t odd_below(odd_random *random, uint32_t n)
{
    return (uint32_t)((odd_next(random) >> 32) * n >> 32);
}

static uint32_t below(struct writer *w, uint32_t n)
{
    return odd_below(w->random, n);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void put(struct writer *w, const char *text)
{
    size_t len = strlen(text);

    if (w->n + len >= ODD_MAX) /* a truncated text is an invalid molecule, which is fine */
        return;
    memcpy(w->buf + w->n, text, len + 1);
    w->n += len;
}

static void put_number(struct writer *w, const char *format, uint32_t number)
{
    char text[16];

    snprintf(text, sizeof text, format, number);
    put(w, text);
}

/* Returns a ring number that is not open: the lowest, or a random one of one to three digits. */
static int open_ring(struct writer *w)
{
    int ring, style = w->ring_style ? w->ring_style : (int)below(w, 5);

    for (int tries = 0; tries < 50; tries++) {
        ring = style == 1   ? 10 + (int)below(w, 90)
               : style == 2 ? 100 + (int)below(w, MAX_RING - 100)
                            : 1 + (int)below(w, 9);
        if (!w->used[ring])
            break;
    }
    if (style > 2 || w->used[ring])
        for (ring = 1; w->used[ring] && ring < MAX_RING - 1; ring++)
            ;
    w->used[ring] = 1;
    return ring;
}

static void put_ring(struct writer *w, int ring)
{
    put_number(w, ring < 10 ? "%u" : ring < 100 ? "%%%u" : "%%(%u)", (uint32_t)ring);
}

static void put_chain(struct writer *w, int depth);

static void put_fragment(struct writer *w, const char *fragment, int depth)
{
    static const char *const chiralities[] = { "@", "@@", "@", "@@", "" };
    static const char *const directions[] = { "/", "\\", "/", "\\", "" };
    int ring[8] = { 0 };

    for (const char *p = fragment; *p; p++) {
        char verbatim[2] = { *p, '\0' };

        switch (*p) {
        case '~': {
            int *r = &ring[*++p - 'a'];

            if (!*r) {
                put_ring(w, *r = open_ring(w));
            } else {
                put_ring(w, *r);
                w->used[*r] = 0;
                *r = 0;
            }
            break;
        }
        case '*':
            if (depth < MAX_DEPTH && w->n < w->budget && below(w, 2)) {
                put(w, "(");
                put_chain(w, depth + 1);
                put(w, ")");
            }
            break;
        case '&':
            for (uint32_t i = 0, n = 2 + below(w, 4); i < n; i++)
                put_fragment(
                    w, depth < MAX_DEPTH && w->n < w->budget ? links[below(w, COUNT(links))] : "CC",
                    depth + 1);
            break;
        case '?':
            put(w, chiralities[below(w, COUNT(chiralities))]);
            break;
        case '!':
            if (w->n && !strchr("/\\", w->buf[w->n - 1]))
                put(w, directions[below(w, COUNT(directions))]);
            break;
        case '^':
            if (below(w, 2))
                put_number(w, "%u", 1 + below(w, below(w, 4) ? 20 : 300));
            break;
        case ';':
            if (below(w, 2))
                put_number(w, ":%u", 1 + below(w, below(w, 3) ? 9 : 999));
            break;
        default:
            put(w, verbatim);
        }
    }
}

/* Writes links and an end. */
static void put_chain(struct writer *w, int depth)
{
    while (w->n < w->budget && below(w, 4))
        put_fragment(w, links[below(w, COUNT(links))], depth);
    put_fragment(w, ends[below(w, COUNT(ends))], depth);
}

static void put_composed(struct writer *w)
{
    w->budget = 6 + below(w, below(w, 8) ? 90 : 500);
    do
        put_fragment(w, links[below(w, COUNT(links))], 0);
    while (w->n < w->budget && below(w, 5));
    put_fragment(w, ends[below(w, COUNT(ends))], 0);
}

static void put_salt(struct writer *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            put(w, ".");
        put(w, ions[below(w, COUNT(ions))]);
    }
}

static void put_long(struct writer *w)
{
    static const char *const parts[] = { "C",  "CC",     "O",  "CCO", "C(C)", "N",    "C(=O)N",
                                         "SC", "/C=C/C", "CF", "CCC", "C#CC", "CCCl", "C(F)(F)" };
    uint32_t one = below(w, 3) ? COUNT(parts) : below(w, 4);

    for (uint32_t i = 0, n = 20 + below(w, 60); i < n; i++)
        put(w, parts[one < COUNT(parts) ? one : below(w, 8)]);
}

static void put_peptide(struct writer *w)
{
    int cycle = below(w, 3) == 0 ? open_ring(w) : 0;

    put(w, cycle ? "N" : below(w, 2) ? "[NH3+]" : "CC(=O)N");
    if (cycle)
        put_ring(w, cycle);
    for (uint32_t i = 0, n = 2 + below(w, 12); i < n; i++) {
        put(w, i ? "N" : "");
        put_fragment(w, "[C?H](", 0);
        put_fragment(w, residues[below(w, COUNT(residues))], 0);
        put(w, ")C");
        if (cycle && i + 1 == n)
            put_ring(w, cycle);
        put(w, "(=O)");
    }
    put(w, cycle ? "" : below(w, 2) ? "[O-]" : "N");
}

/* ---- cages: random graphs, written depth-first ---------------------------------------------- */

struct cage {
    int n, degree[MAX_EXPANDER];
    int to[MAX_EXPANDER][4];
    char seen[MAX_EXPANDER];
    int parent[MAX_EXPANDER]; /* in the spanning tree */
    int ring[MAX_EXPANDER][4];
};

static int joined(const struct cage *c, int a, int b)
{
    for (int i = 0; i < c->degree[a]; i++)
        if (c->to[a][i] == b)
            return 1;
    return 0;
}

static void join(struct cage *c, int a, int b, int max_degree)
{
    if (a == b || c->degree[a] >= max_degree || c->degree[b] >= max_degree || joined(c, a, b))
        return;
    c->to[a][c->degree[a]++] = b;
    c->to[b][c->degree[b]++] = a;
}

/* Finds the spanning tree from atom a, whose bonds are written without ring numbers. */
static void span_cage(struct cage *c, int a)
{
    c->seen[a] = 1;
    for (int i = 0; i < c->degree[a]; i++) {
        int b = c->to[a][i];

        if (!c->seen[b]) {
            c->parent[b] = a;
            span_cage(c, b);
        }
    }
}

/* Writes atom a, its ring numbers and its subtree. Bonds of the tree have ring[][] = 0. */
static void write_cage(struct writer *w, struct cage *c, int a)
{
    int last = -1;

    c->seen[a] = 1;
    put(w, c->degree[a] > 3 || below(w, 8) ? "C" : c->degree[a] == 3 ? "N" : "O");
    for (int i = 0; i < c->degree[a]; i++) {
        int b = c->to[a][i];

        if (b == c->parent[a] || c->parent[b] == a)
            continue;
        for (int j = 0; j < c->degree[b]; j++)
            if (c->to[b][j] == a) {
                int known = c->seen[b];
                int ring = known ? c->ring[b][j] : open_ring(w);

                c->ring[a][i] = ring;
                put_ring(w, ring);
                if (known)
                    w->used[ring] = 0;
            }
    }
    for (int i = 0; i < c->degree[a]; i++)
        if (c->parent[c->to[a][i]] == a)
            last = i;
    for (int i = 0; i < c->degree[a]; i++) {
        int b = c->to[a][i];

        if (c->parent[b] != a)
            continue;
        put(w, i == last ? "" : "(");
        write_cage(w, c, b);
        put(w, i == last ? "" : ")");
    }
}

static void put_cage(struct writer *w, int n, int max_degree)
{
    static struct cage c;

    memset(&c, 0, sizeof c);
    c.n = n;
    for (int a = 1; a < n; a++) /* a path through all atoms keeps the cage connected */
        join(&c, a - 1, a, max_degree);
    for (int i = 0; i < 4 * n; i++)
        join(&c, (int)below(w, (uint32_t)n), (int)below(w, (uint32_t)n), max_degree);
    for (int a = 0; a < n; a++)
        c.parent[a] = -1;
    span_cage(&c, 0);
    memset(c.seen, 0, sizeof c.seen);
    write_cage(w, &c, 0);
}

/*
 * Writes a row of fused aromatic rings: the upper edge from left to right, whose fusion atoms open
 * rings, then the lower edge back, which closes them.
 */
static void put_acene(struct writer *w)
{
    int open[16], n = 2 + (int)below(w, 12);

    for (int i = 0; i < n; i++) {
        put(w, i ? "cc" : "c");
        put_ring(w, open[i] = open_ring(w));
    }
    put(w, below(w, 2) ? "ccc" : "cnc");
    for (int i = n - 1; i >= 0; i--) {
        put(w, "cc");
        put_ring(w, open[i]);
        w->used[open[i]] = 0;
    }
}

/* ---- mutation of one character -------------------------------------------------------------- */

static void mutate(struct writer *w)
{
    static const char letters[] = "CNOSPFIcnosp123456789()[]=#-+@/\\.%:HBrlSi";
    uint32_t at = below(w, (uint32_t)w->n);

    switch (below(w, 3)) {
    case 0:
        w->buf[at] = letters[below(w, sizeof letters - 1)];
        break;
    case 1:
        memmove(w->buf + at, w->buf + at + 1, w->n - at);
        w->n--;
        break;
    default:
        if (w->n + 1 < ODD_MAX) {
            memmove(w->buf + at + 1, w->buf + at, w->n + 1 - at);
            w->buf[at] = letters[below(w, sizeof letters - 1)];
            w->n++;
        }
    }
    if (w->n == 0)
        put(w, "C");
}

size_t odd_molecule(odd_random *random, char *buf)
{
    struct writer w = { .random = random, .buf = buf, .budget = ODD_MAX - RESERVE };
    uint32_t kind = below(&w, 1000);

    buf[0] = '\0';
    w.ring_style = below(&w, 3) ? 9 : (int)below(&w, 3); /* mostly the lowest number */
    if (kind < 640) {
        put_composed(&w);
    } else if (kind < 700) {
        put_cage(&w, 5 + (int)below(&w, below(&w, 4) ? 16 : MAX_CAGE - 5), 3 + (int)below(&w, 2));
    } else if (kind < 740) {
        put_long(&w);
    } else if (kind < 810) {
        put_salt(&w, 1 + below(&w, below(&w, 6) ? 4 : 16));
    } else if (kind < 850) {
        put_peptide(&w);
    } else if (kind < 870) {
        put_acene(&w);
    } else if (kind < 871) {
        put_cage(&w, 200 + (int)below(&w, MAX_EXPANDER - 200), 4);
    } else {
        put_composed(&w);
        mutate(&w);
    }
    if (kind % 10 == 0 && w.n < ODD_MAX - 4 * RESERVE) {
        put(&w, ".");
        put_salt(&w, 1 + below(&w, 3));
    }
    return w.n;
}

/* ---- features of a SMILES ------------------------------------------------------------------- */

static uint32_t bracket_features(const char *p, const char *end)
{
    const char *element = p + 1 + strspn(p + 1, "0123456789");
    uint32_t found = element > p + 1 ? ODD_ISOTOPE : 0;

    if (islower((unsigned char)element[1]) && isupper((unsigned char)element[0]))
        found |= ODD_TWO_LETTERS;
    if (element[0] == 'H' && !islower((unsigned char)element[1]))
        found |= ODD_HYDROGEN;
    if (!strncmp(p, "[nH]", 4))
        found |= ODD_AROMATIC_NH;
    for (; p < end; p++)
        found |= *p == '+' || *p == '-' ? ODD_CHARGE
                 : *p == '@'            ? ODD_CHIRAL
                 : *p == ':'            ? ODD_CLASS
                                        : 0;
    return found;
}

uint32_t odd_features(const char *smiles)
{
    uint32_t found = 0;

    for (const char *p = smiles; *p; p++) {
        if (*p == '[') {
            const char *end = strchr(p, ']');

            if (!end)
                break;
            found |= bracket_features(p, end);
            p = end;
        } else {
            found |= *p == '%'                 ? p[1] == '(' ? ODD_RING_NNN : ODD_RING_NN
                     : *p == '.'               ? ODD_DOT
                     : *p == '/' || *p == '\\' ? ODD_CIS_TRANS
                     : *p == '#'               ? ODD_TRIPLE
                     : *p == 'l' || *p == 'r'  ? ODD_TWO_LETTERS
                                               : 0;
        }
    }
    return found;
}

const char *odd_feature_name(int i)
{
    static const char *const names[ODD_N_FEATURES] = {
        "charge",    "isotope", "%nn",        "%(nnn)", "dot",      "@",
        "cis/trans", "[nH]",    "Cl Br [Si]", "class",  "[H] [2H]", "triple bond",
    };

    return names[i];
}
