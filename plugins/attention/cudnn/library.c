/* SPDX-License-Identifier: MIT */
#include "library.h"

#include <dlfcn.h>
#include <pthread.h>

/* One per process: loading takes a second, and cuDNN cannot be unloaded safely. */
static struct {
    pthread_mutex_t lock;
    cudnn_library library; /* version 0: not loaded */
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

static cg_status resolve_locked(const cg_host *host, void *handle, cg_error *err)
{
    cudnn_library l = { 0 };
    const struct {
        const char *name;
        void *function; /* address of a pointer of l */
    } symbols[] = {
        { "cudnnGetVersion", &l.get_version },
        { "cudnnGetErrorString", &l.error_string },
        { "cudnnGetLastErrorString", &l.last_error },
        { "cudnnCreate", &l.create_handle },
        { "cudnnDestroy", &l.destroy_handle },
        { "cudnnSetStream", &l.set_stream },
        { "cudnnBackendCreateDescriptor", &l.create_descriptor },
        { "cudnnBackendDestroyDescriptor", &l.destroy_descriptor },
        { "cudnnBackendSetAttribute", &l.set_attribute },
        { "cudnnBackendGetAttribute", &l.get_attribute },
        { "cudnnBackendFinalize", &l.finalize },
        { "cudnnBackendExecute", &l.execute },
    };

    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        *(void **)symbols[i].function = dlsym(handle, symbols[i].name);
        if (!*(void **)symbols[i].function)
            return host->fail(err, CG_ERR_UNSUPPORTED, "cuDNN: %.700s", dlerror());
    }
    l.version = (int)l.get_version();
    if (l.version < CUDNN_OLDEST)
        return host->fail(err, CG_ERR_UNSUPPORTED, "cuDNN %d.%d.%d, wanted %d.%d or newer",
                          l.version / 10000, l.version / 100 % 100, l.version % 100,
                          CUDNN_OLDEST / 10000, CUDNN_OLDEST / 100 % 100);
    shared.library = l;
    return CG_OK;
}

static cg_status load_locked(const cg_host *host, cg_error *err)
{
    void *handle = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
    cg_status st;

    if (!handle)
        return host->fail(err, CG_ERR_UNSUPPORTED, "cuDNN 9 not found: %.700s", dlerror());
    st = resolve_locked(host, handle, err);
    if (st != CG_OK)
        dlclose(handle);
    return st;
}

cg_status cudnn_library_load(const cg_host *host, const cudnn_library **ret_library, cg_error *err)
{
    cg_status st = CG_OK;

    pthread_mutex_lock(&shared.lock);
    if (!shared.library.version)
        st = load_locked(host, err);
    pthread_mutex_unlock(&shared.lock);
    if (st == CG_OK)
        *ret_library = &shared.library;
    return st;
}

cg_status cudnn_status(cudnnStatus_t code)
{
    switch ((int)code / 1000) {
    case 0:
        return CG_OK;
    case 2: /* bad parameter: in a description, something that this version does not know */
    case 3: /* not supported */
        return CG_ERR_UNSUPPORTED;
    default:
        return code == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED     ? CG_ERR_NOMEM
               : code == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ? CG_ERR_DEVICE_NOMEM
                                                                              : CG_ERR_CUDA;
    }
}
