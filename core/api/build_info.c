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

static void fill_library(cg_library *ret_library, const char *name, const char *version)
{
    cg_library library = { CG_SIZED(cg_library) };

    snprintf(library.name, sizeof library.name, "%s", name);
    snprintf(library.version, sizeof library.version, "%s", version);
    cg_fill_struct(ret_library, &library);
}

int32_t cg_library_get(int32_t i, cg_library *ret_library)
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
    int exists = i >= 0 && i < (int32_t)(sizeof items / sizeof items[0]);

    pcre2_config(PCRE2_CONFIG_VERSION, pcre2);
    snprintf(dnnl, sizeof dnnl, "%d.%d.%d", d->major, d->minor, d->patch);
    snprintf(xxh, sizeof xxh, "%u.%u.%u", x / 10000, x / 100 % 100, x % 100);
    if (exists)
        fill_library(ret_library, items[i][0], items[i][1]);
    free_ptr(rdkit);
    return exists;
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

int32_t cg_cuda_library_get(int32_t i, cg_library *ret_library)
{
    static const char *const cublas[] = { "libcublasLt.so.13", "libcublasLt.so.12", NULL };
    static const char *const cudnn[] = { "libcudnn.so.9", NULL };
    static const struct {
        const char *name;
        const char *const *files;
        const char *symbol;
    } items[] = { { "cuBLASLt", cublas, "cublasLtGetVersion" },
                  { "cuDNN", cudnn, "cudnnGetVersion" } };
    char text[40] = "";
    size_t v;

    if (i < 0 || i >= (int32_t)(sizeof items / sizeof items[0]))
        return 0;
    v = version_of(items[i].files, items[i].symbol);
    if (v)
        snprintf(text, sizeof text, "%zu.%zu.%zu", v / 10000, v / 100 % 100, v % 100);
    fill_library(ret_library, items[i].name, text);
    return 1;
}
