/* SPDX-License-Identifier: MIT */
/** @file plugin_image.h  The loaded file of a plugin: its dynamic symbols and relocations. */
#ifndef CG_CONFORMANCE_PLUGIN_IMAGE_H
#define CG_CONFORMANCE_PLUGIN_IMAGE_H

#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>

/** All arrays are parts of the loaded file. */
typedef struct plugin_image {
    uintptr_t base;
    const ElfW(Phdr) * segments;
    int n_segments;
    const ElfW(Sym) * symbols;
    size_t n_symbols;
    const char *strings;
    size_t n_string_bytes;
    const ElfW(Rela) * relocations[2];
    size_t n_relocations[2];
} plugin_image;

/**
 * Finds the shared object that holds an address. Returns 0 if that is the calling program, or if
 * its tables do not lie in its segments.
 */
int plugin_image_find(const void *address, plugin_image *ret_image);
/** True if [address, address + n) lies in a segment of the image. */
int plugin_image_holds(const plugin_image *image, uintptr_t address, size_t n);
/** Name of a dynamic symbol; "" if the table does not hold it. */
const char *plugin_image_symbol(const plugin_image *image, size_t i);

#endif
