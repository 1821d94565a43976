/* SPDX-License-Identifier: MIT */
/**
 * @file confgen.h  The engine, for applications: opens a model, generates conformers.
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
 * ångström. sized.h says how a program works with a library of another release.
 */
#ifndef CONFGEN_CONFGEN_H
#define CONFGEN_CONFGEN_H

#include <confgen/plugin.h>
#include <confgen/report.h>
#include <confgen/sampling.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A model that is ready to generate, with its plugins and devices. */
typedef struct cg_engine cg_engine;

/**
 * Zero or NULL is the default of every member. Strings are copied.
 *
 * Settings that have a word on the command line and in reports are strings with the same words:
 * device, dtype, geometry, shape, plugin names. Fixed alternatives are named constants whose 0 is
 * the default: CG_TUNING_*.
 */
typedef struct cg_engine_options {
    uint32_t struct_size;
    int32_t batch_size;     /* sequences decoded at once; 0: selected */
    int32_t max_new_tokens; /* of a sequence; 0: the model's own bound */
    /* More threads or workers than processors available to the process (affinity mask, quota of its
     * cgroup) are lowered to them, with a log line. */
    int32_t threads;          /* of the decoder; 0: the processors */
    int32_t template_workers; /* 0: SLURM_CPUS_PER_TASK, else the processors */
    /* Nonzero: cache the ids of pre-tokens that need merging (65,536 entries). It never changes a
     * token and hardly saves time: nearly all pre-tokens of a prompt are single tokens, which are
     * looked up without it (tokenizer/README.md). */
    int32_t token_cache;
    int32_t n_plugins;          /* number of plugins */
    uint64_t seed;              /* of all random numbers */
    const char *model;          /* directory; NULL: the model shipped with confgen */
    const char *device;         /* "auto", "cpu", "cuda", "cuda:I", "cuda:I,J", "cuda:all" */
    const char *attention;      /* "auto", a plugin's name, or an alias: cg_plugin_set_alias() */
    const char *kv_cache;       /* likewise; an alias may include kv_dtype */
    const char *constraint;     /* a plugin's name; "grammar" */
    const char *const *plugins; /* [n_plugins] files to load */
    /* NULL, or a member below 0: that of `preset`, else of the model's confgen.json or
     * generation_config.json, else the default of transformers */
    const cg_sampling *sampling;
    /** Receives log lines, NULL: none. Thread: any. */
    void (*log)(void *ctx, int32_t level, const char *text);
    void *log_ctx; /* first argument of log() */
    /**
     * Instead of a model: random weights of a named shape, for benches ("default", "llama380m",
     * "qwen3-0.6b", "llama1b", "llama7b", "gpt2"), with the tokenizer and text format of the
     * directory `tokenizer` (NULL: the default model's).
     */
    const char *shape;
    const char *tokenizer; /* a directory or a tokenizer.json; NULL: that of the model */
    /** Of weights and activations: "bf16", "f16", "f32"; "int8": bf16 with matrix products of int8,
     * on compute capability 9.0. NULL, "auto": on a GPU, if kv_dtype, attention and kv_cache are
     * "auto" too, the one that the model's confgen.json names, where it is supported; else bf16; on
     * the CPU f32. */
    const char *dtype;
    int32_t deterministic; /* GPU: nonzero: tokens do not depend on the batch; slower */
    int32_t max_length;    /* tokens of a sequence, prompt included; 0: the model's context, at
                              most CG_MAX_CONTEXT */
    int32_t step_tokens;   /* token budget of a step; 0: derived from the batch size */
    int32_t tuning;        /* CG_TUNING_*: how "auto" settings are selected */
    int64_t workload;      /* conformers that will be requested; 0: unknown */
    int32_t check;         /* nonzero: check the geometry of every conformer */
    int32_t retry;         /* retries of a failed conformer, at most; nonzero implies check */
    /**
     * Geometry tests of atoms while they are generated: "off"; "count" failing atoms; "repair"
     * them. NULL: "repair"; or, with a log line, "count" if the constraint does not declare a path
     * for every number, "off" if it does not mark atoms or RDKit gives no bounds. "check" is an
     * alias of "count" until release 0.3.
     */
    const char *geometry;
    const char *preset; /* a preset of sampling; NULL: none */
    /** Of the KV cache: "f32", "bf16", "f16", "fp8" (e4m3) or "int8", the last two with a scale per
     * token and head. NULL, "auto": that of the activations; on a GPU, if dtype, attention and
     * kv_cache are "auto" too, the one that the model's confgen.json names. */
    const char *kv_dtype;
    int32_t prompt_step_tokens; /* token budget of a step over prompts alone; or
                                   CG_PROMPT_STEPS_AUTO, CG_PROMPT_STEPS_OFF */
    int32_t reserved;
} cg_engine_options;

/** cg_engine_options.tuning */
enum {
    /* on a GPU: use the remembered tuning, else a shipped one, else measure, unless few conformers
     * are requested; on the CPU: a rule */
    CG_TUNING_AUTO = 0,
    CG_TUNING_NEVER = 1,  /* as AUTO, but the defaults instead of measuring */
    CG_TUNING_ALWAYS = 2, /* measure, on the CPU for this run alone */
};

/**
 * One attempt of a measurement: a whole job, as `confgen bench decode` measures, or the rate of a
 * short time, which selects the candidates for jobs.
 */
typedef struct cg_tuning_attempt {
    uint32_t struct_size;
    int32_t batch_size;       /* sequences decoded at once */
    double tokens_per_second; /* of completed sequences, or evaluated ones; 0 if refused */
    char attention[32];       /* plugin's name */
    char kv_cache[32];        /* plugin's name */
    char refused[192];        /* why it was not measured, else "" */
    int32_t n_conformers;     /* of the whole job; 0: a short time, or a job
                             that was stopped */
    int32_t reserved;
} cg_tuning_attempt;

/** A GPU in use. */
typedef struct cg_engine_gpu {
    uint32_t struct_size;
    int32_t index;              /* of the driver, from 0 */
    int32_t compute_capability; /* 10 * major + minor */
    int32_t driver_version;     /* 1000 * major + 10 * minor */
    int64_t memory_bytes;       /* all of its memory */
    const char *name;           /* as the driver has it */
    const char *uuid;           /* "GPU-..." */
    const char *attention;      /* plugin in use */
    const char *kv_cache;       /* plugin in use */
    int32_t batch_size;         /* sequences decoded at once */
    int32_t reserved;
} cg_engine_gpu;

/** A plugin in use. */
typedef struct cg_engine_plugin {
    uint32_t struct_size;
    int32_t is_own;      /* in the program's own plugin directory, or a copy of such a file */
    uint64_t hash;       /* XXH3 of its file */
    const char *kind;    /* "attention", "cache", "constraint" */
    const char *name;    /* as in its descriptor */
    const char *version; /* as in its descriptor */
    const char *path;    /* file it was loaded from */
    const char *hides;   /* file of confgen's own plugin of this kind and name, which is not used;
                            NULL: none */
    int32_t abi_major;   /* plugin ABI that it was built for */
    int32_t abi_minor;   /* CG_PLUGIN_ABI_MINOR at its build */
} cg_engine_plugin;

/** The settings in effect, with reasons. Strings live with the engine. */
typedef struct cg_engine_info {
    uint32_t struct_size;
    int32_t batch_size;                       /* sequences decoded at once */
    int32_t threads;                          /* of the decoder */
    int32_t template_workers;                 /* threads that make prompts and parse results */
    int32_t max_length;                       /* tokens of a sequence, prompt included */
    int32_t decimals;                         /* digits behind the point of a number */
    const char *model;                        /* directory, or shape:NAME */
    const char *architecture;                 /* e.g. "Qwen3ForCausalLM" */
    const char *device;                       /* "cpu", or "cuda:I" of each GPU */
    const char *attention;                    /* plugin in use */
    const char *kv_cache;                     /* plugin in use */
    const char *constraint;                   /* plugin in use */
    const char *attention_reason;             /* why this one */
    const char *kv_cache_reason;              /* why this one */
    const char *batch_reason;                 /* why this size */
    uint64_t fingerprint;                     /* of the model */
    uint64_t seed;                            /* as requested */
    const cg_sampling *sampling;              /* the values in effect */
    const cg_sampling_sources *sampling_from; /* where each value comes from */
    int64_t parameters;                       /* of the model */
    const char *device_reason;                /* why this device */
    const char *constraint_reason;            /* why this one */
    uint64_t tokenizer_fingerprint;           /* of the tokenizer's files */
    const char *dtype;                        /* "f32", "bf16", "f16" or "int8" (options) */
    const char *reproducibility;              /* what a conformer depends on, a sentence */
    int32_t deterministic; /* tokens do not depend on batch size, slot or GPU count */
    int32_t step_tokens;   /* as requested; 0: derived */
    int32_t n_gpus;        /* of cg_engine_get_gpu(); 0: the CPU */
    int32_t n_attempts;    /* of cg_engine_get_attempt() */
    const char *tuning;    /* origin of the attempts, or why there are none; "" if nothing
                              was to be selected */
    /* elements that determine the work of a step */
    int64_t layer_parameters;       /* of the layers, without embedding and head */
    int32_t head_width;             /* elements of a row of the LM head */
    int32_t kv_elements;            /* keys and values of a token, all layers */
    int32_t query_elements;         /* queries of a token, all layers */
    int32_t check;                  /* geometry is checked */
    int32_t retry;                  /* retries of a failed conformer, at most */
    int32_t n_plugins;              /* of cg_engine_get_plugin() */
    const char *geometry;           /* "off", "count", "repair" */
    const char *text_format;        /* of conformers, with all its values, on one line */
    const char *text_format_reason; /* "confgen.json", or how it was found */
    const char *kv_dtype;           /* of the KV cache: "f32", "bf16", "f16", "fp8", "int8" */
    int32_t kv_token_bytes;     /* of a token's keys and values, all layers, with their scales */
    int32_t prompt_step_tokens; /* as requested; or CG_PROMPT_STEPS_AUTO, CG_PROMPT_STEPS_OFF */
    const char *dtype_reason;   /* "requested", "confgen.json", "default", or why not that */
} cg_engine_info;

/**
 * Opens an engine: loads plugins, model and tokenizer, and creates the executors.
 *
 * @param ret_engine  owned by the caller, cg_engine_close(); unchanged on failure
 * @return CG_OK; CG_ERR_USAGE for options that are wrong or contradict each other;
 *         CG_ERR_UNSUPPORTED, CG_ERR_MISMATCH, CG_ERR_PLUGIN, CG_ERR_IO, CG_ERR_FORMAT,
 * CG_ERR_CUDA, CG_ERR_NOMEM, CG_ERR_DEVICE_NOMEM with the reason
 */
CG_EXPORT cg_status cg_engine_open(const cg_engine_options *options, cg_engine **ret_engine,
                                   cg_error *err);
CG_EXPORT void cg_engine_close(cg_engine *engine); /* accepts NULL */
/** Returns the settings in effect; lives with the engine. */
CG_EXPORT const cg_engine_info *cg_engine_get_info(const cg_engine *engine);

/**
 * Describes GPU `i`, counted from 0. Its texts live with the engine.
 *
 * @return 1; 0 after the last, with *ret_gpu unchanged
 */
CG_EXPORT int32_t cg_engine_get_gpu(const cg_engine *engine, int32_t i, cg_engine_gpu *ret_gpu);
/** Describes plugin `i` by kind, of all GPUs, each once; as above. */
CG_EXPORT int32_t cg_engine_get_plugin(const cg_engine *engine, int32_t i,
                                       cg_engine_plugin *ret_plugin);
/** Describes attempt `i` of the measurement of the first GPU, in order; as above. */
CG_EXPORT int32_t cg_engine_get_attempt(const cg_engine *engine, int32_t i,
                                        cg_tuning_attempt *ret_attempt);

/**
 * Writes the tokens of a molecule's prompt to ret_ids[cap].
 *
 * @param ret_n        their number, also if it is more than cap
 * @param ret_max_new  most tokens of a completion; 0: unbounded by the constraint
 * @return CG_OK; as cg_molecule_template_build() for a SMILES; CG_ERR_LIMIT if cap is too small
 */
CG_EXPORT cg_status cg_engine_prompt(const cg_engine *engine, const char *smiles, int32_t *ret_ids,
                                     int32_t cap, int32_t *ret_n, int32_t *ret_max_new,
                                     cg_error *err);

/**
 * Returns the name of geometry check `id`, counted from 0; NULL after the last. Static storage.
 *
 * @param ret_meaning  a sentence with threshold and source; may be NULL
 */
CG_EXPORT const char *cg_check_describe(int32_t id, const char **ret_meaning);

/**
 * Returns the name of fault cause `cause`, counted from 1 (0: "none"); NULL after the last. Static
 * storage.
 */
CG_EXPORT const char *cg_fault_describe(int32_t cause);

/** cg_conformer.verdict */
enum {
    CG_CONFORMER_OK = 0,               /* delivered */
    CG_CONFORMER_WRONG_MOLECULE = 1,   /* its text is another molecule's */
    CG_CONFORMER_PARSE_FAILURE = 2,    /* its text cannot be parsed */
    CG_CONFORMER_UNFINISHED = 3,       /* cut at the token limit */
    CG_CONFORMER_INVALID_GEOMETRY = 4, /* its geometry was not repairable */
};

/** One molecule to generate. */
typedef struct cg_request {
    uint32_t struct_size;
    int32_t n_conformers; /* >= 1 */
    uint64_t index;       /* keys the random numbers, with the seed and the conformer's number */
    const char *smiles;   /* any valid SMILES */
    const char *name;     /* may be NULL */
} cg_request;

/** A conformer, or the reason why there is none, by rule 3 of sized.h. Borrowed for the call. */
typedef struct cg_conformer {
    uint32_t struct_size;
    int32_t verdict;           /* CG_CONFORMER_* */
    const cg_request *request; /* of cg_engine_generate() */
    int32_t generation;        /* number among the molecule's conformers, from 0; -1: no molecule */
    int32_t n_atoms;           /* in the order of smiles */
    const char *smiles;        /* canonical */
    const char *text;          /* as generated */
    const char *reason;     /* of a verdict other than OK, or of the first failed check; else "" */
    const double (*xyz)[3]; /* [n_atoms]; NULL unless OK */
    uint32_t checks_done;   /* bits: 1 << id of cg_check_describe(); 0: not checked */
    uint32_t checks_failed; /* of them */
    int32_t retries;        /* retry round it was sampled in; 0: the first */
    uint32_t checks_unchecked; /* bits: checks that apply but could not be done; not among _done */
} cg_conformer;

/**
 * Generates conformers of molecules in memory.
 *
 * @param requests      [n] all of one struct_size, which is the distance between them
 * @param on_conformer  called on this thread, molecules in order, conformers in order. A molecule
 *                      that cannot be built is one call with generation -1, a parse failure and
 *                      the reason. May be NULL.
 * @param ret_report    filled also on failure; may be NULL
 * @return CG_OK, also if molecules failed; CG_ERR_USAGE for a bad request; CG_ERR_UNSUPPORTED for
 *         one with members that this library does not know; CG_ERR_NOMEM, CG_ERR_CUDA,
 *         CG_ERR_DEVICE_NOMEM
 */
CG_EXPORT cg_status cg_engine_generate(cg_engine *engine, const cg_request *requests, int64_t n,
                                       void (*on_conformer)(void *ctx,
                                                            const cg_conformer *conformer),
                                       void *ctx, cg_report *ret_report, cg_error *err);

/** Molecules read from a file, as requests. */
typedef struct cg_requests cg_requests;

/**
 * Reads a list of molecules (.smi, .csv, also .gz and .zst) into memory.
 *
 * @param limit         molecules, at most; 0: all
 * @param n_conformers  of each request, >= 1
 * @param ret_requests  owned by the caller, cg_requests_free()
 * @return CG_OK; CG_ERR_IO, CG_ERR_FORMAT, CG_ERR_USAGE naming the file; CG_ERR_NOMEM
 */
CG_EXPORT cg_status cg_requests_read(const char *path, int64_t limit, int32_t n_conformers,
                                     cg_requests **ret_requests, cg_error *err);
CG_EXPORT void cg_requests_free(cg_requests *requests); /* accepts NULL */
/** Number of requests. */
CG_EXPORT int64_t cg_requests_count(const cg_requests *requests);
/** Number of lines that hold no molecule. */
CG_EXPORT int64_t cg_requests_skipped(const cg_requests *requests);
/**
 * Fills in request `i`, counted from 0. Its texts live with the list.
 *
 * @return 1; 0 after the last, with *ret_request unchanged
 */
CG_EXPORT int32_t cg_requests_get(const cg_requests *requests, int64_t i, cg_request *ret_request);

/**
 * Runs only the part of generation before decoding: parses each molecule, writes and tokenizes its
 * prompt, compiles its constraint. The results are dropped.
 *
 * @param requests    [n] as for cg_engine_generate()
 * @param workers     threads; 0: the engine's own number
 * @param ret_report  molecules, molecules_failed, seconds, chemistry_seconds, template_seconds,
 *                    token_cache_*
 * @return CG_OK, also if molecules failed; CG_ERR_USAGE, CG_ERR_UNSUPPORTED for a request or
 *         report whose struct_size is wrong; CG_ERR_NOMEM
 */
CG_EXPORT cg_status cg_engine_build_templates(cg_engine *engine, const cg_request *requests,
                                              int64_t n, int32_t workers, cg_report *ret_report,
                                              cg_error *err);

/** cg_run_options.header: is the first line of a .smi input a header? */
enum {
    CG_HEADER_AUTO = 0, /* decided by its first column */
    CG_HEADER_YES = 1,  /* it is */
    CG_HEADER_NO = 2,   /* every line is a molecule; refused for .csv */
};

/** cg_run_options.minimize: which atoms move to a minimum of which energy. */
enum {
    CG_MINIMIZE_NONE = 0,
    CG_MINIMIZE_HYDROGENS = 1,      /* hydrogens, of MMFF94's */
    CG_MINIMIZE_MMFF94 = 2,         /* hydrogens, then all atoms, of MMFF94's */
    CG_MINIMIZE_MMFF94S = 3,        /* the same of MMFF94s' */
    CG_MINIMIZE_MMFF94_NOESTAT = 4, /* as MMFF94, without electrostatic terms */
    CG_MINIMIZE_MMFF94S_NOESTAT = 5,
};

/** cg_run_options.sort: the order of a molecule's records. */
enum {
    CG_SORT_GENERATION = 0,
    CG_SORT_ENERGY = 1, /* lowest first, equal ones by generation */
};

/**
 * A run from file to file. Zero or NULL is the default of every member except gens and input. As in
 * cg_engine_options, words are those of the command line.
 */
typedef struct cg_run_options {
    uint32_t struct_size;
    int32_t gens;               /* conformers per molecule, or per reference conformer; >= 1 */
    int32_t gens_per_reference; /* nonzero: gens counts per reference conformer of the molecule */
    int32_t header;             /* CG_HEADER_* */
    int32_t resume;             /* complete the output of an interrupted run */
    int32_t overwrite;          /* replace an existing output */
    int32_t add_hs;             /* with hydrogens; a mol2 always has them, smiles3d never */
    int32_t shard;              /* 0-based part of `shards`: a range of consecutive lines */
    int32_t shards;             /* 0 or 1: all */
    int32_t reserved;
    int64_t limit;      /* molecules read, at most; 0: all */
    const char *input;  /* file or "-"; with `molecules`: their name in messages */
    const char *output; /* file or "-"; NULL: <stem of the input>.<format>.zst */
    const char *format; /* "sdf", "mol2", "pdb", "xyz", "smiles3d", "json"; NULL: by the output's
                           name, sdf */
    const char *failed; /* file of failures, or NULL */
    /** Called on this thread about every 50 ms, with a report by rule 3 of sized.h. NULL: none. */
    void (*progress)(void *ctx, const cg_report *so_far, int64_t molecules_done);
    /** One molecule or conformer failed: a sentence with file and line. NULL: none. */
    void (*on_failure)(void *ctx, const char *text);
    void *ctx;                /* first argument of the functions above */
    const volatile int *stop; /* set to nonzero by a signal handler: the run ends, resumable */
    const char *report; /* a file that the caller writes after the run, for cg_run_check_files() */
    int32_t minimize;   /* CG_MINIMIZE_*; hydrogens take part, whether they are written or not */
    int32_t energies;   /* records have their energy, hydrogens included: MMFF94's, or UFF's */
    /* Conformers that are not delivered are counted. Of those that a rule compares, the one of
     * lowest energy stays, without energies and among equal ones the first generated. */
    int32_t sort;           /* CG_SORT_*; ENERGY needs energies */
    int32_t max_conformers; /* delivered of a molecule; 0: all */
    double prune;           /* Å: one of conformers nearer than that, by RMSD; 0: all */
    double energy_window;   /* kcal/mol above the molecule's lowest; 0: all; needs energies */
    const char *molecules;  /* text of a .smi to read in the place of a file, terminated, or NULL */
    const char *core; /* .sdf or .mol of one molecule, whose heavy atoms all conformers have where
                         they are in the file; a molecule without them fails. NULL: none */
} cg_run_options;

/**
 * Sets the members of *run that a preset of finished ensembles has, and clears the others among
 * add_hs, minimize, energies, sort, max_conformers, prune and energy_window.
 *
 * @param name  "raw", "standard" or "thorough"
 * @param run   its struct_size is set
 * @return CG_OK; CG_ERR_USAGE for another name, with the names, or a struct that lacks these
 * members
 */
CG_EXPORT cg_status cg_run_ensemble_preset(const char *name, cg_run_options *run, cg_error *err);

/**
 * Compares the files of a run by identity (device and inode): output, its manifest, file of
 * failures and report must differ from one another and from the input, the files of the model's
 * folder (existing ones; not with options->resume) and the plugins. cg_engine_run() does the same
 * first.
 *
 * @return CG_OK; CG_ERR_USAGE naming both files; CG_ERR_NOMEM
 */
CG_EXPORT cg_status cg_run_check_files(const cg_engine *engine, const cg_run_options *run,
                                       cg_error *err);

/**
 * Runs from file to file.
 *
 * @param ret_report  filled also on failure; may be NULL
 * @return CG_OK, also if molecules failed; CG_ERR_INTERRUPTED if *stop was set; CG_ERR_USAGE,
 *         CG_ERR_MISMATCH, CG_ERR_IO, CG_ERR_FORMAT, CG_ERR_NOMEM, CG_ERR_CUDA, CG_ERR_DEVICE_NOMEM
 */
CG_EXPORT cg_status cg_engine_run(cg_engine *engine, const cg_run_options *run,
                                  cg_report *ret_report, cg_error *err);

/** Returns the path that a run writes to: run->output, or the default made from the input's name.
 */
CG_EXPORT cg_status cg_run_output_path(const cg_run_options *run, char *ret_path, size_t cap,
                                       cg_error *err);

/**
 * Counts the conformers that a run requests, for cg_engine_options.workload. Reads the input once;
 * 0 if it cannot be read twice (standard input).
 */
CG_EXPORT cg_status cg_run_workload(const cg_run_options *run, int64_t *ret_conformers,
                                    cg_error *err);

/** A tuning remembered from a GPU of this machine, by rule 3 of sized.h. Borrowed for the call. */
typedef struct cg_tuned {
    uint32_t struct_size;
    int32_t batch_size;       /* sequences decoded at once */
    double tokens_per_second; /* as measured */
    const char *gpu;          /* its name */
    const char *model;        /* its shape */
    const char *dtype;        /* of weights and activations */
    const char *attention;    /* plugin's name */
    const char *kv_cache;     /* plugin's name */
    const char *kv_dtype;     /* of the KV cache; "" in a file of an older release */
} cg_tuned;

/**
 * Calls on_tuned for each remembered tuning.
 *
 * @param ret_path  the file of tunings; "" if none of its variables is set
 * @return CG_OK, also without a file; CG_ERR_FORMAT, CG_ERR_IO if it cannot be read
 */
CG_EXPORT cg_status cg_tuning_list(void (*on_tuned)(void *ctx, const cg_tuned *tuned), void *ctx,
                                   char *ret_path, size_t cap, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
