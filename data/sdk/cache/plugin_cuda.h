/* SPDX-License-Identifier: MIT-0 */
/* The GPU part of @NAME@: @NAME@.c calls it, @NAME@.cu implements it. */
#ifndef CUDA_PART_H
#define CUDA_PART_H

#include <confgen/cache.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As cg_cache_ops.supports, for a valid configuration on a GPU. */
cg_status cuda_check_config(const cg_host *host, const cg_cache_config *c, cg_error *err);
/* CG_ERR_DEVICE_NOMEM; CG_ERR_UNSUPPORTED if the current GPU has no kernel. */
cg_status cuda_allocate(const cg_host *host, int64_t bytes, char **ret_data, cg_error *err);
void cuda_free(char *data); /* accepts NULL */
/* As cg_cache_ops.append, to the addresses of a view: enqueues on the stream of the call. */
cg_status cuda_append(const cg_host *host, const cg_kv_view *view, const cg_cache_append *args,
                      cg_error *err);
/* Enqueues the copy of the first `bytes` bytes of n_heads heads, `head_stride` bytes apart. */
cg_status cuda_copy_heads(const cg_host *host, char *to, const char *from, int64_t n_heads,
                          int64_t head_stride, int64_t bytes, void *stream, cg_error *err);

#ifdef __cplusplus
}
#endif

#endif
