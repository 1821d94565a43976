/* SPDX-License-Identifier: MIT */
/* A shared object that creates the file `loaded` in the current folder when it is loaded. */
#include <fcntl.h>
#include <unistd.h>

__attribute__((constructor)) static void leave_mark(void)
{
    int fd = open("loaded", O_WRONLY | O_CREAT, 0600);

    if (fd >= 0)
        close(fd);
}
