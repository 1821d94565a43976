/* SPDX-License-Identifier: MIT */
#include "engine/code_decoder.h"

#include <confgen/limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/file.h"
#include "base/size.h"
#include "cuda_loader/cuda_module.h"
#include "fsq/fsq_tokens.h"

enum { MAX_ROWS = CG_MOLECULE_MAX_CHARS }; /* of a pass: a token has at least one character */

/* A decoder and, on the CPU, its team. */
struct device {
    cg_fsq_decoder *decoder;
    cg_team *team;
    int is_busy;
};

struct cg_code_decoder {
    cg_fsq_model *model;
    struct device devices[CG_MAX_GPUS];
    int n_devices;
    pthread_mutex_t lock;
    pthread_cond_t freed; /* guards is_busy */
};

cg_status cg_code_decoder_open(const char *dir, int is_random, const cg_conformer_format *format,
                               cg_code_decoder **ret_decoder, cg_error *err)
{
    cg_code_decoder *d = calloc(1, sizeof *d);
    char *folder = cg_path_join(dir, "fsq");
    cg_status st;

    if (!d || !folder) {
        free(d);
        free(folder);
        return cg_fail_nomem(err, "FSQ decoder");
    }
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->freed, NULL);
    st = is_random ? cg_fsq_model_random(folder, &d->model, err)
                   : cg_fsq_model_open(folder, &d->model, err);
    if (st != CG_OK)
        cg_fail_prefix(err, st, "format %s needs the network that decodes its codes", format->name);
    else if (d->model->config.n_codes != format->number.n_values)
        st = cg_fail(err, CG_ERR_MISMATCH, "%s: %d codes, confgen.json has %d", folder,
                     d->model->config.n_codes, format->number.n_values);
    free(folder);
    if (st != CG_OK) {
        cg_code_decoder_close(d);
        return st;
    }
    *ret_decoder = d;
    return CG_OK;
}

void cg_code_decoder_clear(cg_code_decoder *d)
{
    for (int i = 0; i < d->n_devices; i++) {
        cg_fsq_decoder_destroy(d->devices[i].decoder);
        cg_team_destroy(d->devices[i].team);
        d->devices[i] = (struct device) { 0 };
    }
    d->n_devices = 0;
}

void cg_code_decoder_close(cg_code_decoder *d)
{
    if (!d)
        return;
    cg_code_decoder_clear(d);
    cg_fsq_model_close(d->model);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->freed);
    free(d);
}

uint64_t cg_code_decoder_fingerprint(const cg_code_decoder *d)
{
    return d->model->fingerprint;
}

cg_status cg_code_decoder_add_cpu(cg_code_decoder *d, int threads, cg_error *err)
{
    struct device *device = &d->devices[d->n_devices];
    cg_fsq_decoder_config config = { .model = d->model, .max_rows = MAX_ROWS };

    CG_TRY(cg_team_create(threads, &device->team, err));
    d->n_devices++;
    return cg_fsq_decoder_cpu_create(&config, device->team, &device->decoder, err);
}

cg_status cg_code_decoder_add_gpu(cg_code_decoder *d, int32_t index, int32_t deterministic,
                                  int32_t tf32, cg_error *err)
{
    cg_fsq_decoder_config config = { .model = d->model,
                                     .max_rows = MAX_ROWS,
                                     .gpu = index,
                                     .dtype = CG_F32,
                                     .tf32 = tf32,
                                     .deterministic = deterministic };

    CG_TRY(cg_cuda_loader_create_fsq_decoder(&config, &d->devices[d->n_devices].decoder, err));
    d->n_devices++;
    return CG_OK;
}

cg_status cg_code_decoder_tokens(const cg_code_decoder *d, const cg_enriched_split *split,
                                 int32_t **ret_ids, cg_error *err)
{
    int32_t *ids = cg_alloc_array(split->n_groups, sizeof *ids);

    if (!ids)
        return cg_fail_nomem(err, "FSQ tokens");
    for (size_t i = 0; i < split->n_groups; i++) {
        const char *text = split->text + split->literal_at[i];
        size_t len = split->literal_at[i + 1] - split->literal_at[i];

        ids[i] = cg_fsq_token_id(d->model, text, len);
        if (ids[i] < 0) {
            free(ids);
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "the network that decodes codes was not trained on the SMILES token "
                           "'%.*s'",
                           (int)(len < 64 ? len : 64), text);
        }
    }
    *ret_ids = ids;
    return CG_OK;
}

cg_status cg_code_decoder_run(cg_code_decoder *d, const cg_fsq_batch *batch, float (*ret_xyz)[3],
                              cg_error *err)
{
    int i = 0;
    cg_status st;

    pthread_mutex_lock(&d->lock);
    for (;;) {
        for (i = 0; i < d->n_devices && d->devices[i].is_busy; i++)
            ;
        if (i < d->n_devices)
            break;
        pthread_cond_wait(&d->freed, &d->lock);
    }
    d->devices[i].is_busy = 1;
    pthread_mutex_unlock(&d->lock);
    st = cg_fsq_decoder_run(d->devices[i].decoder, batch, ret_xyz, err);
    pthread_mutex_lock(&d->lock);
    d->devices[i].is_busy = 0;
    pthread_cond_signal(&d->freed);
    pthread_mutex_unlock(&d->lock);
    return st;
}
