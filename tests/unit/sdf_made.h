/* SPDX-License-Identifier: MIT */
/** @file sdf_made.h  Small synthetic SDF records. Test code only. */
#ifndef CG_TEST_SDF_MADE_H
#define CG_TEST_SDF_MADE_H

#include "base/buf.h"
#include "eval/conformers.h"
#include "scratch.h"

/** An atom line of V2000. */
static inline void sdf_atom(cg_buf *out, double x, double y, double z, const char *element)
{
    cg_buf_printf(out, "%10.4f%10.4f%10.4f %-3s 0  0  0  0  0  0  0  0  0  0  0  0\n", x, y, z,
                  element);
}

static inline void sdf_head(cg_buf *out, const char *name, int atoms, int bonds)
{
    cg_buf_printf(out, "%s\n  test              3D\n\n%3d%3d  0  0  0  0  0  0  0  0999 V2000\n",
                  name, atoms, bonds);
}

static inline void sdf_end(cg_buf *out, const char *smiles)
{
    cg_buf_puts(out, "M  END\n");
    if (smiles)
        cg_buf_printf(out, ">  <SMILES>\n%s\n\n", smiles);
    cg_buf_puts(out, "$$$$\n");
}

/** A chain of elements along x, bonded in sequence; its second atom is displaced by `y`. */
static inline void sdf_chain(cg_buf *out, const char *name, const char *elements, double y,
                             const char *smiles)
{
    int n = (int)strlen(elements);

    sdf_head(out, name, n, n - 1);
    for (int i = 0; i < n; i++)
        sdf_atom(out, 1.4 * i, i == 1 ? y : 0, 0.1, (char[]) { elements[i], '\0' });
    for (int i = 1; i < n; i++)
        cg_buf_printf(out, "%3d%3d  1  0\n", i, i + 1);
    sdf_end(out, smiles);
}

/** Reads a synthetic file, which must be a valid SDF. */
static inline cg_conformer_file sdf_read(const cg_buf *text, int n_threads)
{
    cg_conformer_file file = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_buf_check(text, "test", NULL), CG_OK);
    ck_assert_msg(cg_conformer_file_read_memory("made.sdf", text->data, text->len, n_threads, &file,
                                                &err) == CG_OK,
                  "%s", err.msg);
    return file;
}

/** Path of a file in tests/data/eval. */
static inline const char *eval_data(const char *name)
{
    static char paths[4][1024];
    static int turn;
    const char *root = getenv("CONFGEN_SOURCE_ROOT");
    char *p = paths[turn++ & 3];

    ck_assert_msg(root != NULL, "CONFGEN_SOURCE_ROOT is not set");
    snprintf(p, sizeof paths[0], "%s/tests/data/eval/%s", root, name);
    return p;
}

#endif
