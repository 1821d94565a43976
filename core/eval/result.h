/* SPDX-License-Identifier: MIT */
/**
 * @file result.h  Result of an evaluation: figures per molecule and their summary.
 *
 * COV-R is the share of a molecule's references with a generated conformer closer than delta
 * (strictly), MAT-R the mean over references of the distance to the nearest generated conformer;
 * COV-P and MAT-P are the same with the roles exchanged. The summary is mean and median over
 * molecules (Ganea et al., GeoMol, 2021). RMSD in ångström, COV as a share of 1.
 */
#ifndef CG_EVAL_RESULT_H
#define CG_EVAL_RESULT_H

#include "check/checker.h"
#include "eval/bioactive.h"
#include "eval/relaxation_energy.h"
#include "eval/symmetry.h"

#include <confgen/status.h>

#include <stddef.h>
#include <stdint.h>

enum { CG_EVAL_DELTAS = 60 }; /* the curve: 0.05, 0.10, ... 3.00 Å */

/** Delta of point i of the curve. */
static inline double cg_eval_delta(int i)
{
    return (double)(i + 1) * 5 / 100;
}

typedef enum cg_eval_missing {
    CG_MISSING_ZERO = 0, /* a molecule without output has COV 0 and no MAT */
    CG_MISSING_DROP,     /* a molecule without output is left out */
} cg_eval_missing;

typedef enum cg_eval_rmsd {
    CG_RMSD_BEST = 0, /* minimum over the automorphisms */
    CG_RMSD_PLAIN,    /* identity only */
} cg_eval_rmsd;

/** What to do if the references of one name are different molecules. */
typedef enum cg_eval_on_mismatch {
    CG_MISMATCH_ERROR = 0, /* refuse the evaluation */
    CG_MISMATCH_DROP,      /* evaluate one of them, drop the records of the others */
} cg_eval_on_mismatch;

typedef struct cg_eval_settings {
    double delta; /* Å, 0.75 for drugs */
    cg_eval_missing missing;
    cg_eval_on_mismatch on_mismatch;
    cg_eval_rmsd rmsd;
    cg_symmetry_rule symmetry;
    size_t max_maps; /* limit of automorphisms per molecule */
    double seconds;  /* time limit per molecule; 0: none */
    int checks;      /* 1: also check single conformers */
    int bioactive;   /* 1: also the protocol for experimental references */
    int relaxation;  /* 1: also the relaxation energies of generated conformers */
} cg_eval_settings;

/**
 * Sets what a word option of `confgen eval` selects: --missing, --on-mismatch, --rmsd, --symmetry.
 *
 * @return CG_OK; CG_ERR_USAGE for another word, with those that the option has; CG_ERR_INTERNAL
 *         for another option
 */
cg_status cg_eval_set_word(cg_eval_settings *settings, const char *option, const char *word,
                           cg_error *err);

/** COV at 0.75 Å, the best RMSD, CG_SYMMETRY_MAX_MAPS automorphisms; all else zero. */
cg_eval_settings cg_eval_default_settings(void);

/** What is wrong with records. */
typedef enum cg_eval_fault {
    CG_FAULT_MOLECULE = 0, /* they show another molecule than their name's reference */
    CG_FAULT_PROTONATION,  /* ... another protonation state of it */
    CG_FAULT_TAUTOMER,     /* ... a tautomer of it */
    CG_FAULT_BROKEN,       /* they cannot be read */
    CG_FAULT_NO_REFERENCE, /* no reference has their name or molecule */
    CG_FAULT_ENANTIOMER,   /* they show the mirror image of the reference's SMILES; scored */
    CG_FAULT_STEREOISOMER, /* they show another stereoisomer of it, or a flat one; scored */
    CG_FAULT_OPEN_STEREO,  /* they differ from the references where the SMILES leaves stereo open;
                              scored */
    CG_FAULT_COUNT
} cg_eval_fault;

/** "another_molecule", ..., as in JSON. Static storage. */
const char *cg_eval_fault_name(cg_eval_fault fault);
/** Whether the records are left out of COV and MAT. */
int cg_eval_fault_drops(cg_eval_fault fault);

/** Records of one name with one fault. */
typedef struct cg_eval_mismatch {
    cg_eval_fault fault;
    int is_reference;      /* 1: of the reference file, 0: of the generated file */
    uint64_t n;            /* records */
    uint64_t first_record; /* number of the first of them in the file, from 1; 0: not known */
    char *name;            /* of the records; "" without */
    char *found;           /* SMILES that they show; reason if broken; "" for stereo */
    char *wanted;          /* SMILES of the reference; "" without one */
} cg_eval_mismatch;

/** A reference molecule. */
typedef struct cg_eval_molecule {
    char *name;   /* as in the reference file */
    char *smiles; /* canonical */
    uint32_t n_heavy, n_rotatable;
    uint64_t n_ref;    /* reference conformers */
    uint64_t n_gen;    /* generated conformers of this molecule; 0: missing */
    uint64_t n_wrong;  /* generated records of its name that show another molecule */
    uint64_t n_state;  /* of these, another protonation state or tautomer */
    uint64_t n_broken; /* generated records of its name that could not be read */
    uint64_t n_stereo; /* generated conformers of another configuration than the SMILES */
    uint64_t n_ref_dropped, n_ref_broken; /* reference records of its name: another molecule;
                                             could not be read */
    uint64_t n_ref_stereo; /* reference conformers of another configuration than the SMILES */
    int stereo_untested;   /* 1: the SMILES has marks that heavy atoms do not show, or the
                              automorphisms are too many */
    uint64_t n_maps;       /* automorphisms used */
    int maps_limited;      /* 1: max_maps was reached */
    int time_limited;      /* 1: the time limit was reached */
    double seconds;        /* of one thread */
    float *ref_min;        /* [n_ref] Å to the nearest generated; NULL if n_gen is 0 */
    float *gen_min;        /* [n_gen] Å to the nearest reference */
    double cov_r, cov_p;   /* at settings.delta; 0 if missing */
    double mat_r, mat_p;   /* NaN if missing */
    uint64_t checked;      /* generated conformers that were checked */
    uint64_t passed_all;   /* checked conformers that passed all tests that apply */
    uint64_t unchecked;    /* checked conformers without a failure, a test could not be done */
    uint64_t check_done[CG_CHECK_COUNT], check_failed[CG_CHECK_COUNT];
    uint64_t check_unchecked[CG_CHECK_COUNT]; /* applies but could not be done */
    cg_bioactive bioactive;                   /* zeroed without settings.bioactive */
    /* With settings.relaxation: [n_gen] kcal/mol, NaN for a conformer that was not measured; NULL
     * if nothing was generated or MMFF94 has no parameters */
    float *relaxation_energy;
    cg_relaxation relaxation; /* their distribution */
} cg_eval_molecule;

typedef struct cg_eval_summary {
    uint64_t n_molecules; /* reference molecules */
    uint64_t n_missing;   /* reference molecules without a generated conformer */
    uint64_t n_extra;     /* generated molecules without a reference; not evaluated */
    uint64_t n_ref, n_gen, n_wrong, n_state, n_stereo, n_ref_dropped, n_ref_stereo;
    uint64_t n_stereo_untested;              /* molecules */
    uint64_t n_broken;                       /* generated records with any name */
    uint64_t n_ref_broken;                   /* reference records with any name */
    uint64_t n_maps_limited, n_time_limited; /* molecules */
    uint64_t pairs;                          /* sum of n_ref * n_gen */
    cg_eval_figure cov_r, cov_p; /* over all, or with CG_MISSING_DROP over those with output */
    cg_eval_figure mat_r, mat_p; /* over those with output */
    cg_eval_figure curve_r[CG_EVAL_DELTAS], curve_p[CG_EVAL_DELTAS]; /* COV at cg_eval_delta(i) */
    uint64_t checked, passed_all, unchecked;
    uint64_t check_done[CG_CHECK_COUNT], check_failed[CG_CHECK_COUNT];
    uint64_t check_unchecked[CG_CHECK_COUNT];
    cg_bioactive_summary bioactive; /* zeroed without settings.bioactive */
    cg_relaxation relaxation;       /* over the conformers of all molecules; zeroed without
                                       settings.relaxation, as the next two */
    uint64_t n_relaxed;             /* molecules with conformers that were measured */
    uint64_t n_no_parameters;       /* molecules with output without MMFF94 parameters */
    double seconds;                 /* wall clock */
} cg_eval_summary;

typedef struct cg_eval_result {
    char *ref_path, *gen_path;
    cg_eval_settings settings;
    size_t n_molecules;
    cg_eval_molecule *molecules; /* [n_molecules] in the order of the references */
    cg_eval_summary summary;
    size_t n_mismatches;
    cg_eval_mismatch *mismatches; /* [n_mismatches] by file, fault and order of the file */
    size_t n_overlays;
    struct cg_eval_overlay
        *overlays;  /* [n_overlays] overlay.h; not written to files but the page */
    char *run_json; /* report of the generating run, unchanged; NULL without */
} cg_eval_result;

void cg_eval_result_finish(cg_eval_result *result); /* accepts NULL and a zeroed struct */

/** "error", "drop". Static storage. */
const char *cg_eval_on_mismatch_name(cg_eval_on_mismatch on_mismatch);
/** "zero", "drop"; "best", "plain"; "conjugated", "plain". Static storage. */
const char *cg_eval_missing_name(cg_eval_missing missing);
const char *cg_eval_rmsd_name(cg_eval_rmsd rmsd);
const char *cg_symmetry_rule_name(cg_symmetry_rule rule);

/** Share of d[n] below delta; 0 if n is 0. */
double cg_eval_coverage(const float *d, size_t n, double delta);

/**
 * Computes a molecule's COV and MAT from its ref_min and gen_min: COV 0 and MAT NaN if n_gen is 0.
 */
void cg_eval_molecule_figures(cg_eval_molecule *molecule, double delta);

/** Whether nothing was generated of a molecule: exactly then its MAT-R is not finite. */
int cg_eval_is_missing(const cg_eval_molecule *molecule);

/**
 * For qsort() of pointers to molecules of one result: missing molecules in input order, then the
 * others by descending MAT-R, of equal ones in input order.
 */
int cg_eval_compare_worst(const void *a, const void *b);

/**
 * Computes the summary from molecules and settings. Keeps n_extra, n_broken, n_ref_broken and
 * seconds, which are not derived from the molecules.
 */
cg_status cg_eval_summarize(cg_eval_result *result, cg_error *err);

/** Computes summary.bioactive alone, if settings.bioactive is set. */
cg_status cg_eval_summarize_bioactive(cg_eval_result *result, cg_error *err);
/** Computes the relaxation energies' distributions of molecules and summary alone, if
 * settings.relaxation is set. */
cg_status cg_eval_summarize_relaxation(cg_eval_result *result, cg_error *err);

#endif
