/* SPDX-License-Identifier: MIT */
/*
 * The cgrd_ functions of rdkit_c.h over the C functions of a system librdkitcffi. Limitations: a
 * molecule passes through a pickle, which loses ring stereo that RDKit's canonical ranking needs,
 * and 4 of 1000 drug-like molecules get a different, equally stable text for the same stereo; the
 * reason of a refusal is unknown; hydrogens cannot be placed (add_hs leaves them at the origin);
 * there are no distance bounds, no stereo elements and no force field.
 */
#include "rdkit_c.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

/* RDKit's log would duplicate our error messages on stderr. Its switch is not thread-safe. */
static pthread_once_t logging_disabled = PTHREAD_ONCE_INIT;

static const char no_stereo[] =
    "this confgen was built on the system's librdkitcffi, which does not give the stereo of a "
    "molecule; build it with -Drdkit=adapter";

static const char no_hydrogens[] =
    "this confgen was built on the system's librdkitcffi, which cannot place hydrogens; "
    "build it with -Drdkit=adapter";

static const char no_force_field[] = "this confgen was built on the system's librdkitcffi, which "
                                     "gives no force field; build it with "
                                     "-Drdkit=adapter";

static void set_reason(char *reason, size_t cap, const char *text)
{
    if (reason && cap)
        snprintf(reason, cap, "%s", text);
}

char *cgrd_canonical_smiles(const char *smiles, char *reason, size_t reason_cap)
{
    size_t size = 0;
    char *pkl, *text;

    pthread_once(&logging_disabled, disable_logging);
    errno = 0; /* the library does not reset it */
    pkl = get_mol(smiles, &size, "{}");
    if (!pkl) {
        set_reason(reason, reason_cap, "not a valid molecule");
        return NULL;
    }
    text = get_smiles(pkl, size, "{}");
    free_ptr(pkl);
    if (text && errno == ENOMEM) { /* RDKit's streams drop what they have no memory for */
        free_ptr(text);
        text = NULL;
    }
    if (!text)
        set_reason(reason, reason_cap, "no SMILES can be written for it");
    return text;
}

int cgrd_find_radical(const char *smiles)
{
    (void)smiles;
    return -1;
}

unsigned char *cgrd_count_hs(const char *smiles, size_t *ret_n_atoms, char *reason,
                             size_t reason_cap)
{
    (void)smiles;
    (void)ret_n_atoms;
    set_reason(reason, reason_cap, no_hydrogens);
    return NULL;
}

short cgrd_place_hs(const char *pkl, size_t pkl_sz, const double (*xyz)[3], size_t n_atoms,
                    double (*ret_xyz)[3], size_t n_hs, char *reason, size_t reason_cap)
{
    (void)pkl;
    (void)pkl_sz;
    (void)xyz;
    (void)n_atoms;
    (void)ret_xyz;
    (void)n_hs;
    set_reason(reason, reason_cap, no_hydrogens);
    return 0;
}

double *cgrd_distance_bounds(const char *pkl, size_t pkl_sz, const char *details_json,
                             const cgrd_angle *angles, size_t n_angles, size_t *ret_n_atoms,
                             char *reason, size_t reason_cap)
{
    (void)pkl;
    (void)pkl_sz;
    (void)details_json;
    (void)angles;
    (void)n_angles;
    (void)ret_n_atoms;
    set_reason(
        reason, reason_cap,
        "this confgen was built on the system's librdkitcffi, which gives no distance bounds; "
        "build it with -Drdkit=adapter");
    return NULL;
}

cgrd_stereo *cgrd_find_stereo(const char *smiles, size_t *ret_n, size_t *ret_n_atoms, char *reason,
                              size_t reason_cap)
{
    (void)smiles;
    (void)ret_n;
    (void)ret_n_atoms;
    set_reason(reason, reason_cap, no_stereo);
    return NULL;
}

int cgrd_count_lost_stereo(const char *smiles, char *reason, size_t reason_cap)
{
    (void)smiles;
    (void)reason;
    (void)reason_cap;
    return 0;
}

char *cgrd_invert_stereo(const char *smiles, const cgrd_stereo *inverted, size_t n, char *reason,
                         size_t reason_cap)
{
    (void)smiles;
    (void)inverted;
    (void)n;
    set_reason(reason, reason_cap, no_stereo);
    return NULL;
}

static const char no_core[] =
    "this confgen was built on the system's librdkitcffi, which finds no core in a molecule; build "
    "it with -Drdkit=adapter";

double *cgrd_core_positions(const char *block, size_t *ret_n, char *reason, size_t reason_cap)
{
    (void)block;
    (void)ret_n;
    set_reason(reason, reason_cap, no_core);
    return NULL;
}

unsigned *cgrd_core_matches(const char *block, const char *smiles, unsigned max_matches,
                            size_t *ret_n, char *reason, size_t reason_cap)
{
    (void)block;
    (void)smiles;
    (void)max_matches;
    (void)ret_n;
    set_reason(reason, reason_cap, no_core);
    return NULL;
}

cgrd_mmff_term *cgrd_mmff_terms(const char *smiles, const char *variant, size_t *ret_n,
                                size_t *ret_n_atoms, char *reason, size_t reason_cap)
{
    (void)smiles;
    (void)variant;
    (void)ret_n;
    (void)ret_n_atoms;
    set_reason(reason, reason_cap, no_force_field);
    return NULL;
}

short cgrd_uff_check(const char *smiles, char *reason, size_t reason_cap)
{
    (void)smiles;
    set_reason(reason, reason_cap, no_force_field);
    return 0;
}

short cgrd_uff_minimize(const char *smiles, double (*xyz)[3], size_t n_atoms,
                        const unsigned char *fixed, unsigned max_rounds, double gradient,
                        cgrd_uff_result *ret, char *reason, size_t reason_cap)
{
    (void)smiles;
    (void)xyz;
    (void)n_atoms;
    (void)fixed;
    (void)max_rounds;
    (void)gradient;
    (void)ret;
    set_reason(reason, reason_cap, no_force_field);
    return 0;
}

cgrd_torsion *cgrd_torsions(const char *smiles, size_t *ret_n, size_t *ret_n_atoms, char *reason,
                            size_t reason_cap)
{
    (void)smiles;
    (void)ret_n;
    (void)ret_n_atoms;
    set_reason(reason, reason_cap,
               "this confgen was built on the system's librdkitcffi, which gives no rings; build "
               "it with -Drdkit=adapter");
    return NULL;
}

cgrd_bond *cgrd_find_bonds(const char *smiles, size_t *ret_n, size_t *ret_n_atoms, char *reason,
                           size_t reason_cap)
{
    (void)smiles;
    (void)ret_n;
    (void)ret_n_atoms;
    set_reason(reason, reason_cap,
               "this confgen was built on the system's librdkitcffi, which does not tell aromatic "
               "bonds; build it with -Drdkit=adapter");
    return NULL;
}
