/* SPDX-License-Identifier: MIT */
/*
 * What the loader checks of a plugin's file before it is loaded. Of an accepted ELF file, every
 * segment that would be mapped lies inside the file.
 */
#include <elf.h>
#include <link.h>

#include "plugin/loader.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    ElfW(Ehdr) head;
    cg_status st;

    setenv("CONFGEN_ALLOW_WRITABLE_PLUGINS", "1", 0); /* contents, not permissions */
    st = cg_plugin_check_file(fuzz_write("plugin.so", data, size), &err);
    if (st != CG_OK) {
        require_refusal(st, &err);
        return 0;
    }
    if (size < sizeof head)
        return 0;
    memcpy(&head, data, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) || head.e_phentsize != sizeof(ElfW(Phdr)))
        return 0; /* dlopen() refuses it */
    for (unsigned i = 0; i < head.e_phnum; i++) {
        ElfW(Phdr) segment;

        require(head.e_phoff <= size && size - head.e_phoff >= (i + 1) * sizeof segment);
        memcpy(&segment, data + head.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type == PT_LOAD)
            require(segment.p_offset <= size && segment.p_filesz <= size - segment.p_offset);
    }
    return 0;
}
