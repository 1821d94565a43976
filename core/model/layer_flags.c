/* SPDX-License-Identifier: MIT */
#include "model/layer_flags.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"

/* SmolLM3: every fourth layer is not rotated, or those where the list has a 0. */
static cg_status read_no_rope(const cg_json *o, cg_model_config *c, cg_error *err)
{
    const json_t *list = cg_json_member(o, "no_rope_layers");
    int32_t interval = 4;

    CG_TRY(cg_json_i32(o, "no_rope_layer_interval", CG_JSON_OPTIONAL, 1, CG_MAX_LAYERS, &interval,
                       err));
    if (list && (!json_is_array(list) || json_array_size(list) != (size_t)c->n_layers))
        return cg_json_fail_wanted(o, "no_rope_layers", "a list of a 0 or a 1 for each layer", err);
    for (int32_t i = 0; i < c->n_layers; i++) {
        const json_t *rope = json_array_get(list, (size_t)i);

        if (list && (!json_is_integer(rope) || json_integer_value(rope) < 0 ||
                     json_integer_value(rope) > 1))
            return cg_json_fail_wanted(o, "no_rope_layers", "a list of a 0 or a 1 for each layer",
                                       err);
        if (list ? !json_integer_value(rope) : (i + 1) % interval == 0)
            c->layer_flags[i] |= CG_LAYER_NO_ROPE;
    }
    return CG_OK;
}

/* The window that the architecture may use; 0: none. An absent key has the default 4096 of Mistral
 * and Qwen. */
static cg_status read_window(const cg_json *o, const cg_architecture *arch, int32_t *ret_window,
                             cg_error *err)
{
    int is_absent = !json_object_get(o->node, "sliding_window");
    int has_default = arch->windows == CG_WINDOWS_ALL || arch->windows == CG_WINDOWS_FROM_LAYER;
    int use = arch->windows != CG_WINDOWS_FROM_LAYER;
    int32_t window = is_absent && has_default ? 4096 : 0;

    CG_TRY(cg_json_bool(o, "use_sliding_window", CG_JSON_OPTIONAL, &use, err));
    /* these two have a window whatever use_sliding_window is */
    use = use || arch->windows == CG_WINDOWS_ALL || arch->windows == CG_WINDOWS_NO_ROPE;
    if (use)
        CG_TRY(cg_json_i32(o, "sliding_window", CG_JSON_OPTIONAL, 1, INT32_MAX, &window, err));
    *ret_window = use ? window : 0;
    return CG_OK;
}

/* Whether a layer has the window where layer_types does not state it. */
static int has_window(const cg_architecture *arch, const cg_model_config *c, int use, int32_t first,
                      int32_t layer)
{
    switch (arch->windows) {
    case CG_WINDOWS_ALL:
        return 1;
    case CG_WINDOWS_FROM_LAYER:
        return layer >= first;
    case CG_WINDOWS_NO_ROPE:
        return use && c->layer_flags[layer] & CG_LAYER_NO_ROPE;
    default:
        return 0;
    }
}

static cg_status fail_type(const cg_json *o, int32_t layer, const char *found, const char *wanted,
                           cg_error *err)
{
    return cg_fail(err, CG_ERR_UNSUPPORTED,
                   "%s: layer_types: found \"%.40s\" for layer %d, wanted %s", o->file, found,
                   layer, wanted);
}

/* Reads the type of a layer; *windowed holds the value without layer_types. */
static cg_status read_type(const cg_json *o, const cg_architecture *arch, int32_t layer,
                           int32_t window, int *windowed, cg_error *err)
{
    const json_t *type = json_array_get(cg_json_member(o, "layer_types"), (size_t)layer);
    const char *name = json_string_value(type);
    int sliding = name && !strcmp(name, "sliding_attention");

    if (!name || (!sliding && strcmp(name, "full_attention")))
        return fail_type(o, layer, name ? name : "?", "\"full_attention\" or \"sliding_attention\"",
                         err);
    if (sliding && arch->windows == CG_WINDOWS_NONE)
        return fail_type(o, layer, name, "\"full_attention\": this architecture has no window",
                         err);
    if (sliding && !window)
        return fail_type(o, layer, name, "\"full_attention\": no sliding_window is in use", err);
    if (arch->windows == CG_WINDOWS_ALL && sliding != *windowed)
        return fail_type(o, layer, name,
                         "the type that sliding_window gives all layers of this architecture", err);
    *windowed = sliding;
    return CG_OK;
}

cg_status cg_layer_flags_read(const cg_json *o, const cg_architecture *arch, cg_model_config *c,
                              cg_error *err)
{
    const json_t *types = cg_json_member(o, "layer_types");
    int32_t window, first = 28; /* as in the classes of Qwen */
    int use = 0, any = 0;

    if (arch->learned_positions)
        memset(c->layer_flags, CG_LAYER_NO_ROPE, (size_t)c->n_layers);
    if (arch->no_rope_layers)
        CG_TRY(read_no_rope(o, c, err));
    if (types && (!json_is_array(types) || json_array_size(types) != (size_t)c->n_layers))
        return cg_json_fail_wanted(o, "layer_types", "a list of a type for each layer", err);
    CG_TRY(read_window(o, arch, &window, err));
    CG_TRY(cg_json_bool(o, "use_sliding_window", CG_JSON_OPTIONAL, &use, err));
    CG_TRY(cg_json_i32(o, "max_window_layers", CG_JSON_OPTIONAL, 0, INT32_MAX, &first, err));
    for (int32_t i = 0; i < c->n_layers; i++) {
        int windowed = window && has_window(arch, c, use, first, i);

        if (types)
            CG_TRY(read_type(o, arch, i, window, &windowed, err));
        if (windowed)
            c->layer_flags[i] |= CG_LAYER_WINDOW;
        any |= windowed;
    }
    /* transformers' cache would drop keys that its attention does not mask */
    if (arch->windows == CG_WINDOWS_NONE && window && window < c->max_positions)
        return cg_json_fail_unsupported(o, "sliding_window",
                                        "no window: this architecture has none", err);
    c->window = any ? window : 0;
    return CG_OK;
}
