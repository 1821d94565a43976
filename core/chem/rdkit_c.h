/* SPDX-License-Identifier: MIT */
/**
 * @file rdkit_c.h  RDKit as C functions: confgen's only interface to RDKit.
 *
 * The first part has the names and signatures of RDKit MinimalLib's C interface (release 2022.09)
 * and can be provided by a system librdkitcffi. Otherwise rdkit_adapter.cpp implements the same
 * functions on RDKit's C++ libraries. The second part (cgrd_) is missing from that interface.
 *
 * Conventions: molecules are passed as pickles (`pkl`, `pkl_sz` bytes, opaque); returned texts and
 * pickles are owned by the caller and freed with free_ptr(); NULL or 0 means failure, with errno
 * ENOMEM if memory ran out, else another value (see rdkit_fail.h); no C++ exception leaves a
 * function. Texts are NUL-terminated. `details_json` is NULL or a JSON object.
 * The adapter reads the keys listed with each function and fails on others; a system library may
 * support more and ignores unknown ones.
 *
 * Threads: all functions may be called from several threads at once, except the logging switches.
 */
#ifndef CG_CHEM_RDKIT_C_H
#define CG_CHEM_RDKIT_C_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- MinimalLib's names and signatures ------------------------------------------------- */

/**
 * SMILES, molblock (recognised by "M  END") or, by the adapter only, a record of a .mol2 that
 * cg_mol2_check() accepts (it begins with "@<TRIPOS>MOLECULE" and has a line that begins with
 * "@<TRIPOS>ATOM") -> pickle, its size in *mol_sz. Sanitized, stereo assigned;
 * from the coordinates if they are 3D. Adapter keys: sanitize, removeHs, radicals (false: a
 * molecule with unpaired electrons is refused). The parser's time is about
 * cubic on long chains: the caller bounds the text.
 */
char *get_mol(const char *input, size_t *mol_sz, const char *details_json);
/** SMARTS -> pickle of a query molecule. Adapter keys: none. */
char *get_qmol(const char *input, size_t *mol_sz, const char *details_json);

/** Canonical isomeric SMILES. Adapter keys: doIsomericSmiles, canonical, allHsExplicit. */
char *get_smiles(const char *pkl, size_t pkl_sz, const char *details_json);
/** The same with the CXSMILES extension, coordinates included. Adapter keys: as get_smiles. */
char *get_cxsmiles(const char *pkl, size_t pkl_sz, const char *details_json);
/** V2000 molblock (V3000 beyond 999 atoms or bonds). Adapter keys: includeStereo, kekulize. */
char *get_molblock(const char *pkl, size_t pkl_sz, const char *details_json);
/** V3000 molblock. Adapter keys: includeStereo, kekulize. */
char *get_v3kmolblock(const char *pkl, size_t pkl_sz, const char *details_json);

/** JSON array of {"atoms":[],"bonds":[]}, "{}" without a match. Options: RDKit's
 * SubstructMatchParameters, e.g. {"uniquify":false,"maxMatches":1000}. */
char *get_substruct_matches(const char *mol_pkl, size_t mol_pkl_sz, const char *query_pkl,
                            size_t query_pkl_sz, const char *options_json);
/** JSON object of descriptor names and values. */
char *get_descriptors(const char *pkl, size_t pkl_sz);
/** Drawing. Adapter keys: width, height (pixels, 16 to 10000). */
char *get_svg(const char *pkl, size_t pkl_sz, const char *details_json);

/** Adds explicit hydrogens, all at the origin. 1 on success. */
short add_hs(char **pkl, size_t *pkl_sz);
/** Removes every hydrogen, [2H] too. 1 on success. */
short remove_all_hs(char **pkl, size_t *pkl_sz);
/** Embeds one conformer (small-ring ETKDGv3). Parameters: RDKit's EmbedParameters, e.g.
 * {"randomSeed":7}. Conformer id + 1; -1 if embedding failed; 0 for a bad argument. */
short set_3d_coords(char **pkl, size_t *pkl_sz, const char *params_json);
/** Dimension of the coordinates, 2 or 3; 0 without coordinates. */
short has_coords(char *mol_pkl, size_t mol_pkl_sz);

void free_ptr(char *ptr); /* accepts NULL */
char *version(void);
void enable_logging(void);
void disable_logging(void);

/* ---- additions to MinimalLib ------------------------------------------------------------ */

/**
 * Canonical isomeric SMILES of a SMILES in one call, without an intermediate pickle.
 *
 * @param smiles  no blanks, length bounded by the caller
 * @param reason  [reason_cap] on failure one phrase, always terminated; atoms in it are counted
 * from 0 in the order of the text
 * @return the text (free_ptr), NULL on failure. See rdkit_extras.c for the limitations with a
 *         system librdkitcffi.
 */
char *cgrd_canonical_smiles(const char *smiles, char *reason, size_t reason_cap);

/**
 * Index of the first atom of a SMILES that has unpaired electrons and no hydrogens; all atoms of
 * the text count, explicit hydrogens included. -1 if there is none, on failure, and always with a
 * system librdkitcffi.
 */
int cgrd_find_radical(const char *smiles);

/**
 * The number of hydrogens of each atom of a SMILES that are no atoms of the text.
 *
 * @return [*ret_n_atoms], freed by free_ptr() as char *; NULL on failure with `reason` as above.
 *         Always NULL with a system librdkitcffi, whose C functions do not give the numbers.
 */
unsigned char *cgrd_count_hs(const char *smiles, size_t *ret_n_atoms, char *reason,
                             size_t reason_cap);

/**
 * Ideal positions of those hydrogens, by the geometry of their neighbours: in the order of the
 * atoms that bear them.
 *
 * @param xyz      [n_atoms][3] Å, of the atoms of `pkl`
 * @param ret_xyz  [n_hs][3] Å
 * @return 1; 0 on failure with `reason` as above, also if the molecule has another number of atoms
 *         or hydrogens. Always 0 with a system librdkitcffi.
 */
short cgrd_place_hs(const char *pkl, size_t pkl_sz, const double (*xyz)[3], size_t n_atoms,
                    double (*ret_xyz)[3], size_t n_hs, char *reason, size_t reason_cap);

/** A range of the angle atoms[0]-[1]-[2], degrees. */
typedef struct cgrd_angle {
    unsigned atoms[3];
    double low, high;
} cgrd_angle;

/**
 * Bounds of the distances between all pairs of atoms, as RDKit's distance geometry sets them from
 * bond lengths, angles, torsion ranges and van der Waals radii. Coordinates are not used.
 *
 * Bonds of atoms without parameters get the sum of their radii (bondRadii). Each of
 * angles[n_angles] replaces RDKit's bounds of the distance of its two ends. Pairs of atoms farther
 * apart whose path leads over such an angle are bounded by van der Waals radii and by triangle
 * smoothing only.
 *
 * Adapter keys, all true or false: set15bounds (true: 1-5 pairs have their own), scaleVDW (true:
 * smaller radii for pairs less than five bonds apart), doTriangleSmoothing (true),
 * useMacrocycle14config (false), forceTransAmides (true), bondRadii (true), flexibleMacrocycles
 * (false). The last one permits any torsion about the bonds of rings of 9 or more atoms, amides
 * included, except double bonds with a requested configuration, and omits set15bounds over such
 * torsions.
 *
 * @param ret_n_atoms  atoms of the molecule, explicit hydrogens included
 * @return [n][n] Å, row-major, freed by free_ptr() as char *: for i < j the upper bound of the pair
 *         is at [i][j], the lower bound at [j][i]. NULL on failure with `reason` as above, e.g. if
 *         triangle smoothing finds contradictory bounds. Always NULL with a system librdkitcffi,
 *         whose C functions give no bounds.
 */
double *cgrd_distance_bounds(const char *pkl, size_t pkl_sz, const char *details_json,
                             const cgrd_angle *angles, size_t n_angles, size_t *ret_n_atoms,
                             char *reason, size_t reason_cap);

/** cgrd_stereo.kind */
enum {
    CGRD_CENTRE = 1,
    CGRD_DOUBLE_BOND = 2,
    CGRD_OTHER_STEREO = 3, /* square planar, octahedral, atropisomers, ... */
};

/** One specified stereo element of a molecule; atoms in the order of the SMILES. */
typedef struct cgrd_stereo {
    int kind;
    /* Centre: 1 if seen from the first neighbour the others are anticlockwise; a hydrogen or lone
     * pair that is no atom of its own comes last. Double bond: 1 if the neighbours are cis. */
    int sense;
    unsigned atom;          /* the centre, or the first end of the double bond */
    unsigned other_end;     /* of the double bond */
    unsigned n_neighbours;  /* 3 or 4; of a double bond 2, one of each end; 0 for other kinds */
    unsigned neighbours[4]; /* every kind of atom, hydrogens included */
} cgrd_stereo;

/**
 * The stereo elements that RDKit finds in a SMILES, without those that it does not specify. All
 * atoms of the text are atoms of the molecule, explicit hydrogens included.
 *
 * @return [*ret_n], freed by free_ptr() as char *; NULL on failure with `reason` as above. Always
 *         NULL with a system librdkitcffi, whose C functions do not give the stereo.
 */
cgrd_stereo *cgrd_find_stereo(const char *smiles, size_t *ret_n, size_t *ret_n_atoms, char *reason,
                              size_t reason_cap);

/**
 * Counts the marks of a SMILES that mean a stereo element which RDKit cannot hold, so that it drops
 * them: cumulenes (allenes with @, even ones with / and \); classes other than tetrahedral, as far
 * as they are dropped; rings that are stereogenic as a whole (alkylidenecycloalkanes, spiranes);
 * trans double bonds in rings of fewer than eight atoms. A mark on an atom that is no stereocentre,
 * such as C[C@](C)(C)C or an amine's nitrogen, is not counted.
 *
 * @return the number; -1 on failure with `reason` as above. Always 0 with a system librdkitcffi,
 *         whose C functions do not give the stereo.
 */
int cgrd_count_lost_stereo(const char *smiles, char *reason, size_t reason_cap);

/**
 * A SMILES of the stereoisomer with some elements inverted; not canonical.
 *
 * @param inverted  [n] centres and double bonds of cgrd_find_stereo(); their kind, atom and
 *                  other_end are read
 * @return the text (free_ptr), NULL on failure with `reason` as above. Always NULL with a system
 *         librdkitcffi.
 */
char *cgrd_invert_stereo(const char *smiles, const cgrd_stereo *inverted, size_t n, char *reason,
                         size_t reason_cap);

/**
 * Positions of the heavy atoms of a molblock, in its order.
 *
 * @return [*ret_n][3] Å, freed by free_ptr() as char *; NULL on failure with `reason` as above,
 * also for atoms that are no elements, bonds without an order and drawings. Always NULL with a
 *         system librdkitcffi.
 */
double *cgrd_core_positions(const char *block, size_t *ret_n, char *reason, size_t reason_cap);

/**
 * Finds the heavy atoms of a molblock in a molecule: elements, charges of charged atoms, and bond
 * orders are the same, where aromatic and conjugated bonds are equal. Matches that differ by a
 * symmetry count as several; stereo is not compared.
 *
 * @param smiles  all atoms of the text are atoms of the molecule
 * @return [*ret_n][heavy atoms] atoms of the SMILES, at most max_matches rows, freed by free_ptr()
 *         as char *; NULL on failure with `reason` as above. Always NULL with a system
 *         librdkitcffi.
 */
unsigned *cgrd_core_matches(const char *block, const char *smiles, unsigned max_matches,
                            size_t *ret_n, char *reason, size_t reason_cap);

/** cgrd_mmff_term.kind; atoms and parameters of each, in MMFF94's units (Å, degrees, mdyn). */
enum {
    CGRD_MMFF_BOND = 0,         /* i, j: force constant, length */
    CGRD_MMFF_ANGLE = 1,        /* i, j (centre), k: force constant, angle, 1 if linear */
    CGRD_MMFF_STRETCH_BEND = 2, /* i, j (centre), k: constants of i-j and k-j, their lengths */
    CGRD_MMFF_PLANE = 3,        /* i, j (centre), k, l (out of the plane of i, j, k): constant */
    CGRD_MMFF_TORSION = 4,      /* i, j, k, l: V1, V2, V3, kcal/mol */
    CGRD_MMFF_PAIR = 5,         /* i, j: R*, epsilon in kcal/mol, product of charges in e^2 */
};

/** One term of the MMFF94 energy of a molecule. */
typedef struct cgrd_mmff_term {
    int kind;
    unsigned atoms[4];
    double parameters[4];
} cgrd_mmff_term;

/**
 * The terms of the MMFF94 energy that RDKit has for a molecule, in the order of their kinds. Pairs
 * are those three or more bonds apart in one fragment; the product of charges includes the factor
 * 0.75 of pairs three bonds apart.
 *
 * @param smiles   all hydrogens are atoms of the text
 * @param variant  "MMFF94" or "MMFF94s"
 * @return [*ret_n], freed by free_ptr() as char *; NULL on failure with `reason` as above: an atom
 *         or bond without parameters is named. Always NULL with a system librdkitcffi.
 */
cgrd_mmff_term *cgrd_mmff_terms(const char *smiles, const char *variant, size_t *ret_n,
                                size_t *ret_n_atoms, char *reason, size_t reason_cap);

/** What became of a conformer. */
typedef struct cgrd_uff_result {
    double before, after; /* energy, kcal/mol */
    double gradient;      /* greatest component of atoms that move, kcal/mol/Å */
    unsigned rounds;      /* of the minimiser, at most */
} cgrd_uff_result;

/**
 * Has UFF parameters for all atoms of a molecule? All hydrogens are atoms of the text.
 *
 * @return 1; 0 with `reason` as above, which names the atom. Always 0 with a system librdkitcffi.
 */
short cgrd_uff_check(const char *smiles, char *reason, size_t reason_cap);

/**
 * Moves a conformer to a minimum of its UFF energy by RDKit's minimiser. Fragments do not interact.
 *
 * @param xyz         [n_atoms][3] Å, changed; unchanged on failure
 * @param fixed       [n_atoms] 1: the atom stays in place; NULL: all move
 * @param max_rounds  0: nothing moves
 * @param gradient    kcal/mol/Å: ends when no component is greater
 * @return 1; 0 on failure with `reason` as above. Always 0 with a system librdkitcffi.
 */
short cgrd_uff_minimize(const char *smiles, double (*xyz)[3], size_t n_atoms,
                        const unsigned char *fixed, unsigned max_rounds, double gradient,
                        cgrd_uff_result *ret, char *reason, size_t reason_cap);

/** A quartet of atoms of a torsion fingerprint. */
typedef struct cgrd_torsion {
    unsigned term; /* quartets of a term are alternatives (bond), or all averaged (ring) */
    int is_ring;
    double weight;        /* of the term */
    double max_deviation; /* degrees */
    unsigned atoms[4];
} cgrd_torsion;

/**
 * The terms of the torsion fingerprint of a molecule as RDKit 2026.09 defines it in
 * TorsionFingerprints.py with its defaults (Schulz-Gasch et al., J. Chem. Inf. Model. 52 (2012)
 * 1499), by term. The central bond is the first of equally central ones, where RDKit leaves the
 * choice to rounding errors.
 *
 * @param ret_n_atoms  atoms of the SMILES that are no hydrogens; these are numbered
 * @return [*ret_n], freed by free_ptr() as char *; empty if there are no terms or no central bond,
 *         or if the molecule is in several pieces; NULL on failure with `reason` as above. Always
 *         NULL with a system librdkitcffi.
 */
cgrd_torsion *cgrd_torsions(const char *smiles, size_t *ret_n, size_t *ret_n_atoms, char *reason,
                            size_t reason_cap);

/** A bond of the Kekulé structure. */
typedef struct cgrd_bond {
    unsigned atoms[2];
    int order;       /* 1 to 3; 0 for another kind of bond */
    int is_aromatic; /* by RDKit's model */
} cgrd_bond;

/**
 * The bonds of a SMILES, all of whose atoms count, explicit hydrogens included.
 *
 * @return [*ret_n], freed by free_ptr() as char *; NULL on failure with `reason` as above. Always
 *         NULL with a system librdkitcffi.
 */
cgrd_bond *cgrd_find_bonds(const char *smiles, size_t *ret_n, size_t *ret_n_atoms, char *reason,
                           size_t reason_cap);

#ifdef __cplusplus
}
#endif

#endif
