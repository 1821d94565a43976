/* SPDX-License-Identifier: MIT */
/* Caches of hosts of any number of workers; two caches of different shapes in use at once, on two
 * threads: a plugin has no global state. */
#include "cache_suite.h"

#include <stdlib.h>
#include <string.h>

enum { OPERATIONS = 60 }; /* per cache */

/* A suite of its own: model, cache, host and record. */
struct own_suite {
    cache_suite suite;
    int32_t is_supported;
};

static void *operate(void *arg)
{
    struct own_suite *h = arg;
    cache_suite *s = &h->suite;
    cg_cache_config config = cache_config(s);

    if (!h->is_supported || !cache_create(s, &config))
        return NULL;
    for (int32_t i = 0; i < OPERATIONS && cache_goes_on(s); i++) {
        const char *after = cache_random_operation(s);

        cache_check_stats(s, &config, after);
        if (!cache_check_content(s, after))
            break;
    }
    cache_check_all(s, "random operations");
    cache_destroy(s);
    return NULL;
}

static void begin_own(struct own_suite *h, const cache_suite *s, const cache_shape *shape,
                      uint64_t seed, int32_t workers, int32_t reverse_loops)
{
    cache_suite *own = &h->suite;

    memset(h, 0, sizeof *h);
    own->rec = s->rec;
    own->rec.cases = own->rec.bad = 0;
    own->rec.random = seed;
    own->ops = s->ops;
    own->dtype = s->dtype;
    own->typical_dim = s->typical_dim;
    own->typical_heads = s->typical_heads;
    test_host_init(&own->test_host, s->test_host.base);
    own->test_host.host.workers = workers;
    own->test_host.reverse_loops = reverse_loops;
    cache_set_shape(own, shape);
    h->is_supported = cache_is_supported(own);
}

/* Adds the own record to the suite's. */
static void end_own(struct own_suite *h, cache_suite *s)
{
    const test_recorder *own = &h->suite.rec;

    if (own->bad && !s->rec.bad)
        memcpy(s->rec.detail, own->detail, sizeof s->rec.detail);
    s->rec.cases += own->cases;
    s->rec.bad += own->bad;
    cache_model_free(&h->suite);
}

void cache_check_threads(cache_suite *s)
{
    struct own_suite *own;

    if (!test_begin(&s->rec, "two caches on two threads"))
        return;
    own = calloc(2, sizeof *own);
    if (!own)
        abort();
    for (int32_t round = 0; round < test_rounds(&s->rec, 12) && cache_goes_on(s); round++) {
        pthread_t thread;
        int is_started;

        for (int i = 0; i < 2; i++) {
            cache_shape shape = cache_shape_small(&s->rec);

            /* the base host's threads serve one thread */
            begin_own(&own[i], s, &shape, random_u64(&s->rec), s->test_host.host.workers, 1);
        }
        is_started = pthread_create(&thread, NULL, operate, &own[1]) == 0;
        operate(&own[0]);
        if (is_started)
            pthread_join(thread, NULL);
        for (int i = 0; i < 2; i++)
            end_own(&own[i], s);
    }
    free(own);
    test_end(&s->rec);
}

void cache_check_workers(cache_suite *s)
{
    struct own_suite *own;

    if (!test_begin(&s->rec, "hosts of 1 to 64 workers"))
        return;
    own = malloc(sizeof *own);
    if (!own)
        abort();
    for (int32_t i = 0; i < test_rounds(&s->rec, TEST_MAX_WORKERS) && cache_goes_on(s); i++) {
        cache_shape shape = cache_shape_small(&s->rec);

        /* 1, 64, 63, ... 2 */
        begin_own(own, s, &shape, random_u64(&s->rec),
                  i * (TEST_MAX_WORKERS - 1) % TEST_MAX_WORKERS + 1, 0);
        operate(own);
        end_own(own, s);
    }
    free(own);
    test_end(&s->rec);
}
