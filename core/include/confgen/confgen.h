/* SPDX-License-Identifier: MIT */
/**
 * @file confgen.h  The engine, for applications: open a model, generate conformers.
 *
 *     cg_error err = CG_ERROR_INIT;
 *     cg_engine_options options = { CG_SIZED(cg_engine_options), .seed = 1 };
 *     cg_request request = { CG_SIZED(cg_request), .smiles = "CCO", .n_conformers = 10 };
 *     cg_engine *engine;
 *
 *     if (cg_engine_open(&options, &engine, &err) != CG_OK ||
 *         cg_engine_generate(engine, &request, 1, on_conformer, NULL, NULL, &err) != CG_OK)
 *         puts(err.msg);
 *     cg_engine_close(engine);
 *
 * One thread at a time uses an engine; several engines may live at once. Coordinates are in
 * ångström.
 */
#ifndef CONFGEN_CONFGEN_H
#define CONFGEN_CONFGEN_H

#include <confgen/plugin.h>
#include <confgen/report.h>
#include <confgen/sampling.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cg_engine cg_engine;

/** Zero or NULL stands for the default of every member. Strings are copied. */
typedef struct cg_engine_options {
    uint32_t struct_size;
    int32_t batch_size;       /* sequences at once; 0: chosen */
    int32_t max_new_tokens;   /* of a sequence; 0: the model's own bound */
    int32_t threads;          /* of the decoder; 0: the cores this process may use */
    int32_t template_workers; /* 0: SLURM_CPUS_PER_TASK, else the cores */
    int32_t token_cache;      /* nonzero: remember tokenized pieces of text */
    int32_t n_plugins;
    uint64_t seed;
    const char *model;           /* directory; NULL: the model that comes with confgen */
    const char *device;          /* "auto", "cpu", "cuda", "cuda:I", "cuda:I,J", "cuda:all" */
    const char *attention;       /* "auto" or a plugin's name */
    const char *kv_cache;        /* same */
    const char *constraint;      /* a plugin's name; "grammar" */
    const char *const *plugins;  /* [n_plugins] files to load */
    const cg_sampling *sampling; /* NULL: what the model's generation_config.json says */
    /** Receives log lines, NULL: none. Thread: any. */
    void (*log)(void *ctx, int32_t level, const char *text);
    void *log_ctx;
    /**
     * Instead of a model: random weights of a shape, for benches ("default", "llama380m",
     * "qwen3-0.6b"), with the tokenizer and text format of the directory `tokenizer` (NULL: the
     * default model's).
     */
    const char *shape;
    const char *tokenizer;
    const char *dtype;     /* of weights, activations and KV cache: "auto", "bf16", "f32" */
    int32_t deterministic; /* GPU: nonzero: tokens do not depend on the batch, at some cost */
    int32_t max_length;    /* tokens of a sequence, prompt included; 0: the model's context */
    int32_t step_tokens;   /* token budget of a step; 0: chosen */
    int32_t tuning;        /* CG_TUNING_*: how what is "auto" on a GPU is chosen */
    int64_t workload;      /* conformers that will be asked for; 0: not known */
    int32_t check;         /* nonzero: check the geometry of every conformer */
    int32_t retry;         /* >= 0: draw a bad one so often again; checks too where it is not 0 */
    /** Geometry while it is written: "off"; "check": count what is impossible; "repair": move it to
     * a possible place. NULL: "repair", or with a word to the log "off", where the constraint does
     * not tell where atoms end, or RDKit gives no bounds. */
    const char *geometry;
} cg_engine_options;

/** cg_engine_options.tuning */
enum {
    CG_TUNING_AUTO = 0,   /* measured once, and remembered; not for a few conformers */
    CG_TUNING_NEVER = 1,  /* what is remembered, else the default */
    CG_TUNING_ALWAYS = 2, /* measured anew */
};

/** One attempt of choosing by measurement. */
typedef struct cg_tuning_figure {
    uint32_t struct_size;
    int32_t batch_size;
    double tokens_per_second; /* 0 where it was refused */
    char attention[32];
    char kv_cache[32];
    char refused[192]; /* why it was not measured, else "" */
} cg_tuning_figure;

/** A GPU in use. Strings live with the engine. */
typedef struct cg_engine_gpu {
    uint32_t struct_size;
    int32_t index;
    int32_t compute_capability; /* 10 * major + minor */
    int32_t driver_version;     /* 1000 * major + 10 * minor */
    int64_t memory_bytes;
    const char *name;
    const char *uuid;
    const char *attention;
    const char *kv_cache;
    int32_t batch_size;
    int32_t reserved;
} cg_engine_gpu;

/** What was chosen, and why. Strings live with the engine. */
typedef struct cg_engine_info {
    uint32_t struct_size;
    int32_t batch_size;
    int32_t threads;
    int32_t template_workers;
    int32_t max_length; /* tokens of a sequence, prompt included */
    int32_t decimals;
    const char *model;        /* directory, or shape:NAME */
    const char *architecture; /* e.g. "Qwen3ForCausalLM" */
    const char *device;
    const char *attention;
    const char *kv_cache;
    const char *constraint;
    const char *attention_reason;
    const char *kv_cache_reason;
    const char *batch_reason;
    uint64_t fingerprint; /* of the model */
    uint64_t seed;
    cg_sampling sampling;
    int64_t parameters;
    const char *device_reason;
    const char *constraint_reason;
    uint64_t tokenizer_fingerprint; /* of the tokenizer's files */
    const char *dtype;              /* of weights, activations and KV cache: "f32", "bf16" */
    const char *promise;            /* on what a conformer depends, a sentence */
    int32_t deterministic;          /* tokens do not depend on batch size, slot or GPU count */
    int32_t step_tokens;            /* as asked for */
    int32_t n_gpus;                 /* 0: the CPU */
    int32_t n_figures;
    const cg_engine_gpu *gpus;       /* [n_gpus] */
    const cg_tuning_figure *figures; /* [n_figures] behind the choice for the first GPU */
    const char *tuning;              /* where they come from, "" without any */
    /* what a step's work follows from, in elements */
    int64_t layer_parameters; /* of the layers, without embedding and head */
    int32_t head_width;       /* of a row of the head */
    int32_t kv_elements;      /* keys and values of a token, all layers */
    int32_t query_elements;   /* queries of a token, all layers */
    int32_t check;            /* geometry is checked */
    int32_t retry;            /* so often a bad conformer is drawn again */
    int32_t reserved;
    const char *geometry; /* "off", "check", "repair" */
} cg_engine_info;

CG_EXPORT cg_status cg_engine_open(const cg_engine_options *options, cg_engine **ret_engine,
                                   cg_error *err);
CG_EXPORT void cg_engine_close(cg_engine *engine); /* accepts NULL */
CG_EXPORT const cg_engine_info *cg_engine_get_info(const cg_engine *engine);

/**
 * Name and meaning (a sentence with threshold and source; may be NULL) of test `id` of geometry,
 * counted from 0; NULL behind the last. Static storage.
 */
CG_EXPORT const char *cg_check_describe(int32_t id, const char **ret_meaning);

/** Name of reason `cause`, counted from 1 (0: "none"); NULL behind the last. Static storage. */
CG_EXPORT const char *cg_fault_describe(int32_t cause);

enum {
    CG_CONFORMER_OK = 0,
    CG_CONFORMER_WRONG_MOLECULE = 1,
    CG_CONFORMER_PARSE_FAILURE = 2,
    CG_CONFORMER_UNFINISHED = 3,
    CG_CONFORMER_INVALID_GEOMETRY = 4, /* its geometry could not be repaired */
};

/** One molecule to generate. */
typedef struct cg_request {
    uint32_t struct_size;
    int32_t n_conformers; /* >= 1 */
    uint64_t index;       /* keys the random numbers, with the seed and the conformer's number */
    const char *smiles;
    const char *name; /* may be NULL */
} cg_request;

/** A conformer, or what became of it. Borrowed for the call. */
typedef struct cg_conformer {
    uint32_t struct_size;
    int32_t verdict; /* CG_CONFORMER_* */
    const cg_request *request;
    int32_t generation;
    int32_t n_atoms;        /* in the order of smiles */
    const char *smiles;     /* canonical */
    const char *text;       /* as the model wrote it */
    const char *reason;     /* of a verdict other than OK or a failed check, else "" */
    const double (*xyz)[3]; /* [n_atoms]; NULL unless OK */
    uint32_t checks_done;   /* bits: 1 << id of cg_check_describe(); 0: not checked */
    uint32_t checks_failed; /* of them; `reason` then tells of the first one */
    int32_t retries;        /* how often it was drawn before */
    int32_t reserved;
} cg_conformer;

/**
 * Generate conformers of some molecules in memory.
 *
 * @param on_conformer  called on this thread, molecules in order, conformers in order. A molecule
 *                      that cannot be built is one call with generation -1, a parse failure and
 *                      the reason.
 * @param ret_report    may be NULL
 */
CG_EXPORT cg_status cg_engine_generate(cg_engine *engine, const cg_request *requests, int64_t n,
                                       void (*on_conformer)(void *ctx,
                                                            const cg_conformer *conformer),
                                       void *ctx, cg_report *ret_report, cg_error *err);

/** Molecules read from a file, as requests. */
typedef struct cg_requests cg_requests;

/**
 * Read a list of molecules (.smi, .csv, also .gz and .zst) into memory.
 *
 * @param limit         molecules at most; 0: all
 * @param n_conformers  of each request, >= 1
 * @param ret_requests  owned by the caller, cg_requests_free()
 * @return CG_OK; CG_ERR_IO, CG_ERR_FORMAT, CG_ERR_USAGE naming the file; CG_ERR_NOMEM
 */
CG_EXPORT cg_status cg_requests_read(const char *path, int64_t limit, int32_t n_conformers,
                                     cg_requests **ret_requests, cg_error *err);
CG_EXPORT void cg_requests_free(cg_requests *requests); /* accepts NULL */
/**
 * The requests; the number of them. Storage of the list. *ret_skipped (may be NULL): lines that
 * hold no molecule.
 */
CG_EXPORT int64_t cg_requests_get(const cg_requests *requests, const cg_request **ret_items,
                                  int64_t *ret_skipped);

/**
 * Do the part of generation that comes before the model: parse each molecule, write and tokenize
 * its prompt, compile its constraint. Nothing is kept.
 *
 * @param workers     threads; 0: the engine's own number
 * @param ret_report  molecules, molecules_failed, seconds, chemistry_seconds, template_seconds,
 *                    token_cache_*
 * @return CG_OK whatever became of the molecules; CG_ERR_NOMEM
 */
CG_EXPORT cg_status cg_engine_build_templates(cg_engine *engine, const cg_request *requests,
                                              int64_t n, int32_t workers, cg_report *ret_report,
                                              cg_error *err);

/** cg_run_options.header: whether the first line of a .smi input is a header. */
enum {
    CG_HEADER_AUTO = 0, /* decided by its first column */
    CG_HEADER_YES = 1,
    CG_HEADER_NO = 2, /* every line is a molecule; refused for .csv */
};

/** A run from file to file. Zero or NULL stands for the default of a member, but for gens. */
typedef struct cg_run_options {
    uint32_t struct_size;
    int32_t gens; /* conformers a molecule; with gens_per_reference a reference; >= 1 */
    int32_t gens_per_reference; /* nonzero: times the molecule's count of reference conformers */
    int32_t header;             /* CG_HEADER_* */
    int32_t resume;             /* complete the output of an interrupted run */
    int32_t overwrite;          /* replace an existing output */
    int32_t add_hs;             /* sdf: with hydrogens */
    int32_t shard;              /* 0-based part of `shards`: a stretch of neighbouring lines */
    int32_t shards;             /* 0 or 1: all */
    int32_t reserved;
    int64_t limit;      /* molecules read at most; 0: all */
    const char *input;  /* file or "-" */
    const char *output; /* file or "-"; NULL: <stem of the input>.<format>.zst */
    const char *format; /* "sdf", "xyz", "smiles3d", "json"; NULL: by the output's name, sdf */
    const char *failed; /* file for what failed, or NULL */
    /** Called on this thread now and then. NULL: none. */
    void (*progress)(void *ctx, const cg_report *so_far, int64_t molecules_done);
    /** One molecule or conformer failed: a sentence with file and line. NULL: none. */
    void (*on_failure)(void *ctx, const char *text);
    void *ctx;
    const volatile int *stop; /* set to nonzero by a signal handler: end, resumable */
} cg_run_options;

/**
 * Run a batch. CG_OK even if molecules failed: the report says how many. CG_ERR_INTERRUPTED if
 * *stop was set. The report is filled in every case.
 */
CG_EXPORT cg_status cg_engine_run(cg_engine *engine, const cg_run_options *batch,
                                  cg_report *ret_report, cg_error *err);

/** Path that a batch writes to: batch->output, or the default made from the input's name. */
CG_EXPORT cg_status cg_run_output_path(const cg_run_options *batch, char *ret_path, size_t cap,
                                       cg_error *err);

/**
 * How many conformers a batch asks for, for cg_engine_options.workload; 0 if that is not known
 * before it has run (standard input). Reads the input once.
 */
CG_EXPORT cg_status cg_run_workload(const cg_run_options *batch, int64_t *ret_conformers,
                                    cg_error *err);

/** What was once measured on a GPU of this machine. Borrowed for the call. */
typedef struct cg_tuned {
    uint32_t struct_size;
    int32_t batch_size;
    double tokens_per_second;
    const char *gpu;   /* its name */
    const char *model; /* its shape */
    const char *dtype;
    const char *attention;
    const char *kv_cache;
} cg_tuned;

/**
 * Go through the remembered choices.
 *
 * @param ret_path  the file they are kept in, "" if there is no place for one
 * @return CG_OK, also without a file; CG_ERR_FORMAT, CG_ERR_IO if it cannot be read
 */
CG_EXPORT cg_status cg_tuning_list(void (*on_choice)(void *ctx, const cg_tuned *choice), void *ctx,
                                   char *ret_path, size_t cap, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
