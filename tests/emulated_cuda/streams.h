/* SPDX-License-Identifier: MIT */
/**
 * @file streams.h  Streams of the emulated GPU: queues of operations that run on the host.
 *
 * An operation runs on a thread that waits for its stream, as late as the program allows, or early
 * at random points, drawn from emulator_seed: a host that reads a result or reuses memory without
 * waiting finds other contents than on a GPU that happens to be fast. Work of the default stream
 * runs at once; the other streams do not wait for it, nor it for them, as those of
 * cudaStreamNonBlocking.
 */
#ifndef CG_TESTS_STREAMS_H
#define CG_TESTS_STREAMS_H

#include <cuda_runtime_api.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Remembers an error for cudaGetLastError() and returns it. */
cudaError_t emulated_result(cudaError_t code);
/** An error while the calling thread captures: functions that wait or allocate are refused. */
cudaError_t emulated_outside_of_captures(void);

/**
 * Queues run(arg) on a stream, or records it if the stream is captured. arg[0..bytes) is copied, to
 * an address aligned to 16. Errors as of a launch: cudaGetLastError().
 */
void emulated_queue(cudaStream_t stream, void (*run)(const void *arg), const void *arg,
                    size_t bytes);
/** Runs what is queued on all streams. */
cudaError_t emulated_synchronize(void);

/** Whether `at` is in memory of cudaHostAlloc(), which copies read and write when they run. */
int emulated_is_pinned(const void *at);

#ifdef __cplusplus
}
#endif

#endif
