/* SPDX-License-Identifier: MIT */
#include "plugin_suite.h"

#include <string.h>

#include "call_watch.h"
#include "plugin_image.h"
#include "process_state.h"
#include "test_case.h"

/* ---- symbols -------------------------------------------------------------------------------- */

/* Symbols that tools add to a shared object, not its author. */
static int is_of_a_tool(const char *name)
{
    static const char *const beginnings[] = { "__asan_",   "__odr_asan",  "__gcov",
                                              "__sancov_", "__sanitizer", "__start_",
                                              "__stop_",   "mangle_path", "__llvm_" };
    static const char *const names[] = { "_init", "_fini", "_edata", "_end", "__bss_start" };

    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (!strncmp(name, beginnings[i], strlen(beginnings[i])))
            return 1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i]))
            return 1;
    return 0;
}

static int is_exported(const ElfW(Sym) * s)
{
    const int binding = ELF64_ST_BIND(s->st_info), visibility = ELF64_ST_VISIBILITY(s->st_other);

    /* an absolute symbol names a version */
    return s->st_shndx != SHN_UNDEF && s->st_shndx != SHN_ABS && binding != STB_LOCAL &&
           (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

static void check_symbols(test_recorder *rec, const cg_plugin *plugin)
{
    const char *other = NULL;
    plugin_image image;
    int n_others = 0;

    if (!test_begin(rec, "exports one symbol"))
        return;
    if (expect(rec, plugin_image_find(plugin, &image),
               "the descriptor does not lie in the plugin's file, or the dynamic symbols of the "
               "file cannot be read: wanted a descriptor in static storage")) {
        for (size_t i = 0; i < image.n_symbols; i++) {
            const char *name = plugin_image_symbol(&image, i);

            if (!is_exported(&image.symbols[i]) || !strcmp(name, CG_PLUGIN_ENTRY_SYMBOL) ||
                is_of_a_tool(name))
                continue;
            other = other ? other : name;
            n_others++;
        }
        expect(
            rec, n_others == 0,
            "the file exports %d symbols beside " CG_PLUGIN_ENTRY_SYMBOL
            ", first '%.200s': compile with -fvisibility=hidden; templates of C++ libraries need "
            "a version script of the linker, too",
            n_others, other ? other : "");
    }
    test_end(rec);
}

/* ---- descriptor and operation table --------------------------------------------------------- */

static void check_abi(test_recorder *rec, const cg_plugin *plugin)
{
    if (!test_begin(rec, "plugin ABI is known"))
        return;
    expect(rec, plugin->abi_minor >= 0 && plugin->abi_minor <= CG_PLUGIN_ABI_MINOR,
           "was built for plugin ABI %d.%d, this confgen checks %d.0 to %d.%d: use the check of a "
           "confgen that has that ABI",
           plugin->abi_major, plugin->abi_minor, CG_PLUGIN_ABI_MAJOR, CG_PLUGIN_ABI_MAJOR,
           CG_PLUGIN_ABI_MINOR);
    test_end(rec);
}

/* Records whether a member of an operation table has only bits of this ABI. */
static void expect_known_bits(test_recorder *rec, const char *member, uint32_t bits, uint32_t known)
{
    const uint32_t unknown = bits & ~known;

    expect(rec, unknown == 0, "%s is 0x%x: bit %d has no meaning in plugin ABI %d.%d, wanted 0",
           member, bits, unknown ? __builtin_ctz(unknown) : 0, CG_PLUGIN_ABI_MAJOR,
           CG_PLUGIN_ABI_MINOR);
}

static void check_attention_bits(test_recorder *rec, const cg_attention_ops *ops)
{
    expect_known_bits(rec, "cg_attention_ops.caps", ops->caps,
                      CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT |
                          CG_ATTENTION_GRAPH_SAFE);
    if (CG_HAS_SIZE(ops, features))
        expect_known_bits(rec, "cg_attention_ops.features", ops->features,
                          2 * CG_ATTENTION_TREE - 1);
    if (CG_HAS_SIZE(ops, reserved))
        expect_known_bits(rec, "cg_attention_ops.reserved", ops->reserved, 0);
}

static void check_cache_bits(test_recorder *rec, const cg_cache_ops *ops)
{
    if (CG_HAS_SIZE(ops, flags))
        expect_known_bits(rec, "cg_cache_ops.flags", (uint32_t)ops->flags,
                          CG_CACHE_STORE_BY_VIEW | CG_CACHE_STORE_SCALED);
    if (CG_HAS_SIZE(ops, kv_layout))
        expect(rec, ops->kv_layout == CG_KV_HND || ops->kv_layout == CG_KV_NHD,
               "cg_cache_ops.kv_layout is %d, wanted %d (CG_KV_HND) or %d (CG_KV_NHD)",
               ops->kv_layout, CG_KV_HND, CG_KV_NHD);
    if (CG_HAS_SIZE(ops, features)) {
        expect_known_bits(rec, "cg_cache_ops.features", ops->features, 2 * CG_CACHE_DEFER - 1);
        expect(rec, !(ops->features & CG_CACHE_GATHER) || CG_HAS(ops, gather),
               "cg_cache_ops.features has CG_CACHE_GATHER, but gather is NULL");
        expect(rec, !(ops->features & CG_CACHE_DEFER) || CG_HAS(ops, flush),
               "cg_cache_ops.features has CG_CACHE_DEFER, but flush is NULL");
    }
}

static void check_constraint_bits(test_recorder *rec, const cg_constraint_ops *ops)
{
    expect_known_bits(rec, "cg_constraint_ops.reserved", ops->reserved, 0);
    if (CG_HAS_SIZE(ops, features))
        expect_known_bits(rec, "cg_constraint_ops.features", ops->features,
                          2 * CG_CONSTRAINT_CANONICAL - 1);
    if (CG_HAS_SIZE(ops, reserved_2))
        expect_known_bits(rec, "cg_constraint_ops.reserved_2", ops->reserved_2, 0);
}

static void check_bits(test_recorder *rec, const cg_plugin *plugin)
{
    if (!test_begin(rec, "unknown bits are 0"))
        return;
    switch (plugin->kind) {
    case CG_PLUGIN_ATTENTION:
        check_attention_bits(rec, plugin->ops);
        break;
    case CG_PLUGIN_CACHE:
        check_cache_bits(rec, plugin->ops);
        break;
    default:
        check_constraint_bits(rec, plugin->ops);
    }
    test_end(rec);
}

/* ---- loading -------------------------------------------------------------------------------- */

static void check_loading(test_recorder *rec)
{
    const process_state *before = rec->options->before_loading;
    char text[512] = "";

    if (!test_begin(rec, "loading leaves the process as it was"))
        return;
    expect(rec, fp_control() == fp_control_default(),
           "the floating-point environment is another one (0x%llx, wanted 0x%llx): link without "
           "-ffast-math",
           (unsigned long long)fp_control(), (unsigned long long)fp_control_default());
    expect(rec, !before || !process_state_changed(before, PROCESS_ALL, text, sizeof text), "%s",
           text);
    test_end(rec);
}

int32_t plugin_suite(const cg_plugin *plugin, const cg_conformance_options *options)
{
    test_recorder rec;

    test_recorder_init(&rec, options);
    check_loading(&rec);
    check_symbols(&rec, plugin);
    check_abi(&rec, plugin);
    check_bits(&rec, plugin);
    return rec.failures;
}
