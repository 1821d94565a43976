/* SPDX-License-Identifier: MIT */
#include "constraint/checked_constraint.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/plugin_call.h"
#include "constraint/table_facts.h"

struct cg_checked_constraint {
    const char *name;
    const cg_constraint_ops *ops;
    void *self;
    pthread_mutex_t lock; /* guards facts */
    cg_table_facts facts;
};

/* Completes the text of a violation; other failures keep theirs. */
static cg_status fail(const char *name, cg_status st, const cg_error *why, cg_error *err)
{
    if (st != CG_ERR_PLUGIN)
        return cg_fail(err, st, "%s", why->msg);
    return cg_fail(err, st, "constraint '%s': %s: the plugin violates its contract", name,
                   why->msg);
}

cg_status cg_checked_constraint_create(const char *name, const cg_constraint_ops *ops, void *self,
                                       const cg_vocabulary *vocabulary,
                                       cg_checked_constraint **ret_constraint, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    const cg_automaton *automaton;
    cg_checked_constraint *c;
    cg_status st;

    if (!self)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "constraint '%s': create() succeeded without an object: the plugin violates "
                       "its contract",
                       name);
    automaton = ops->automaton(self);
    st = cg_check_automaton(automaton, &why);
    if (st != CG_OK)
        return fail(name, st, &why, err);
    c = calloc(1, sizeof *c);
    if (!c)
        return cg_fail_nomem(err, "constraint");
    c->name = name;
    c->ops = ops;
    c->self = self;
    c->facts = (cg_table_facts) { .automaton = automaton, .vocabulary = vocabulary };
    pthread_mutex_init(&c->lock, NULL);
    *ret_constraint = c;
    return CG_OK;
}

const cg_automaton *cg_checked_constraint_automaton(const cg_checked_constraint *c)
{
    return c->facts.automaton;
}

const char *cg_checked_constraint_name(const cg_checked_constraint *c)
{
    return c->name;
}

void cg_checked_constraint_destroy(cg_checked_constraint *c)
{
    if (!c)
        return;
    cg_table_facts_finish(&c->facts);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* A refusal of a molecule keeps its status, which concerns that molecule alone. */
static cg_status fail_compile(const cg_checked_constraint *c, cg_status st, const cg_error *why,
                              cg_error *err)
{
    const cg_plugin_call call = { "constraint", c->name, -1, -1 };
    int is_refusal = st == CG_ERR_INPUT || st == CG_ERR_LIMIT || st == CG_ERR_UNSUPPORTED;

    if (is_refusal && why->msg[0])
        return cg_fail(err, st, "constraint '%s': %.*s", c->name, (int)sizeof why->msg - 1,
                       why->msg);
    return cg_plugin_call_status(&call, st, why, err);
}

cg_status cg_checked_constraint_compile(cg_checked_constraint *c, const cg_literals *text,
                                        cg_program **ret_program, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_program *program = NULL;
    cg_status st;

    st = c->ops->compile(c->self, text, &program, &why);
    if (st != CG_OK)
        return fail_compile(c, st, &why, err);
    if (!program)
        return cg_fail(
            err, CG_ERR_PLUGIN,
            "constraint '%s': compile() succeeded without a program: the plugin violates "
            "its contract",
            c->name);
    pthread_mutex_lock(&c->lock);
    st = cg_check_program(&c->facts, program, text->n_atoms, &why);
    pthread_mutex_unlock(&c->lock);
    if (st != CG_OK) {
        c->ops->release(c->self, program);
        return fail(c->name, st, &why, err);
    }
    *ret_program = program;
    return CG_OK;
}

void cg_checked_constraint_release(cg_checked_constraint *c, cg_program *program)
{
    c->ops->release(c->self, program);
}
