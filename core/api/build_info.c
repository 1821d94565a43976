/* SPDX-License-Identifier: MIT */
/* Versions of confgen and of the libraries in use: confgen/build_info.h, confgen/version.h. */
#include <confgen/build_info.h>
#include <confgen/version.h>

#include <dlfcn.h>
#include <dnnl.h>
#include <jansson.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>

#include "chem/rdkit_c.h"

const char *cg_version(void)
{
    return CG_VERSION_STRING;
}

int32_t cg_libraries(cg_library *ret_libraries, int32_t cap)
{
    char *rdkit = version(), pcre2[64] = "", dnnl[32], xxh[32];
    const dnnl_version_t *d = dnnl_version();
    unsigned x = XXH_versionNumber();
    const char *const items[][2] = {
        { "RDKit", rdkit ? rdkit : "unknown" }, { "oneDNN", dnnl },
        { "zstd", ZSTD_versionString() },       { "zlib", zlibVersion() },
        { "jansson", jansson_version_str() },   { "PCRE2", pcre2 },
        { "utf8proc", utf8proc_version() },     { "xxHash", xxh },
    };
    int32_t n = (int32_t)(sizeof items / sizeof items[0]);

    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    snprintf(dnnl, sizeof dnnl, "%d.%d.%d", d->major, d->minor, d->patch);
    snprintf(xxh, sizeof xxh, "%u.%u.%u", x / 10000, x / 100 % 100, x % 100);
    for (int32_t i = 0; i < n && i < cap; i++) {
        ret_libraries[i] = (cg_library) { .struct_size = sizeof(cg_library) };
        snprintf(ret_libraries[i].name, sizeof ret_libraries[i].name, "%s", items[i][0]);
        snprintf(ret_libraries[i].version, sizeof ret_libraries[i].version, "%s", items[i][1]);
    }
    free_ptr(rdkit);
    return n;
}

/* Calls `symbol` in the first of these libraries that loads; 0 if none does. */
static size_t version_of(const char *const *names, const char *symbol)
{
    size_t (*query)(void);
    void *handle = NULL;

    for (; *names && !handle; names++)
        handle = dlopen(*names, RTLD_LAZY | RTLD_LOCAL); /* never closed: other code may use it */
    if (!handle)
        return 0;
    *(void **)&query = dlsym(handle, symbol);
    return query ? query() : 0;
}

int32_t cg_cuda_libraries(cg_library *ret_libraries, int32_t cap)
{
    static const char *const cublas[] = { "libcublasLt.so.13", "libcublasLt.so.12", NULL };
    static const char *const cudnn[] = { "libcudnn.so.9", NULL };
    const struct {
        const char *name;
        size_t version;
    } items[] = { { "cuBLASLt", version_of(cublas, "cublasLtGetVersion") },
                  { "cuDNN", version_of(cudnn, "cudnnGetVersion") } };
    int32_t n = (int32_t)(sizeof items / sizeof items[0]);

    for (int32_t i = 0; i < n && i < cap; i++) {
        cg_library *l = &ret_libraries[i];
        size_t v = items[i].version;

        *l = (cg_library) { .struct_size = sizeof *l };
        snprintf(l->name, sizeof l->name, "%s", items[i].name);
        if (v)
            snprintf(l->version, sizeof l->version, "%zu.%zu.%zu", v / 10000, v / 100 % 100,
                     v % 100);
    }
    return n;
}
