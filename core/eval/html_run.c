/* SPDX-License-Identifier: MIT */
/* Section on the generating run, from its report. */
#include "eval/html_parts.h"
#include "eval/html_text.h"

#include <string.h>

enum fact_kind { TEXT, NUMBER, SECONDS, BYTES };

/* A value formatted as its kind; a value of an unexpected type is still shown. */
static void put_value(cg_buf *out, const json_t *v, enum fact_kind kind)
{
    if (json_is_string(v)) {
        cg_html_put_text(out, json_string_value(v));
    } else if (json_is_boolean(v)) {
        cg_buf_puts(out, json_is_true(v) ? "yes" : "no");
    } else if (json_is_number(v)) {
        double x = json_number_value(v);

        if (kind == SECONDS)
            cg_html_put_seconds(out, x);
        else if (kind == BYTES)
            cg_html_put_bytes(out, x);
        else if (kind == NUMBER && json_is_integer(v) && json_integer_value(v) >= 0)
            cg_html_put_count(out, (uint64_t)json_integer_value(v));
        else if (kind == TEXT && json_is_integer(v))
            cg_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        else
            cg_html_put_number(out, x);
    } else {
        cg_buf_puts(out, json_is_array(v) ? "a list" : "an object");
    }
}

struct fact {
    const char *label, *path;
    enum fact_kind kind;
    const char *reason; /* path of the reason for the selection; NULL without */
};

static const struct fact selections[] = {
    { "outcome", "outcome", TEXT, NULL },
    { "model", "engine.model", TEXT, NULL },
    { "architecture", "engine.architecture", TEXT, NULL },
    { "parameters", "engine.parameters", NUMBER, NULL },
    { "fingerprint", "engine.fingerprint", TEXT, NULL },
    { "device", "engine.device", TEXT, "engine.device_reason" },
    { "attention", "engine.attention", TEXT, "engine.attention_reason" },
    { "KV cache", "engine.kv_cache", TEXT, "engine.kv_cache_reason" },
    { "constraint", "engine.constraint", TEXT, "engine.constraint_reason" },
    { "geometry", "geometry.mode", TEXT, NULL },
    { "batch", "engine.batch_size", NUMBER, "engine.batch_reason" },
    { "data type", "engine.dtype", TEXT, NULL },
    { "data type of the KV cache", "engine.kv_dtype", TEXT, NULL },
    { "deterministic", "engine.deterministic", TEXT, "engine.reproducibility" },
    { "threads", "engine.threads", NUMBER, NULL },
    { "template workers", "engine.template_workers", NUMBER, NULL },
    { "context", "engine.context", NUMBER, NULL },
    { "seed", "engine.seed", TEXT, NULL },
    { "greedy", "engine.sampling.greedy", TEXT, NULL },
    { "temperature", "engine.sampling.temperature", NUMBER, NULL },
    { "top-k", "engine.sampling.top_k", NUMBER, NULL },
    { "top-p", "engine.sampling.top_p", NUMBER, NULL },
    { "min-p", "engine.sampling.min_p", NUMBER, NULL },
    { "tuning", "engine.tuning.source", TEXT, NULL },
};

static const struct fact work[] = {
    { "molecules", "counts.molecules", NUMBER, NULL },
    { "conformers requested", "counts.requested", NUMBER, NULL },
    { "conformers generated", "counts.conformers", NUMBER, NULL },
    { "of which before resuming", "counts.conformers_resumed", NUMBER, NULL },
    { "completion tokens", "counts.tokens.completion", NUMBER, NULL },
    { "of which sampled", "counts.tokens.sampled", NUMBER, NULL },
    { "of which forced", "counts.tokens.forced", NUMBER, NULL },
    { "tokens discarded", "geometry.tokens_discarded", NUMBER, NULL },
    { "atoms moved", "geometry.atoms_moved", NUMBER, NULL },
    { "conformers restarted", "geometry.restarts", NUMBER, NULL },
    { "tokens per second", "rates.tokens_per_second", NUMBER, NULL },
    { "conformers per second", "rates.conformers_per_second", NUMBER, NULL },
    { "total time", "seconds.total", SECONDS, NULL },
    { "decoding", "seconds.decode", SECONDS, NULL },
    { "matrix products", "seconds.matmul", SECONDS, NULL },
    { "attention", "seconds.attention", SECONDS, NULL },
    { "sampling", "seconds.sample", SECONDS, NULL },
    { "chemistry", "seconds.chemistry", SECONDS, NULL },
    { "templates", "seconds.template", SECONDS, NULL },
    { "records", "seconds.record", SECONDS, NULL },
    { "peak memory", "bytes.peak_memory", BYTES, NULL },
    { "KV cache", "bytes.kv_cache", BYTES, NULL },
    { "GPU memory", "bytes.device", BYTES, NULL },
    { "output written", "bytes.written", BYTES, NULL },
};

static void open_facts(cg_buf *out, const char *title)
{
    cg_html_open_card(out, title, NULL);
    cg_buf_puts(out, "<table class=\"facts\"><tbody>\n");
}

static void close_facts(cg_buf *out)
{
    cg_buf_puts(out, "</tbody></table>\n");
    cg_html_close_card(out);
}

static void put_facts(cg_buf *out, const json_t *run, const struct fact *facts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *v = cg_html_json_at(run, facts[i].path);
        const json_t *why = facts[i].reason ? cg_html_json_at(run, facts[i].reason) : NULL;

        if (!v)
            continue;
        cg_buf_printf(out, "<tr><th>%s</th><td>", facts[i].label);
        put_value(out, v, facts[i].kind);
        if (json_is_string(why)) {
            cg_buf_puts(out, "<span class=\"why\">");
            put_value(out, why, TEXT);
            cg_buf_puts(out, "</span>");
        }
        cg_buf_puts(out, "</td></tr>\n");
    }
}

enum { MAX_LISTED = 64 }; /* versions, GPUs and messages shown at most */

static void put_versions(cg_buf *out, const json_t *versions)
{
    const char *key;
    json_t *v;
    int n = 0;

    if (!json_object_size(versions))
        return;
    cg_buf_puts(out, "<div class=\"card wide\"><h3>Versions</h3>\n<p class=\"versions\">");
    /* The macro takes a non-const json_t but does not modify it. */
    json_object_foreach((json_t *)versions, key, v)
    {
        if (++n > MAX_LISTED)
            break;
        cg_buf_puts(out, "<span>");
        cg_html_put_text(out, strcmp(key, "plugin_abi") ? key : "plugin ABI");
        cg_buf_puts(out, " <b>");
        put_value(out, v, TEXT);
        cg_buf_puts(out, "</b></span> ");
    }
    cg_buf_puts(out, "</p>\n");
    cg_html_close_card(out);
}

static void put_gpus(cg_buf *out, const json_t *gpus)
{
    for (size_t i = 0; i < json_array_size(gpus) && i < MAX_LISTED; i++) {
        const json_t *g = json_array_get(gpus, i), *name = cg_html_json_at(g, "name");
        const json_t *attention = cg_html_json_at(g, "attention"),
                     *cache = cg_html_json_at(g, "kv_cache");

        cg_buf_printf(out, "<tr><th>GPU %zu</th><td>", i);
        if (name)
            put_value(out, name, TEXT);
        cg_buf_puts(out, "<span class=\"why\">");
        if (attention) {
            cg_buf_puts(out, "attention ");
            put_value(out, attention, TEXT);
        }
        if (cache) {
            cg_buf_puts(out, ", KV cache ");
            put_value(out, cache, TEXT);
        }
        if (cg_html_json_at(g, "batch_size")) {
            cg_buf_puts(out, ", batch ");
            put_value(out, cg_html_json_at(g, "batch_size"), NUMBER);
        }
        if (cg_html_json_at(g, "completion_tokens")) {
            cg_buf_puts(out, ", ");
            put_value(out, cg_html_json_at(g, "completion_tokens"), NUMBER);
            cg_buf_puts(out, " tokens");
        }
        cg_buf_puts(out, "</span></td></tr>\n");
    }
}

static void put_messages(cg_buf *out, const json_t *messages)
{
    size_t n = json_array_size(messages);

    for (size_t i = 0; i < n && i < MAX_LISTED; i++) {
        cg_buf_puts(out, i ? "<tr><th></th><td>" : "<tr><th>messages</th><td>");
        put_value(out, json_array_get(messages, i), TEXT);
        cg_buf_puts(out, "</td></tr>\n");
    }
}

void cg_html_put_run(const json_t *run, cg_buf *out)
{
    if (!run)
        return;
    cg_html_open_section(out, "The generating run",
                         "From its report: hardware, selections and their reasons, work and time.");
    open_facts(out, "Selections");
    put_facts(out, run, selections, sizeof selections / sizeof selections[0]);
    put_gpus(out, cg_html_json_at(run, "engine.gpus"));
    close_facts(out);
    open_facts(out, "Work and time");
    put_facts(out, run, work, sizeof work / sizeof work[0]);
    put_messages(out, cg_html_json_at(run, "messages"));
    close_facts(out);
    put_versions(out, cg_html_json_at(run, "versions"));
    cg_html_close_section(out);
}
