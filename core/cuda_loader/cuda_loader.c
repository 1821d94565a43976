/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <confgen/version.h>

#include "base/error.h"
#include "cuda_loader/cuda_module.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const cg_cuda_module *loaded; /* set once, never changed */

/*
 * Where the module lies: what CONFGEN_CUDA_MODULE names; beside the file that holds this function
 * (the library or a program), as a build folder and an installation have it.
 */
static cg_status find_module(char *ret_path, size_t cap, cg_error *err)
{
    static const char *const below[] = { "confgen/confgen_cuda.so", "cuda/confgen_cuda.so" };
    const char *env = getenv("CONFGEN_CUDA_MODULE");
    char dir[PATH_MAX];
    Dl_info info;

    if (env) {
        if ((size_t)snprintf(ret_path, cap, "%s", env) >= cap || access(ret_path, R_OK))
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "CONFGEN_CUDA_MODULE names '%.500s', which cannot be read", env);
        return CG_OK;
    }
    if (!dladdr((void *)find_module, &info) || !info.dli_fname || !realpath(info.dli_fname, dir))
        return cg_fail(err, CG_ERR_UNSUPPORTED, "CUDA: the library's own folder is not known");
    *strrchr(dir, '/') = '\0';
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
        int n = snprintf(ret_path, cap, "%s/%s", dir, below[i]);

        if (n > 0 && (size_t)n < cap && !access(ret_path, R_OK))
            return CG_OK;
    }
    return cg_fail(
        err, CG_ERR_UNSUPPORTED,
        "this build has no CUDA module (confgen_cuda.so beside the library): build where "
        "nvcc is, or use --device cpu");
}

static cg_status load_locked(cg_error *err)
{
    char path[PATH_MAX];
    cg_cuda_module_get_fn get;
    const cg_cuda_module *module;
    void *handle;
    cg_status status = find_module(path, sizeof path, err);

    if (status != CG_OK)
        return status;
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "CUDA module: %.700s", dlerror());
    get = (cg_cuda_module_get_fn)dlsym(handle, CG_CUDA_MODULE_SYMBOL);
    module = get ? get() : NULL;
    if (!module || module->struct_size != sizeof *module ||
        strcmp(module->version, CG_VERSION_STRING)) {
        status = cg_fail(err, CG_ERR_UNSUPPORTED,
                         "'%.500s' is of version %s, this confgen is %s: they must be of one build",
                         path, module ? module->version : "unknown", CG_VERSION_STRING);
        dlclose(handle);
        return status;
    }
    loaded = module;
    return CG_OK;
}

cg_status cg_cuda_module_load(const cg_cuda_module **ret_module, cg_error *err)
{
    cg_status status = CG_OK;

    pthread_mutex_lock(&lock);
    if (!loaded)
        status = load_locked(err);
    pthread_mutex_unlock(&lock);
    if (status == CG_OK)
        *ret_module = loaded;
    return status;
}

cg_status cg_executor_cuda_create(const cg_executor_config *config, cg_executor **ret_executor,
                                  cg_error *err)
{
    const cg_cuda_module *module;
    cg_status status = cg_cuda_module_load(&module, err);

    return status == CG_OK ? module->executor_create(config, ret_executor, err) : status;
}

/* ---- confgen/gpu.h ------------------------------------------------------------------------ */

cg_status cg_gpu_count(int32_t *ret_n, cg_error *err)
{
    const cg_cuda_module *module;
    cg_status status = cg_cuda_module_load(&module, err);

    return status == CG_OK ? module->count(ret_n, err) : status;
}

cg_status cg_gpu_open(int32_t index, cg_gpu **ret_gpu, cg_error *err)
{
    const cg_cuda_module *module;
    cg_status status = cg_cuda_module_load(&module, err);

    return status == CG_OK ? module->open(index, ret_gpu, err) : status;
}

/* From here on there is a GPU, so the module is loaded. */

void cg_gpu_close(cg_gpu *gpu)
{
    if (gpu)
        loaded->close(gpu);
}

void cg_gpu_get_info(const cg_gpu *gpu, cg_gpu_info *ret_info)
{
    loaded->get_info(gpu, ret_info);
}

void *cg_gpu_stream(const cg_gpu *gpu)
{
    return loaded->stream(gpu);
}

cg_status cg_gpu_alloc(cg_gpu *gpu, size_t bytes, void **ret_ptr, cg_error *err)
{
    return loaded->alloc(gpu, bytes, ret_ptr, err);
}

void cg_gpu_free(cg_gpu *gpu, void *ptr)
{
    if (ptr)
        loaded->free(gpu, ptr);
}

cg_status cg_gpu_write(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err)
{
    return loaded->write(gpu, dst, src, bytes, err);
}

cg_status cg_gpu_read(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err)
{
    return loaded->read(gpu, dst, src, bytes, err);
}

cg_status cg_gpu_fill(cg_gpu *gpu, void *dst, int32_t byte, size_t bytes, cg_error *err)
{
    return loaded->fill(gpu, dst, byte, bytes, err);
}

cg_status cg_gpu_random(cg_gpu *gpu, void *dst, int64_t n, cg_dtype dtype, uint32_t seed,
                        cg_error *err)
{
    return loaded->random(gpu, dst, n, dtype, seed, err);
}

cg_status cg_gpu_synchronize(cg_gpu *gpu, cg_error *err)
{
    return loaded->synchronize(gpu, err);
}

cg_status cg_gpu_mark(cg_gpu *gpu, int32_t which, cg_error *err)
{
    return loaded->mark(gpu, which, err);
}

cg_status cg_gpu_elapsed(cg_gpu *gpu, double *ret_seconds, cg_error *err)
{
    return loaded->elapsed(gpu, ret_seconds, err);
}

cg_status cg_gpu_capture_begin(cg_gpu *gpu, cg_error *err)
{
    return loaded->capture_begin(gpu, err);
}

cg_status cg_gpu_capture_end(cg_gpu *gpu, cg_gpu_graph **ret_graph, cg_error *err)
{
    return loaded->capture_end(gpu, ret_graph, err);
}

cg_status cg_gpu_replay(cg_gpu *gpu, cg_gpu_graph *graph, cg_error *err)
{
    return loaded->replay(gpu, graph, err);
}

void cg_gpu_graph_destroy(cg_gpu_graph *graph)
{
    if (graph)
        loaded->graph_destroy(graph);
}

cg_status cg_gpu_measure(cg_gpu *gpu, cg_gpu_ceilings *ret_ceilings, cg_error *err)
{
    return loaded->measure(gpu, ret_ceilings, err);
}
