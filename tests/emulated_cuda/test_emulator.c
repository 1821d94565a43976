/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "plugins/fake_gpu.h"

static cg_gpu *gpu(void)
{
    cg_error err = CG_ERROR_INIT;
    cg_gpu *g = NULL;

    ck_assert(cg_gpu_open(0, &g, &err) == CG_OK);
    return g;
}

/* Each case in a process of its own, which its fault ends with a text. */
START_TEST(faults_end_the_process)
{
    const emulated_case *c = &emulated_cases[_i];
    char text[8192];
    size_t n = 0;
    ssize_t got;
    int pipes[2], status;
    pid_t child;

    ck_assert(pipe(pipes) == 0);
    fflush(NULL);
    child = fork();
    if (!child) {
        dup2(pipes[1], STDERR_FILENO);
        c->launch();
        _exit(0);
    }
    close(pipes[1]);
    while ((got = read(pipes[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    close(pipes[0]);
    ck_assert(waitpid(child, &status, 0) == child);
    if (c->message)
        ck_assert_msg(status && strstr(text, c->message), "%s: status %d, wanted '%s', found '%s'",
                      c->name, status, c->message, text);
    else
        ck_assert_msg(!status && !*text, "%s: status %d, '%s'", c->name, status, text);
}
END_TEST

START_TEST(blocks_and_warps_sum)
{
    float x[1000], sum = 0, wanted = 0;

    for (int i = 0; i < 1000; i++)
        wanted += x[i] = (float)(i % 7);
    launch_sum(x, 1000, &sum, 0, NULL);
    ck_assert(sum == wanted);
    ck_assert(cudaGetLastError() == cudaSuccess);
}
END_TEST

/* Shared memory is NaN until it is written: without the barrier, in most orders. */
START_TEST(a_missing_barrier_is_seen)
{
    float x[960] = { 0 }, sum = 0;

    launch_sum(x, 960, &sum, 1, NULL);
    ck_assert(sum != sum);
}
END_TEST

START_TEST(warps_operate_as_documented)
{
    enum { N = 56 }; /* the second warp is of 24 threads */
    int ret[9][N] = { { 0 } };

    launch_warp_operations(&ret[0][0], N);
    for (int i = 0; i < N; i++) {
        int lane = i % 32, first = i - lane, last = first ? N - 1 : 31;
        unsigned thirds = 0;

        for (int k = first; k <= last; k++)
            thirds |= (unsigned)((k + 100) % 3 == 0) << (k - first);
        ck_assert_int_eq(ret[0][i], first + 5 + 100);
        ck_assert_int_eq(ret[1][i], i / 4 * 4 + 2 + 100);
        ck_assert_int_eq(ret[2][i], (lane < 3 ? i : i - 3) + 100);
        ck_assert_int_eq(ret[3][i], (lane % 8 < 6 ? i + 2 : i) + 100);
        ck_assert_int_eq(ret[4][i], (i ^ 1) + 100);
        ck_assert_int_eq(ret[5][i], (int)thirds);
        ck_assert_int_eq(ret[6][i], 3);
        ck_assert_int_eq(ret[7][i], 1);
        if (lane != 31)
            ck_assert_int_eq(ret[8][i], (lane < 16 ? i ^ 8 : i) + 100);
    }
}
END_TEST

START_TEST(dynamic_shared_memory)
{
    int x[100];

    for (int i = 0; i < 100; i++)
        x[i] = i;
    launch_reverse(x, 100);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(x[i], 99 - i);
}
END_TEST

START_TEST(launches_beyond_the_limits_fail)
{
    int *x = calloc(20000, sizeof *x);

    launch_reverse(x, 1025);
    ck_assert(cudaGetLastError() == cudaErrorInvalidConfiguration);
    ck_assert(cudaGetLastError() == cudaSuccess);
    launch_reverse(x, 0);
    ck_assert(cudaGetLastError() == cudaErrorInvalidConfiguration);
    free(x);
}
END_TEST

START_TEST(launches_wait_for_their_stream)
{
    float x[96] = { 1 }, sum = 0, other = 0;
    cg_error err = CG_ERROR_INIT;
    cg_gpu_graph *graph = NULL;
    cg_gpu *g = gpu();

    ck_assert(cg_gpu_hold(g, 1, &err) == CG_OK);
    launch_sum(x, 96, &sum, 0, cg_gpu_stream(g));
    launch_sum(x, 96, &other, 0, NULL);
    ck_assert(sum == 0 && other == 1);
    ck_assert(cg_gpu_release(g) && sum == 1);
    ck_assert(cg_gpu_capture_begin(g, &err) == CG_OK);
    launch_sum(x, 96, &sum, 0, cg_gpu_stream(g));
    launch_sum(x, 96, &other, 0, NULL); /* another stream: an error */
    ck_assert(cudaGetLastError() != cudaSuccess);
    ck_assert(cg_gpu_capture_end(g, &graph, &err) == CG_OK && sum == 1 && other == 1);
    for (int i = 0; i < 2; i++)
        ck_assert(cg_gpu_replay(g, graph, &err) == CG_OK);
    ck_assert(sum == 3);
    cg_gpu_graph_destroy(graph);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("CUDA emulator");
    TCase *tc = tcase_create("emulator");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, faults_end_the_process, 0, n_emulated_cases);
    tcase_add_test(tc, blocks_and_warps_sum);
    tcase_add_test(tc, a_missing_barrier_is_seen);
    tcase_add_test(tc, warps_operate_as_documented);
    tcase_add_test(tc, dynamic_shared_memory);
    tcase_add_test(tc, launches_beyond_the_limits_fail);
    tcase_add_test(tc, launches_wait_for_their_stream);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
