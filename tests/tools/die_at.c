/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD: kills the process with SIGKILL at the DIE_AT-th call that changes a regular file,
 * from
 * 1. The kth call is a write, which is cut to a part of its bytes first, a truncation or a sync.
 */
#undef _FILE_OFFSET_BITS /* with it, ftruncate() is ftruncate64() */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long left = -1; /* calls; not read from the environment yet */

/* Whether this is the call to die at. */
static int is_last(int fd)
{
    const char *text;
    struct stat sb;
    long unread = -1;

    if (fstat(fd, &sb) || !S_ISREG(sb.st_mode) || !(text = getenv("DIE_AT")))
        return 0;
    atomic_compare_exchange_strong(&left, &unread, strtol(text, NULL, 10));
    return atomic_fetch_sub(&left, 1) == 1;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    if (is_last(fd)) {
        syscall(SYS_write, fd, bytes, n * (n % 5) / 4); /* none of it, a part, all */
        raise(SIGKILL);
    }
    return syscall(SYS_write, fd, bytes, n);
}

int ftruncate(int fd, off_t size)
{
    if (is_last(fd))
        raise(SIGKILL);
    return (int)syscall(SYS_ftruncate, fd, size);
}

int ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

int fsync(int fd)
{
    if (is_last(fd))
        raise(SIGKILL);
    return (int)syscall(SYS_fsync, fd);
}
