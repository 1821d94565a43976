/* SPDX-License-Identifier: MIT */
/**
 * @file sticks.h  Conformers as sticks in SVG: bonds in the colours of their atoms, without wedges.
 *
 * A bond is two halves, each in the colour of its atom. Halves are drawn in layers from far to
 * near; a near layer has wider and darker lines. A layer is a group of the class `l0` (far) to
 * `l7`, in which there is one <path> for each colour, of the class `e0` to `e11`.
 * cg_sticks_put_style() gives them their colours.
 */
#ifndef CG_EVAL_STICKS_H
#define CG_EVAL_STICKS_H

#include "base/buf.h"
#include "chem/molecule.h"

enum { CG_STICK_LAYERS = 8, CG_STICK_COLOURS = 12 };

/** Heavy atoms and their bonds. Zero first; cg_sticks_finish() releases. */
typedef struct cg_sticks {
    size_t n_atoms, n_bonds;
    uint8_t *elements;    /* [n_atoms] atomic numbers, in the order of the canonical SMILES */
    uint16_t (*bonds)[2]; /* [n_bonds]; an atom without bonds is a bond with itself: a dot */
} cg_sticks;

/** @return CG_OK; CG_ERR_NOMEM, *ret_sticks is then unchanged */
cg_status cg_sticks_init(const cg_molecule *mol, cg_sticks *ret_sticks, cg_error *err);
void cg_sticks_finish(cg_sticks *sticks); /* accepts NULL and a zeroed struct */

/** Colour of an element, 0 to CG_STICK_COLOURS - 1; 0 for elements without one of their own. */
int cg_stick_colour(int element);
/** 0xrrggbb of a colour in a layer: far ones are nearer to the white ground. */
uint32_t cg_stick_rgb(int colour, int layer);
/** Width of a layer's lines as a share of the nearest layer's. */
double cg_stick_width(int layer);

/** Where the origin of the conformers is drawn, and units of the drawing per ångström. */
typedef struct cg_stick_view {
    double x, y, scale;
    double depth; /* Å: the layers divide z from -depth to depth */
    double width; /* of the nearest lines */
} cg_stick_view;

/**
 * Appends n conformers, drawn through each other.
 *
 * @param xyz  [n][n_atoms][3] Å, in view (projection.h)
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_sticks_draw(const cg_sticks *sticks, size_t n, const float (*xyz)[3],
                         const cg_stick_view *view, cg_buf *out, cg_error *err);

/** Appends CSS of the classes: 96 rules. */
void cg_sticks_put_style(cg_buf *out);

#endif
