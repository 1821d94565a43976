/* SPDX-License-Identifier: MIT */
#include "plugin_image.h"

#include <string.h>

/* What dl_iterate_phdr() looks for. */
struct image_search {
    uintptr_t address;
    plugin_image image;
    int is_found;
};

int plugin_image_holds(const plugin_image *image, uintptr_t address, size_t n)
{
    for (int i = 0; i < image->n_segments; i++) {
        const ElfW(Phdr) *s = &image->segments[i];
        uintptr_t begin = image->base + s->p_vaddr;

        if (s->p_type == PT_LOAD && address >= begin && address - begin <= s->p_memsz &&
            n <= s->p_memsz - (address - begin))
            return 1;
    }
    return 0;
}

static int find_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct image_search *s = arg;

    (void)size;
    s->image = (plugin_image) { .base = info->dlpi_addr,
                                .segments = info->dlpi_phdr,
                                .n_segments = info->dlpi_phnum };
    s->is_found = plugin_image_holds(&s->image, s->address, 1);
    return s->is_found;
}

/* Some C libraries make the addresses of the dynamic section absolute when they load a file. */
static uintptr_t address_of(const plugin_image *image, ElfW(Addr) address)
{
    return address < image->base ? image->base + address : address;
}

/* The number of symbols by a hash table of the GNU kind, whose last chain ends with the table. */
static size_t count_by_gnu_hash(const plugin_image *image, uintptr_t at)
{
    const uint32_t *head = (const uint32_t *)at, *buckets, *chains;
    uint32_t last = 0;
    size_t bytes;

    if (!plugin_image_holds(image, at, 4 * sizeof *head))
        return 0;
    bytes = 4 * sizeof *head + (size_t)head[2] * sizeof(ElfW(Addr));
    if (!plugin_image_holds(image, at, bytes + (size_t)head[0] * sizeof *head))
        return 0;
    buckets = (const uint32_t *)(at + bytes);
    chains = buckets + head[0];
    for (uint32_t i = 0; i < head[0]; i++)
        last = buckets[i] > last ? buckets[i] : last;
    if (last < head[1])
        return head[1];
    while (plugin_image_holds(image, (uintptr_t)(chains + (last - head[1])), sizeof *chains)) {
        if (chains[last - head[1]] & 1)
            return (size_t)last + 1;
        last++;
    }
    return 0;
}

/* The number of symbols by a hash table of the System V kind. */
static size_t count_by_hash(const plugin_image *image, uintptr_t at)
{
    return plugin_image_holds(image, at, 2 * sizeof(uint32_t)) ? ((const uint32_t *)at)[1] : 0;
}

static void add_relocations(plugin_image *image, int i, uintptr_t at, size_t bytes)
{
    if (bytes && plugin_image_holds(image, at, bytes)) {
        image->relocations[i] = (const ElfW(Rela) *)at;
        image->n_relocations[i] = bytes / sizeof(ElfW(Rela));
    }
}

/* Reads the dynamic section. Returns 0 if its tables do not lie in the image. */
static int read_tables(plugin_image *image)
{
    uintptr_t dynamic = 0, symbols = 0, strings = 0, gnu_hash = 0, hash = 0, rela[2] = { 0, 0 };
    size_t rela_bytes[2] = { 0, 0 }, n_entries = 0;
    int is_rela = 1;

    for (int i = 0; i < image->n_segments; i++)
        if (image->segments[i].p_type == PT_DYNAMIC) {
            dynamic = image->base + image->segments[i].p_vaddr;
            n_entries = image->segments[i].p_memsz / sizeof(ElfW(Dyn));
        }
    if (!dynamic || !plugin_image_holds(image, dynamic, n_entries * sizeof(ElfW(Dyn))))
        return 0;
    for (size_t i = 0; i < n_entries; i++) {
        const ElfW(Dyn) *d = (const ElfW(Dyn) *)dynamic + i;

        switch (d->d_tag) {
        case DT_SYMTAB:
            symbols = address_of(image, d->d_un.d_ptr);
            break;
        case DT_STRTAB:
            strings = address_of(image, d->d_un.d_ptr);
            break;
        case DT_STRSZ:
            image->n_string_bytes = d->d_un.d_val;
            break;
        case DT_GNU_HASH:
            gnu_hash = address_of(image, d->d_un.d_ptr);
            break;
        case DT_HASH:
            hash = address_of(image, d->d_un.d_ptr);
            break;
        case DT_RELA:
            rela[0] = address_of(image, d->d_un.d_ptr);
            break;
        case DT_RELASZ:
            rela_bytes[0] = d->d_un.d_val;
            break;
        case DT_JMPREL:
            rela[1] = address_of(image, d->d_un.d_ptr);
            break;
        case DT_PLTRELSZ:
            rela_bytes[1] = d->d_un.d_val;
            break;
        case DT_PLTREL:
            is_rela = d->d_un.d_val == DT_RELA;
            break;
        default:
            break;
        }
    }
    image->symbols = (const ElfW(Sym) *)symbols;
    image->strings = (const char *)strings;
    image->n_symbols = hash ? count_by_hash(image, hash) : count_by_gnu_hash(image, gnu_hash);
    add_relocations(image, 0, rela[0], rela_bytes[0]);
    if (is_rela)
        add_relocations(image, 1, rela[1], rela_bytes[1]);
    return plugin_image_holds(image, strings, image->n_string_bytes) &&
           image->n_symbols <= SIZE_MAX / sizeof(ElfW(Sym)) &&
           plugin_image_holds(image, symbols, image->n_symbols * sizeof(ElfW(Sym)));
}

int plugin_image_find(const void *address, plugin_image *ret_image)
{
    struct image_search plugin = { .address = (uintptr_t)address };
    struct image_search program = { .address = (uintptr_t)read_tables };

    if (!dl_iterate_phdr(find_object, &plugin) || !dl_iterate_phdr(find_object, &program) ||
        plugin.image.segments == program.image.segments || !read_tables(&plugin.image))
        return 0;
    *ret_image = plugin.image;
    return 1;
}

const char *plugin_image_symbol(const plugin_image *image, size_t i)
{
    size_t at = i < image->n_symbols ? image->symbols[i].st_name : SIZE_MAX;

    if (at >= image->n_string_bytes || !memchr(image->strings + at, 0, image->n_string_bytes - at))
        return "";
    return image->strings + at;
}
