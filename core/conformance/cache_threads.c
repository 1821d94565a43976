/* SPDX-License-Identifier: MIT */
/* Two caches of different shapes in use at once, on two threads: a plugin has no global state. */
#include "cache_suite.h"

#include <stdlib.h>
#include <string.h>

enum { OPERATIONS = 60 };

/* A suite of its own: model, cache, host and record. */
struct half {
    cache_suite suite;
    int32_t is_supported;
};

static void *operate(void *arg)
{
    struct half *h = arg;
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
    cache_check_all(s, "random operations, with another cache in use");
    cache_destroy(s);
    return NULL;
}

static void begin_half(struct half *h, const cache_suite *s, const cache_shape *shape,
                       uint64_t seed)
{
    cache_suite *own = &h->suite;

    memset(h, 0, sizeof *h);
    own->rec = s->rec;
    own->rec.cases = own->rec.bad = 0;
    own->rec.random = seed;
    own->ops = s->ops;
    own->dtype = s->dtype;
    test_host_init(&own->test_host, s->test_host.base);
    own->test_host.reverse_loops = 1; /* the base host's threads serve one thread */
    cache_set_shape(own, shape);
    h->is_supported = cache_is_supported(own);
}

/* Adds the half's record to the suite's. */
static void end_half(struct half *h, cache_suite *s)
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
    struct half *halves;

    if (!test_begin(&s->rec, "two caches on two threads"))
        return;
    halves = calloc(2, sizeof *halves);
    if (!halves)
        abort();
    for (int32_t round = 0; round < test_rounds(&s->rec, 12) && cache_goes_on(s); round++) {
        pthread_t thread;
        int is_started;

        for (int i = 0; i < 2; i++) {
            cache_shape shape = cache_shape_small(&s->rec);

            begin_half(&halves[i], s, &shape, random_u64(&s->rec));
        }
        is_started = pthread_create(&thread, NULL, operate, &halves[1]) == 0;
        operate(&halves[0]);
        if (is_started)
            pthread_join(thread, NULL);
        for (int i = 0; i < 2; i++)
            end_half(&halves[i], s);
    }
    free(halves);
    test_end(&s->rec);
}
