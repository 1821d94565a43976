/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"

/* Processors that a cgroup's quota amounts to, rounded up; INT_MAX without a quota. `path` is below
 * the mount point and starts with a slash. */
static int cgroup_quota(const char *path)
{
    char file[PATH_MAX];
    long quota, period;
    int n = INT_MAX;
    FILE *f;

    snprintf(file, sizeof file, "/sys/fs/cgroup%s/cpu.max", path);
    f = fopen(file, "re");
    if (!f)
        return n;
    if (fscanf(f, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0) /* else "max" */
        n = (quota - 1) / period < INT_MAX ? (int)((quota - 1) / period) + 1 : INT_MAX;
    fclose(f);
    return n;
}

/* The smallest quota of this process's cgroup and the cgroups around it (version 2 only). */
static int smallest_quota(void)
{
    char line[PATH_MAX], *path = NULL;
    FILE *f = fopen("/proc/self/cgroup", "re");
    int n, quota;

    while (f && !path && fgets(line, sizeof line, f))
        if (!strncmp(line, "0::/", 4))
            path = line + 3;
    if (f)
        fclose(f);
    if (!path)
        return INT_MAX;
    path[strcspn(path, "\n")] = '\0';
    n = cgroup_quota(""); /* inside a container the mount point is the container's cgroup */
    for (char *end; *path; *end = '\0') {
        quota = cgroup_quota(path);
        n = quota < n ? quota : n;
        end = strrchr(path, '/');
    }
    return n;
}

int cg_cpu_count(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set), quota = smallest_quota();

    return n < 1 ? 1 : n < quota ? n : quota;
}
