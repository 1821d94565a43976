/* SPDX-License-Identifier: MIT */
/**
 * @file report.h  Counts and times of a run, and the table that describes them.
 *
 * cg_report_describe() describes every counter of cg_report: reports are added up and written as
 * JSON by walking that table.
 */
#ifndef CONFGEN_REPORT_H
#define CONFGEN_REPORT_H

#include <confgen/limits.h>
#include <confgen/sized.h>
#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Counts and times of one call. Times are wall-clock seconds unless said otherwise. */
typedef struct cg_report {
    uint32_t struct_size;
    uint32_t reserved;
    int64_t total_molecules;    /* of the whole shard; 0: unknown (standard input) */
    int64_t total_conformers;   /* requested in it */
    int64_t molecules;          /* emitted, with conformers or with a reason */
    int64_t molecules_failed;   /* with fewer conformers than requested, earlier runs included */
    int64_t molecules_resumed;  /* found in the output of an earlier run */
    int64_t conformers_resumed; /* of those molecules */
    int64_t requested;          /* conformers, of the molecules that could be built */
    int64_t conformers;         /* delivered */
    int64_t wrong_molecules;    /* generations whose text is another molecule's */
    int64_t parse_failures;     /* generations whose text cannot be parsed */
    int64_t unfinished;         /* generations cut at the token limit */
    int64_t prompt_tokens;      /* evaluated */
    int64_t tokens;             /* of the finished sequences, forced ones included */
    int64_t sampled;            /* of them sampled, or selected by repair */
    int64_t forced;             /* of them forced */
    int64_t steps;              /* of the decoder, without prompt_steps */
    int64_t token_cache_hits;   /* since the engine was opened; likewise the misses */
    int64_t token_cache_misses; /* pre-tokens not found in it */
    int64_t kv_bytes;           /* of the KV caches at the end */
    int64_t peak_bytes;         /* peak resident memory of the process */
    int64_t bytes_written;      /* to the output */
    double seconds;             /* of the call */
    double decode_seconds;      /* in the executors */
    double matmul_seconds;      /* of them in the matrix library */
    double attention_seconds;   /* of them in attention and cache */
    double sample_seconds;      /* of them sampling */
    double chemistry_seconds;   /* RDKit's part of building templates, summed over the workers */
    double template_seconds;    /* the rest of it, summed over the workers */
    double record_seconds;      /* checking and writing records, summed over the workers */
    int64_t failed_input;       /* molecules that failed as a whole: bad SMILES or line */
    int64_t failed_limit;       /* too large */
    int64_t failed_unsupported; /* not supported */
    int64_t sequences;          /* finished, retries not counted; ahead of conformers, which count
                                   when they are written */
    int64_t device_bytes;       /* peak on the GPUs: weights, activations, KV cache */
    int32_t n_executors;        /* GPUs; 1 on the CPU */
    int32_t halvings;           /* of a batch for want of memory, since the engine was opened */
    int64_t executor_tokens[CG_MAX_GPUS]; /* part of tokens, by GPU */
    int64_t evaluated;                    /* sequence tokens that went through the model */
    int64_t attended;      /* cached tokens attended to by sequences, summed over steps */
    int64_t step_rows;     /* rows computed by `steps`, unused ones included */
    int64_t head_rows;     /* LM-head rows of a step at the end */
    double device_seconds; /* GPU: in launches */
    double idle_seconds;   /* GPU: between launches */
    int64_t retried; /* retries of failed conformers; their tokens count, their sequences do not */
    int64_t fixed_by_retry;                /* conformers that pass everything only after a retry */
    int64_t checked;                       /* delivered conformers whose geometry was checked */
    int64_t passed;                        /* of them that pass every check that applies */
    int64_t check_done[CG_MAX_CHECKS];     /* of them, by check: applied and was done */
    int64_t check_failed[CG_MAX_CHECKS];   /* of them, by check: failed */
    int64_t invalid_geometry;              /* generations given up: not repairable */
    int64_t geometry_count[CG_MAX_CAUSES]; /* atoms tested while generated, by fault cause; [0]:
                                              atoms that pass */
    int64_t geometry_moved;                /* atoms that repair moved or mirrored */
    int64_t geometry_restarts;             /* conformers restarted: an atom was not repairable */
    int64_t geometry_discarded_tokens;     /* rolled back */
    int64_t geometry_untested_stereo;      /* requested stereo configurations that no test covers,
                                              summed over molecules */
    int64_t geometry_untested_molecules;   /* untested: RDKit gives no bounds for them */
    int64_t unchecked;                     /* checked conformers without a failure, of which a check
                                              that applies could not be done */
    int64_t check_unchecked[CG_MAX_CHECKS]; /* checked conformers, by check: could not be done */
    int64_t repeated_names;                 /* molecules with the name of an earlier one */
    int64_t dropped_extensions; /* molecules with a CXSMILES extension that is not used */
    int64_t stereo_groups;      /* molecules with enhanced stereo: that of the SMILES is used */
    int64_t hydrogens_moved;    /* conformers whose added hydrogens were moved off other atoms */
    int64_t hydrogens_failed;   /* conformers with an added hydrogen that fails a geometry test */
    int64_t prompt_steps;       /* steps over prompts alone; 0: prompts were part of `steps` */
    int64_t prompt_step_rows;   /* rows computed by them, unused ones included */
    double prompt_step_seconds; /* in them; GPU: on the device, part of device_seconds */
    int64_t minimized;          /* conformers at a minimum of their energy, or near it */
    int64_t minimized_rejected; /* conformers that lost a configuration in it */
    int64_t energy_refused;     /* molecules without parameters: neither energies nor minima */
    double minimize_seconds;    /* thread seconds of energies and minimisation, waiting for GPUs
                                   included */
    int64_t dropped_rmsd;       /* conformers within --prune of a preferred one */
    int64_t dropped_energy;     /* conformers above the energy window */
    int64_t dropped_number;     /* conformers after the number that is delivered */
    double prune_seconds;       /* thread seconds of selecting conformers */
    /* Bound of `evaluated` at the end of a run from file to file, from the molecules that are built
     * so far and the number of conformers; 0: unknown. */
    int64_t expected_tokens;
    int64_t lost_stereo; /* molecules with stereo that is not read, such as that of allenes */
    int64_t energy_uff;  /* molecules without MMFF94 parameters: energies and minima are UFF's */
} cg_report;

/** cg_report_counter.type */
enum {
    CG_COUNTER_INT32 = 0, /* int32_t */
    CG_COUNTER_INT64 = 1, /* int64_t */
    CG_COUNTER_REAL = 2,  /* double */
};

/** cg_report_counter.rule: how the values of two reports combine. */
enum {
    CG_COUNTER_SUM = 0, /* counts of one call */
    CG_COUNTER_MAX = 1, /* states and totals of the engine */
};

/** Describes one member of cg_report. */
typedef struct cg_report_counter {
    uint32_t struct_size;
    uint32_t offset;       /* bytes; of a member that a shorter report lacks, beyond its end */
    const char *name;      /* of the member */
    const char *json_path; /* in the JSON report, e.g. "counts.tokens.sampled"; '*' stands for the
                              label of an element; NULL: not in the report by itself */
    int32_t type;          /* CG_COUNTER_INT32, ... */
    int32_t rule;          /* CG_COUNTER_SUM, ... */
    int32_t n;             /* elements; 1: no array */
    int32_t first;         /* element in the JSON report */
    /** Label of element i in the JSON report; NULL after the last. NULL unless the path has '*'. */
    const char *(*label)(int32_t i);
} cg_report_counter;

/** Counter `i`, counted from 0, in the order of the JSON report. NULL after the last. Static
 * storage. */
CG_EXPORT const cg_report_counter *cg_report_describe(int32_t i);

/** Adds `part` to `sum`, each counter that both hold by its rule. */
CG_EXPORT void cg_report_add(cg_report *sum, const cg_report *part);

#ifdef __cplusplus
}
#endif

#endif
