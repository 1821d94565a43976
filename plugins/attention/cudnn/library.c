/* SPDX-License-Identifier: MIT */
#include "library.h"

#include <dlfcn.h>
#include <pthread.h>

/* The one library of the process: loading it costs a second, and it cannot be unloaded safely. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static cudnn_library loaded;

static cg_status find_locked(const cg_host *host, void *handle, cg_error *err)
{
    cudnn_library l = { 0 };
    const struct {
        const char *name;
        void *to;
    } symbols[] = {
        { "cudnnGetVersion", &l.get_version },
        { "cudnnGetErrorString", &l.error_string },
        { "cudnnGetLastErrorString", &l.last_error },
        { "cudnnCreate", &l.create },
        { "cudnnDestroy", &l.destroy },
        { "cudnnSetStream", &l.set_stream },
        { "cudnnBackendCreateDescriptor", &l.make },
        { "cudnnBackendDestroyDescriptor", &l.drop },
        { "cudnnBackendSetAttribute", &l.set },
        { "cudnnBackendGetAttribute", &l.get },
        { "cudnnBackendFinalize", &l.finalize },
        { "cudnnBackendExecute", &l.execute },
    };

    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        *(void **)symbols[i].to = dlsym(handle, symbols[i].name);
        if (!*(void **)symbols[i].to)
            return host->fail(err, CG_ERR_UNSUPPORTED, "cuDNN: %.700s", dlerror());
    }
    l.version = (int)l.get_version();
    if (l.version < CUDNN_OLDEST)
        return host->fail(err, CG_ERR_UNSUPPORTED, "cuDNN %d.%d.%d, wanted %d.%d or newer",
                          l.version / 10000, l.version / 100 % 100, l.version % 100,
                          CUDNN_OLDEST / 10000, CUDNN_OLDEST / 100 % 100);
    loaded = l;
    return CG_OK;
}

static cg_status load_locked(const cg_host *host, cg_error *err)
{
    void *handle = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
    cg_status st;

    if (!handle)
        return host->fail(err, CG_ERR_UNSUPPORTED, "cuDNN 9 is not found: %.700s", dlerror());
    st = find_locked(host, handle, err);
    if (st != CG_OK)
        dlclose(handle);
    return st;
}

cg_status cudnn_library_load(const cg_host *host, const cudnn_library **ret_library, cg_error *err)
{
    cg_status st = CG_OK;

    pthread_mutex_lock(&lock);
    if (!loaded.version)
        st = load_locked(host, err);
    pthread_mutex_unlock(&lock);
    if (st == CG_OK)
        *ret_library = &loaded;
    return st;
}

cg_status cudnn_status(cudnnStatus_t code)
{
    switch ((int)code / 1000) {
    case 0:
        return CG_OK;
    case 2: /* bad parameter: of a description, that this version does not know it */
    case 3: /* not supported */
        return CG_ERR_UNSUPPORTED;
    default:
        return code == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED     ? CG_ERR_NOMEM
               : code == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ? CG_ERR_DEVICE_NOMEM
                                                                              : CG_ERR_CUDA;
    }
}
