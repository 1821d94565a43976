/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"

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

static void CUDART_CB set_to_two(void *at)
{
    *(int *)at = 2;
}

START_TEST(launches_wait_for_their_stream)
{
    float x[96] = { 1 }, sum = 0, other = 0;
    cudaGraphExec_t exec = NULL;
    cudaGraph_t graph = NULL;
    cudaStream_t stream;
    int number = 1;

    ck_assert(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    ck_assert(cudaLaunchHostFunc(stream, set_to_two, &number) == cudaSuccess);
    launch_sum(x, 96, &sum, 0, stream);
    launch_sum(x, 96, &other, 0, NULL);
    ck_assert(number == 1 && sum == 0 && other == 1);
    ck_assert(cudaStreamSynchronize(stream) == cudaSuccess);
    ck_assert(number == 2 && sum == 1);
    ck_assert(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    launch_sum(x, 96, &sum, 0, stream);
    launch_sum(x, 96, &other, 0, NULL); /* another stream: an error */
    ck_assert(cudaGetLastError() != cudaSuccess);
    ck_assert(cudaStreamSynchronize(stream) != cudaSuccess);
    ck_assert(cudaGetLastError() != cudaSuccess);
    ck_assert(cudaStreamEndCapture(stream, &graph) == cudaSuccess && sum == 1 && other == 1);
    ck_assert(cudaGraphInstantiate(&exec, graph, 0) == cudaSuccess);
    cudaGraphDestroy(graph);
    for (int i = 0; i < 2; i++)
        ck_assert(cudaGraphLaunch(exec, stream) == cudaSuccess);
    cudaGraphExecDestroy(exec); /* launches in flight go on */
    ck_assert(cudaStreamDestroy(stream) == cudaSuccess && sum == 3);
}
END_TEST

/* A copy from pinned memory reads it when its turn comes, one from other memory at the call. */
START_TEST(copies_read_pinned_memory_late)
{
    int pageable = 1, device[3] = { 0 }, *pinned, hold = 0;
    cudaStream_t stream;

    ck_assert(cudaHostAlloc((void **)&pinned, 2 * sizeof *pinned, cudaHostAllocDefault) ==
              cudaSuccess);
    ck_assert(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    ck_assert(cudaLaunchHostFunc(stream, set_to_two, &hold) == cudaSuccess);
    pinned[0] = 1;
    cudaMemcpyAsync(&device[0], &pageable, sizeof(int), cudaMemcpyHostToDevice, stream);
    cudaMemcpyAsync(&device[1], &pinned[0], sizeof(int), cudaMemcpyHostToDevice, stream);
    cudaMemcpyAsync(&pinned[1], &device[0], sizeof(int), cudaMemcpyDeviceToHost, stream);
    pageable = pinned[0] = 5;
    ck_assert(device[0] == 0 && pinned[1] == -1);
    cudaMemcpyAsync(&pageable, &device[1], sizeof(int), cudaMemcpyDeviceToHost, stream); /* waits */
    ck_assert(device[0] == 1 && device[1] == 5 && pinned[1] == 1 && pageable == 5);
    cudaStreamDestroy(stream);
    cudaFreeHost(pinned);
}
END_TEST

START_TEST(events_are_reached_in_order)
{
    cudaEvent_t begin, end;
    cudaStream_t stream;
    int number = 1;
    float ms = -1;

    ck_assert(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    ck_assert(cudaEventCreate(&begin) == cudaSuccess && cudaEventCreate(&end) == cudaSuccess);
    ck_assert(cudaEventElapsedTime(&ms, begin, end) == cudaErrorInvalidResourceHandle);
    cudaLaunchHostFunc(stream, set_to_two, &number);
    cudaEventRecord(begin, stream);
    cudaEventRecord(end, stream);
    ck_assert(cudaEventElapsedTime(&ms, begin, end) == cudaErrorNotReady);
    ck_assert(cudaEventSynchronize(begin) == cudaSuccess && number == 2);
    ck_assert(cudaEventElapsedTime(&ms, begin, end) == cudaErrorNotReady);
    ck_assert(cudaEventSynchronize(end) == cudaSuccess);
    ck_assert(cudaEventElapsedTime(&ms, begin, end) == cudaSuccess && ms >= 0);
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    cudaStreamDestroy(stream);
}
END_TEST

static void CUDART_CB add_one(void *at)
{
    ++*(int *)at;
}

START_TEST(streams_wait_for_events)
{
    cudaStream_t stream, other;
    cudaEvent_t event;
    int number = 0, sum = 0;

    ck_assert(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    ck_assert(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking) == cudaSuccess);
    ck_assert(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
    cudaLaunchHostFunc(stream, set_to_two, &number);
    cudaEventRecord(event, stream);
    cudaLaunchHostFunc(stream, add_one, &sum);
    ck_assert(cudaStreamWaitEvent(other, event, 0) == cudaSuccess);
    cudaLaunchHostFunc(other, add_one, &number);
    cudaEventRecord(event, stream); /* the wait is for the record before it */
    ck_assert(cudaStreamSynchronize(other) == cudaSuccess && number == 3 && sum == 0);
    cudaStreamDestroy(stream);
    ck_assert(sum == 1);
    cudaStreamDestroy(other);
    cudaEventDestroy(event);
}
END_TEST

/* Each launch of the graph sets a number to two and adds one in a branch, twice, then adds one. */
START_TEST(captures_have_branches)
{
    cudaStream_t stream, branch;
    cudaEvent_t begin, end;
    cudaGraphExec_t exec = NULL;
    cudaGraph_t graph = NULL;
    int number = 0, n = 0;

    ck_assert(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    ck_assert(cudaStreamCreateWithFlags(&branch, cudaStreamNonBlocking) == cudaSuccess);
    ck_assert(cudaEventCreateWithFlags(&begin, cudaEventDisableTiming) == cudaSuccess);
    ck_assert(cudaEventCreateWithFlags(&end, cudaEventDisableTiming) == cudaSuccess);
    for (int joins = 0; joins < 2; joins++) {
        cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
        for (int i = 0; i < 2; i++) {
            cudaLaunchHostFunc(stream, set_to_two, &number);
            ck_assert(cudaEventRecord(begin, stream) == cudaSuccess);
            ck_assert(cudaStreamWaitEvent(branch, begin, 0) == cudaSuccess);
            cudaLaunchHostFunc(branch, add_one, &number);
            ck_assert(cudaEventRecord(end, branch) == cudaSuccess);
            cudaLaunchHostFunc(stream, add_one, &n);
            if (joins)
                ck_assert(cudaStreamWaitEvent(stream, end, 0) == cudaSuccess);
        }
        cudaLaunchHostFunc(stream, add_one, &number);
        ck_assert(cudaStreamEndCapture(stream, &graph) ==
                  (joins ? cudaSuccess : cudaErrorStreamCaptureUnjoined));
    }
    ck_assert(cudaGetLastError() == cudaErrorStreamCaptureUnjoined && !number && !n);
    ck_assert(cudaGraphInstantiate(&exec, graph, 0) == cudaSuccess);
    cudaGraphDestroy(graph);
    ck_assert(cudaGraphLaunch(exec, stream) == cudaSuccess);
    ck_assert(cudaStreamSynchronize(stream) == cudaSuccess && number == 4 && n == 2);
    cudaGraphExecDestroy(exec);
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    cudaStreamDestroy(branch);
    cudaStreamDestroy(stream);
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
    tcase_add_test(tc, copies_read_pinned_memory_late);
    tcase_add_test(tc, events_are_reached_in_order);
    tcase_add_test(tc, streams_wait_for_events);
    tcase_add_test(tc, captures_have_branches);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
