# SPDX-License-Identifier: MIT
# Made by make_declarations.py from the public headers. Do not edit.
"""Declarations of libconfgen, for cffi."""

TEXT = """
/* limits.h */
enum {
  CG_MAX_BATCH = 65536,
  CG_MAX_STEP_TOKENS = 1 << 20,
  CG_MAX_THREADS = 4096,
  CG_MAX_CONTEXT = 4096,
  CG_MAX_RETRIES = 1000000,
  CG_MAX_GPUS = 16,
  CG_MAX_CHECKS = 16,
  CG_MAX_CAUSES = 16,
};
enum {
  CG_PROMPT_STEPS_AUTO = 0,
  CG_PROMPT_STEPS_OFF = -1,
};
/* status.h */
typedef int32_t cg_status;
enum {
  CG_OK = 0,
  CG_ERR_USAGE = 100,
  CG_ERR_UNSUPPORTED = 101,
  CG_ERR_INPUT = 200,
  CG_ERR_FORMAT = 201,
  CG_ERR_LIMIT = 202,
  CG_ERR_MISMATCH = 203,
  CG_ERR_IO = 300,
  CG_ERR_NOMEM = 301,
  CG_ERR_PLUGIN = 302,
  CG_ERR_INTERRUPTED = 303,
  CG_ERR_CUDA = 400,
  CG_ERR_DEVICE_NOMEM = 401,
  CG_ERR_INTERNAL = 500,
};
typedef struct cg_error {
  uint32_t struct_size;
  cg_status code;
  char msg[960];
} cg_error;
const char *cg_status_name(cg_status status);
/* version.h */
const char *cg_version(void);
/* build_info.h */
cg_status cg_data_path(const char *name, char *ret_path, size_t cap, cg_error *err);
typedef struct cg_library {
  uint32_t struct_size;
  char name[20];
  char version[40];
} cg_library;
int32_t cg_library_get(int32_t i, cg_library *ret_library);
int32_t cg_cuda_library_get(int32_t i, cg_library *ret_library);
/* sampling.h */
typedef struct cg_sampling {
  uint32_t struct_size;
  int32_t greedy;
  double temperature;
  int32_t top_k;
  double top_p;
  double min_p;
} cg_sampling;
const char *cg_sampling_preset_name(int32_t i);
cg_status cg_sampling_preset_get(const char *name, cg_sampling *ret_sampling,
  cg_error *err);
enum {
  CG_SAMPLING_FROM_DEFAULT = 0,
  CG_SAMPLING_FROM_CONFIG = 1,
  CG_SAMPLING_FROM_GENERATION_CONFIG = 2,
  CG_SAMPLING_FROM_CONFGEN_JSON = 3,
  CG_SAMPLING_FROM_PRESET = 4,
  CG_SAMPLING_FROM_FLAG = 5,
};
typedef struct cg_sampling_sources {
  uint32_t struct_size;
  int32_t greedy;
  int32_t temperature;
  int32_t top_k;
  int32_t top_p;
  int32_t min_p;
} cg_sampling_sources;
const char *cg_sampling_source_name(int32_t source);
void cg_sampling_describe(const cg_sampling *sampling, const cg_sampling_sources *from,
  char *ret_text, size_t cap);
cg_status cg_sampling_check(const cg_sampling *sampling, cg_error *err);
/* report.h */
typedef struct cg_report {
  uint32_t struct_size;
  uint32_t reserved;
  int64_t total_molecules;
  int64_t total_conformers;
  int64_t molecules;
  int64_t molecules_failed;
  int64_t molecules_resumed;
  int64_t conformers_resumed;
  int64_t requested;
  int64_t conformers;
  int64_t wrong_molecules;
  int64_t parse_failures;
  int64_t unfinished;
  int64_t prompt_tokens;
  int64_t tokens;
  int64_t sampled;
  int64_t forced;
  int64_t steps;
  int64_t token_cache_hits;
  int64_t token_cache_misses;
  int64_t kv_bytes;
  int64_t peak_bytes;
  int64_t bytes_written;
  double seconds;
  double decode_seconds;
  double matmul_seconds;
  double attention_seconds;
  double sample_seconds;
  double chemistry_seconds;
  double template_seconds;
  double record_seconds;
  int64_t failed_input;
  int64_t failed_limit;
  int64_t failed_unsupported;
  int64_t sequences;
  int64_t device_bytes;
  int32_t n_executors;
  int32_t halvings;
  int64_t executor_tokens[CG_MAX_GPUS];
  int64_t evaluated;
  int64_t attended;
  int64_t step_rows;
  int64_t head_rows;
  double device_seconds;
  double idle_seconds;
  int64_t retried;
  int64_t fixed_by_retry;
  int64_t checked;
  int64_t passed;
  int64_t check_done[CG_MAX_CHECKS];
  int64_t check_failed[CG_MAX_CHECKS];
  int64_t invalid_geometry;
  int64_t geometry_count[CG_MAX_CAUSES];
  int64_t geometry_moved;
  int64_t geometry_restarts;
  int64_t geometry_discarded_tokens;
  int64_t geometry_untested_stereo;
  int64_t geometry_untested_molecules;
  int64_t unchecked;
  int64_t check_unchecked[CG_MAX_CHECKS];
  int64_t repeated_names;
  int64_t dropped_extensions;
  int64_t stereo_groups;
  int64_t hydrogens_moved;
  int64_t hydrogens_failed;
  int64_t prompt_steps;
  int64_t prompt_step_rows;
  double prompt_step_seconds;
  int64_t minimized;
  int64_t minimized_rejected;
  int64_t energy_refused;
  double minimize_seconds;
  int64_t dropped_rmsd;
  int64_t dropped_energy;
  int64_t dropped_number;
  double prune_seconds;
  int64_t expected_tokens;
  int64_t lost_stereo;
  int64_t energy_uff;
} cg_report;
enum {
  CG_COUNTER_INT32 = 0,
  CG_COUNTER_INT64 = 1,
  CG_COUNTER_REAL = 2,
};
enum {
  CG_COUNTER_SUM = 0,
  CG_COUNTER_MAX = 1,
};
typedef struct cg_report_counter {
  uint32_t struct_size;
  uint32_t offset;
  const char *name;
  const char *json_path;
  int32_t type;
  int32_t rule;
  int32_t n;
  int32_t first;
  const char *(*label)(int32_t i);
} cg_report_counter;
const cg_report_counter *cg_report_describe(int32_t i);
void cg_report_add(cg_report *sum, const cg_report *part);
/* confgen.h */
typedef struct cg_engine cg_engine;
typedef struct cg_engine_options {
  uint32_t struct_size;
  int32_t batch_size;
  int32_t max_new_tokens;
  int32_t threads;
  int32_t template_workers;
  int32_t token_cache;
  int32_t n_plugins;
  uint64_t seed;
  const char *model;
  const char *device;
  const char *attention;
  const char *kv_cache;
  const char *constraint;
  const char *const *plugins;
  const cg_sampling *sampling;
  void (*log)(void *ctx, int32_t level, const char *text);
  void *log_ctx;
  const char *shape;
  const char *tokenizer;
  const char *dtype;
  int32_t deterministic;
  int32_t max_length;
  int32_t step_tokens;
  int32_t tuning;
  int64_t workload;
  int32_t check;
  int32_t retry;
  const char *geometry;
  const char *preset;
  const char *kv_dtype;
  int32_t prompt_step_tokens;
  int32_t reserved;
} cg_engine_options;
enum {
  CG_TUNING_AUTO = 0,
  CG_TUNING_NEVER = 1,
  CG_TUNING_ALWAYS = 2,
};
typedef struct cg_tuning_attempt {
  uint32_t struct_size;
  int32_t batch_size;
  double tokens_per_second;
  char attention[32];
  char kv_cache[32];
  char refused[192];
  int32_t n_conformers;
  int32_t reserved;
} cg_tuning_attempt;
typedef struct cg_engine_gpu {
  uint32_t struct_size;
  int32_t index;
  int32_t compute_capability;
  int32_t driver_version;
  int64_t memory_bytes;
  const char *name;
  const char *uuid;
  const char *attention;
  const char *kv_cache;
  int32_t batch_size;
  int32_t reserved;
} cg_engine_gpu;
typedef struct cg_engine_plugin {
  uint32_t struct_size;
  int32_t is_own;
  uint64_t hash;
  const char *kind;
  const char *name;
  const char *version;
  const char *path;
  const char *hides;
  int32_t abi_major;
  int32_t abi_minor;
} cg_engine_plugin;
typedef struct cg_engine_info {
  uint32_t struct_size;
  int32_t batch_size;
  int32_t threads;
  int32_t template_workers;
  int32_t max_length;
  int32_t decimals;
  const char *model;
  const char *architecture;
  const char *device;
  const char *attention;
  const char *kv_cache;
  const char *constraint;
  const char *attention_reason;
  const char *kv_cache_reason;
  const char *batch_reason;
  uint64_t fingerprint;
  uint64_t seed;
  const cg_sampling *sampling;
  const cg_sampling_sources *sampling_from;
  int64_t parameters;
  const char *device_reason;
  const char *constraint_reason;
  uint64_t tokenizer_fingerprint;
  const char *dtype;
  const char *reproducibility;
  int32_t deterministic;
  int32_t step_tokens;
  int32_t n_gpus;
  int32_t n_attempts;
  const char *tuning;
  int64_t layer_parameters;
  int32_t head_width;
  int32_t kv_elements;
  int32_t query_elements;
  int32_t check;
  int32_t retry;
  int32_t n_plugins;
  const char *geometry;
  const char *text_format;
  const char *text_format_reason;
  const char *kv_dtype;
  int32_t kv_token_bytes;
  int32_t prompt_step_tokens;
  const char *dtype_reason;
} cg_engine_info;
cg_status cg_engine_open(const cg_engine_options *options, cg_engine **ret_engine,
  cg_error *err);
void cg_engine_close(cg_engine *engine);
const cg_engine_info *cg_engine_get_info(const cg_engine *engine);
int32_t cg_engine_get_gpu(const cg_engine *engine, int32_t i, cg_engine_gpu *ret_gpu);
int32_t cg_engine_get_plugin(const cg_engine *engine, int32_t i,
  cg_engine_plugin *ret_plugin);
int32_t cg_engine_get_attempt(const cg_engine *engine, int32_t i,
  cg_tuning_attempt *ret_attempt);
cg_status cg_engine_prompt(const cg_engine *engine, const char *smiles, int32_t *ret_ids,
  int32_t cap, int32_t *ret_n, int32_t *ret_max_new,
  cg_error *err);
const char *cg_check_describe(int32_t id, const char **ret_meaning);
const char *cg_fault_describe(int32_t cause);
enum {
  CG_CONFORMER_OK = 0,
  CG_CONFORMER_WRONG_MOLECULE = 1,
  CG_CONFORMER_PARSE_FAILURE = 2,
  CG_CONFORMER_UNFINISHED = 3,
  CG_CONFORMER_INVALID_GEOMETRY = 4,
};
typedef struct cg_request {
  uint32_t struct_size;
  int32_t n_conformers;
  uint64_t index;
  const char *smiles;
  const char *name;
} cg_request;
typedef struct cg_conformer {
  uint32_t struct_size;
  int32_t verdict;
  const cg_request *request;
  int32_t generation;
  int32_t n_atoms;
  const char *smiles;
  const char *text;
  const char *reason;
  const double (*xyz)[3];
  uint32_t checks_done;
  uint32_t checks_failed;
  int32_t retries;
  uint32_t checks_unchecked;
} cg_conformer;
cg_status cg_engine_generate(cg_engine *engine, const cg_request *requests, int64_t n,
  void (*on_conformer)(void *ctx,
    const cg_conformer *conformer),
  void *ctx, cg_report *ret_report, cg_error *err);
typedef struct cg_requests cg_requests;
cg_status cg_requests_read(const char *path, int64_t limit, int32_t n_conformers,
  cg_requests **ret_requests, cg_error *err);
void cg_requests_free(cg_requests *requests);
int64_t cg_requests_count(const cg_requests *requests);
int64_t cg_requests_skipped(const cg_requests *requests);
int32_t cg_requests_get(const cg_requests *requests, int64_t i, cg_request *ret_request);
cg_status cg_engine_build_templates(cg_engine *engine, const cg_request *requests,
  int64_t n, int32_t workers, cg_report *ret_report,
  cg_error *err);
enum {
  CG_HEADER_AUTO = 0,
  CG_HEADER_YES = 1,
  CG_HEADER_NO = 2,
};
enum {
  CG_MINIMIZE_NONE = 0,
  CG_MINIMIZE_HYDROGENS = 1,
  CG_MINIMIZE_MMFF94 = 2,
  CG_MINIMIZE_MMFF94S = 3,
  CG_MINIMIZE_MMFF94_NOESTAT = 4,
  CG_MINIMIZE_MMFF94S_NOESTAT = 5,
};
enum {
  CG_SORT_GENERATION = 0,
  CG_SORT_ENERGY = 1,
};
typedef struct cg_run_options {
  uint32_t struct_size;
  int32_t gens;
  int32_t gens_per_reference;
  int32_t header;
  int32_t resume;
  int32_t overwrite;
  int32_t add_hs;
  int32_t shard;
  int32_t shards;
  int32_t reserved;
  int64_t limit;
  const char *input;
  const char *output;
  const char *format;
  const char *failed;
  void (*progress)(void *ctx, const cg_report *so_far, int64_t molecules_done);
  void (*on_failure)(void *ctx, const char *text);
  void *ctx;
  const volatile int *stop;
  const char *report;
  int32_t minimize;
  int32_t energies;
  int32_t sort;
  int32_t max_conformers;
  double prune;
  double energy_window;
  const char *molecules;
  const char *core;
} cg_run_options;
cg_status cg_run_ensemble_preset(const char *name, cg_run_options *run, cg_error *err);
cg_status cg_run_check_files(const cg_engine *engine, const cg_run_options *run,
  cg_error *err);
cg_status cg_engine_run(cg_engine *engine, const cg_run_options *run,
  cg_report *ret_report, cg_error *err);
cg_status cg_run_output_path(const cg_run_options *run, char *ret_path, size_t cap,
  cg_error *err);
cg_status cg_run_workload(const cg_run_options *run, int64_t *ret_conformers,
  cg_error *err);
typedef struct cg_tuned {
  uint32_t struct_size;
  int32_t batch_size;
  double tokens_per_second;
  const char *gpu;
  const char *model;
  const char *dtype;
  const char *attention;
  const char *kv_cache;
  const char *kv_dtype;
} cg_tuned;
cg_status cg_tuning_list(void (*on_tuned)(void *ctx, const cg_tuned *tuned), void *ctx,
  char *ret_path, size_t cap, cg_error *err);
/* results.h */
typedef struct cg_results cg_results;
typedef struct cg_results_frame {
  uint32_t struct_size;
  uint32_t continues;
  int64_t records;
  uint64_t offset;
  uint64_t compressed;
  uint64_t plain;
  const char *name;
} cg_results_frame;
cg_status cg_results_open(const char *path, cg_results **ret_results, cg_error *err);
void cg_results_close(cg_results *results);
const char *cg_results_container(const cg_results *results);
int32_t cg_results_has_table(const cg_results *results);
const char *cg_results_note(const cg_results *results);
int64_t cg_results_count(const cg_results *results);
cg_status cg_results_get(cg_results *results, int64_t i, cg_results_frame *ret_frame,
  cg_error *err);
cg_status cg_results_read(cg_results *results, int64_t i, const char **ret_bytes,
  size_t *ret_len, cg_error *err);
cg_status cg_results_find(cg_results *results, const char *name, int64_t from,
  int64_t *ret_i, cg_error *err);
/* evaluation.h */
typedef struct cg_evaluation cg_evaluation;
typedef struct cg_evaluation_options {
  uint32_t struct_size;
  int32_t threads;
  const char *ref;
  const char *gen;
  double delta;
  double time_limit;
  const char *missing;
  const char *on_mismatch;
  const char *rmsd;
  const char *symmetry;
  int32_t max_matches;
  int32_t check;
  int32_t bioactive;
  int32_t relaxation;
} cg_evaluation_options;
cg_status cg_evaluation_run(const cg_evaluation_options *options,
  cg_evaluation **ret_evaluation, cg_error *err);
const char *cg_evaluation_json(const cg_evaluation *evaluation);
const char *cg_evaluation_warning(const cg_evaluation *evaluation);
void cg_evaluation_free(cg_evaluation *evaluation);
"""
