/* SPDX-License-Identifier: MIT */
#include "plugin/alias.h"

#include <string.h>

static const cg_plugin_alias aliases[] = {
    /* the back ends of PyTorch's scaled_dot_product_attention(), and the names of transformers */
    { CG_PLUGIN_ATTENTION, "sdpa", NULL, NULL, 0 },
    { CG_PLUGIN_ATTENTION, "sdpa_math", "eager", NULL, 0 },
    { CG_PLUGIN_ATTENTION, "sdpa_flash", "flash", NULL, 0 },
    { CG_PLUGIN_ATTENTION, "sdpa_efficient", "efficient", NULL, 0 },
    { CG_PLUGIN_ATTENTION, "sdpa_cudnn", "cudnn", NULL, 0 },
    { CG_PLUGIN_ATTENTION, "flash_attention_2", "flash", NULL, 0 },
    { CG_PLUGIN_ATTENTION, "flash_attention_3", "hopper", NULL, 0 },
    { CG_PLUGIN_CACHE, "fp8", "paged", "fp8", 0 },
    { CG_PLUGIN_CACHE, "int8", "paged", "int8", 0 },
    { CG_PLUGIN_CACHE, "window", "paged", NULL, 1 },
};
enum { N_ALIASES = sizeof aliases / sizeof aliases[0] };

const cg_plugin_alias *cg_plugin_alias_get(int32_t i)
{
    return i >= 0 && i < N_ALIASES ? &aliases[i] : NULL;
}

const cg_plugin_alias *cg_plugin_alias_find(cg_plugin_kind kind, const char *name)
{
    for (int32_t i = 0; i < N_ALIASES; i++)
        if (aliases[i].kind == kind && !strcmp(aliases[i].name, name))
            return &aliases[i];
    return NULL;
}
