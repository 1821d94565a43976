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
#include "base/own_dir.h"
#include "base/sized_struct.h"
#include "base/trusted_path.h"
#include "cuda_loader/cuda_module.h"

/* The module of this process. Written once, under `lock`; constant afterwards. */
static struct {
    pthread_mutex_t lock;
    const cg_cuda_module *module;
} loader = { .lock = PTHREAD_MUTEX_INITIALIZER };

/*
 * Path of the module, with a slash: $CONFGEN_CUDA_MODULE, else relative to the file that holds
 * confgen's code: the library or a program, installed or in a build folder.
 */
static cg_status find_module(char *ret_path, size_t cap, cg_error *err)
{
    static const char *const subpaths[] = {
        "confgen/confgen_cuda.so",                        /* installed library */
        CG_LIBDIR_FROM_BINDIR "/confgen/confgen_cuda.so", /* installed program */
        "cuda/confgen_cuda.so",                           /* library of a build folder */
        "core/cuda/confgen_cuda.so",                      /* program of a build folder */
    };
    const char *env = getenv("CONFGEN_CUDA_MODULE");
    char dir[PATH_MAX];

    if (env) {
        /* dlopen() searches other folders for a name without a slash */
        if ((size_t)snprintf(ret_path, cap, "%s%s", strchr(env, '/') ? "" : "./", env) >= cap ||
            access(ret_path, R_OK))
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "CONFGEN_CUDA_MODULE names '%.500s', which cannot be read", env);
        return CG_OK;
    }
    if (cg_own_dir_of_code(dir, sizeof dir))
        for (size_t i = 0; i < sizeof subpaths / sizeof subpaths[0]; i++) {
            int n = snprintf(ret_path, cap, "%s/%s", dir, subpaths[i]);

            if (n > 0 && (size_t)n < cap && !access(ret_path, R_OK))
                return CG_OK;
        }
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "this build has no CUDA module (found no confgen_cuda.so next to the library): "
                   "build where nvcc is installed, or use --device cpu");
}

/*
 * Loads the toolkit's library that the module needs from the folder it was built with, where the
 * dynamic linker does not find it. The module has no RUNPATH; the linker takes a library that is
 * loaded already.
 */
static void load_cublas(void)
{
    cg_error err = CG_ERROR_INIT;

    if (!dlopen(CG_CUBLASLT, RTLD_NOW | RTLD_LOCAL) &&
        !access(CG_CUDA_LIBDIR "/" CG_CUBLASLT, R_OK) &&
        cg_trusted_path_check("CUDA", CG_CUDA_LIBDIR "/" CG_CUBLASLT, &err) == CG_OK)
        (void)dlopen(CG_CUDA_LIBDIR "/" CG_CUBLASLT, RTLD_NOW | RTLD_LOCAL);
}

static cg_status load_locked(cg_error *err)
{
    char path[PATH_MAX];
    cg_cuda_module_get_fn get;
    const cg_cuda_module *module;
    void *handle;

    CG_TRY(find_module(path, sizeof path, err));
    CG_TRY(cg_trusted_path_check("CUDA module", path, err));
    load_cublas();
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "CUDA module: %.700s", dlerror());
    get = (cg_cuda_module_get_fn)dlsym(handle, CG_CUDA_MODULE_SYMBOL);
    module = get ? get() : NULL;
    if (!module || module->struct_size != sizeof *module ||
        strcmp(module->version, CG_VERSION_STRING)) {
        cg_status st =
            cg_fail(err, CG_ERR_UNSUPPORTED,
                    "'%.500s' has version %s, this confgen has %s: install both from one build",
                    path, module ? module->version : "unknown", CG_VERSION_STRING);

        dlclose(handle);
        return st;
    }
    loader.module = module;
    return CG_OK;
}

cg_status cg_cuda_loader_get_module(const cg_cuda_module **ret_module, cg_error *err)
{
    cg_status st = CG_OK;

    pthread_mutex_lock(&loader.lock);
    if (!loader.module)
        st = load_locked(err);
    pthread_mutex_unlock(&loader.lock);
    if (st == CG_OK)
        *ret_module = loader.module;
    return st;
}

cg_status cg_cuda_loader_create_executor(const cg_executor_config *config,
                                         cg_executor **ret_executor, cg_error *err)
{
    const cg_cuda_module *module;

    CG_TRY(cg_cuda_loader_get_module(&module, err));
    return module->executor_create(config, ret_executor, err);
}

cg_status cg_cuda_loader_create_fsq_decoder(const cg_fsq_decoder_config *config,
                                            cg_fsq_decoder **ret_decoder, cg_error *err)
{
    const cg_cuda_module *module;

    CG_TRY(cg_cuda_loader_get_module(&module, err));
    return module->fsq_decoder_create(config, ret_decoder, err);
}

cg_status cg_cuda_loader_create_minimizer(const cg_device_minimizer_config *config,
                                          cg_device_minimizer **ret_minimizer, cg_error *err)
{
    const cg_cuda_module *module;

    CG_TRY(cg_cuda_loader_get_module(&module, err));
    return module->minimizer_create(config, ret_minimizer, err);
}

/* ---- confgen/gpu.h ------------------------------------------------------------------------ */

cg_status cg_gpu_count(int32_t *ret_n, cg_error *err)
{
    const cg_cuda_module *module;

    CG_TRY(cg_cuda_loader_get_module(&module, err));
    return module->count(ret_n, err);
}

cg_status cg_gpu_open(int32_t index, cg_gpu **ret_gpu, cg_error *err)
{
    const cg_cuda_module *module;

    CG_TRY(cg_cuda_loader_get_module(&module, err));
    return module->open(index, ret_gpu, err);
}

/* The functions below take a cg_gpu, which only a loaded module can have opened. */

void cg_gpu_close(cg_gpu *gpu)
{
    if (gpu)
        loader.module->close(gpu);
}

void cg_gpu_get_info(const cg_gpu *gpu, cg_gpu_info *ret_info)
{
    cg_gpu_info info = { CG_SIZED(cg_gpu_info) };

    loader.module->get_info(gpu, &info);
    cg_fill_struct(ret_info, &info);
}

void *cg_gpu_stream(const cg_gpu *gpu)
{
    return loader.module->stream(gpu);
}

cg_status cg_gpu_alloc(cg_gpu *gpu, size_t bytes, void **ret_ptr, cg_error *err)
{
    return loader.module->alloc(gpu, bytes, ret_ptr, err);
}

void cg_gpu_free(cg_gpu *gpu, void *ptr)
{
    if (ptr)
        loader.module->free(gpu, ptr);
}

cg_status cg_gpu_write(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err)
{
    return loader.module->write(gpu, dst, src, bytes, err);
}

cg_status cg_gpu_read(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err)
{
    return loader.module->read(gpu, dst, src, bytes, err);
}

cg_status cg_gpu_fill(cg_gpu *gpu, void *dst, int32_t byte, size_t bytes, cg_error *err)
{
    return loader.module->fill(gpu, dst, byte, bytes, err);
}

cg_status cg_gpu_random(cg_gpu *gpu, void *dst, int64_t n, cg_dtype dtype, uint32_t seed,
                        cg_error *err)
{
    return loader.module->random(gpu, dst, n, dtype, seed, err);
}

cg_status cg_gpu_synchronize(cg_gpu *gpu, cg_error *err)
{
    return loader.module->synchronize(gpu, err);
}

cg_status cg_gpu_mark(cg_gpu *gpu, int32_t which, cg_error *err)
{
    return loader.module->mark(gpu, which, err);
}

cg_status cg_gpu_elapsed(cg_gpu *gpu, double *ret_seconds, cg_error *err)
{
    return loader.module->elapsed(gpu, ret_seconds, err);
}

cg_status cg_gpu_hold(cg_gpu *gpu, double seconds, cg_error *err)
{
    return loader.module->hold(gpu, seconds, err);
}

int32_t cg_gpu_release(cg_gpu *gpu)
{
    return loader.module->release(gpu);
}

cg_status cg_gpu_read_now(cg_gpu *gpu, void *dst, const void *src, size_t bytes, cg_error *err)
{
    return loader.module->read_now(gpu, dst, src, bytes, err);
}

cg_status cg_gpu_current_device(const cg_gpu *gpu, int32_t *ret_index, cg_error *err)
{
    (void)gpu; /* an open GPU: the module is loaded */
    return loader.module->current_device(ret_index, err);
}

cg_status cg_gpu_capture_begin(cg_gpu *gpu, cg_error *err)
{
    return loader.module->capture_begin(gpu, err);
}

cg_status cg_gpu_capture_end(cg_gpu *gpu, cg_gpu_graph **ret_graph, cg_error *err)
{
    return loader.module->capture_end(gpu, ret_graph, err);
}

cg_status cg_gpu_replay(cg_gpu *gpu, cg_gpu_graph *graph, cg_error *err)
{
    return loader.module->replay(gpu, graph, err);
}

void cg_gpu_graph_destroy(cg_gpu_graph *graph)
{
    if (graph)
        loader.module->graph_destroy(graph);
}

cg_status cg_gpu_measure(cg_gpu *gpu, cg_gpu_ceilings *ret_ceilings, cg_error *err)
{
    cg_gpu_ceilings ceilings = { CG_SIZED(cg_gpu_ceilings) };

    CG_TRY(cg_sized_struct_check(ret_ceilings, "cg_gpu_ceilings", err));
    CG_TRY(loader.module->measure(gpu, &ceilings, err));
    cg_fill_struct(ret_ceilings, &ceilings);
    return CG_OK;
}
