/* SPDX-License-Identifier: MIT */
#include "eval/chart.h"

#include <math.h>
#include <stdio.h>

enum { LEFT = 46, RIGHT = 12, TOP = 40, BOTTOM = 48 };

/* The least round number >= x, x > 0. */
static double round_up(double x)
{
    static const double steps[] = { 1, 2, 2.5, 5, 10 };
    double power = pow(10, floor(log10(x)));

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (steps[i] * power >= x * (1 - 1e-9))
            return steps[i] * power;
    return 10 * power;
}

cg_chart_axis cg_chart_axis_over(double low, double high, int ticks, const char *name)
{
    cg_chart_axis axis = { .low = 0, .high = 1, .step = 0.2, .name = name };
    double span;

    /* Beyond these bounds adjacent ticks could be the same double. */
    if (!isfinite(low) || !isfinite(high) || fabs(low) > 1e12 || fabs(high) > 1e12 || low > high)
        return axis;
    span = high - low;
    if (span < 1e-9 * (1 + fabs(high))) {
        span = high ? fabs(high) : 1;
        high = low + span;
    }
    axis.step = round_up(span / ticks);
    axis.low = axis.step * floor(low / axis.step + 1e-9);
    axis.high = axis.step * ceil(high / axis.step - 1e-9);
    return axis;
}

double cg_chart_x(const cg_chart *c, double value)
{
    double t = (value - c->x.low) / (c->x.high - c->x.low);

    return c->left + fmin(fmax(t, 0), 1) * (c->right - c->left);
}

double cg_chart_y(const cg_chart *c, double value)
{
    double t = (value - c->y.low) / (c->y.high - c->y.low);

    return c->bottom - fmin(fmax(t, 0), 1) * (c->bottom - c->top);
}

/* Decimals needed to distinguish the ticks of an axis. */
static int decimals(const cg_chart_axis *axis, double factor)
{
    double step = axis->step * factor;
    int n = 0;

    for (; n < 9 && fabs(step - round(step)) > 1e-6 * step; n++)
        step *= 10;
    return n;
}

static void put_ticks(cg_chart *c, const cg_chart_axis *axis, int vertical)
{
    int n = (int)((axis->high - axis->low) / axis->step + 0.5);
    double factor = axis->factor != 0 ? axis->factor : 1;
    int digits = decimals(axis, factor);

    for (int i = 0; i <= n; i++) {
        double value = axis->low + i * axis->step;
        double at = vertical ? cg_chart_y(c, value) : cg_chart_x(c, value);
        double shown = fabs(value * factor) < 1e-9 * axis->step ? 0 : value * factor;

        if (vertical)
            cg_buf_printf(c->out,
                          "<path class=\"%s\" d=\"M%.1f %.1fH%.1f\"/>"
                          "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%.*f"
                          "</text>\n",
                          i ? "grid" : "axis", c->left, at, c->right, c->left - 7, at + 4, digits,
                          shown);
        else
            cg_buf_printf(c->out,
                          "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>"
                          "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.*f"
                          "</text>\n",
                          at, c->bottom, at, c->bottom + 19, digits, shown);
    }
}

void cg_chart_begin(cg_chart *c, cg_buf *out, const cg_chart_axis *x, const cg_chart_axis *y,
                    const char *label)
{
    *c = (cg_chart) { .out = out,
                      .x = *x,
                      .y = *y,
                      .left = LEFT,
                      .right = CG_CHART_WIDTH - RIGHT,
                      .top = TOP,
                      .bottom = CG_CHART_HEIGHT - BOTTOM };
    cg_buf_printf(out,
                  "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\" "
                  "xmlns=\"http://www.w3.org/2000/svg\">\n",
                  CG_CHART_WIDTH, CG_CHART_HEIGHT, label);
    put_ticks(c, y, 1);
    put_ticks(c, x, 0);
    /* The name of the y axis is above its ticks, horizontal. */
    cg_buf_printf(out, "<text class=\"name\" x=\"4\" y=\"14\">%s</text>\n", y->name);
    cg_buf_printf(out, "<text class=\"name\" x=\"%.1f\" y=\"%d\" text-anchor=\"end\">%s</text>\n",
                  c->right, CG_CHART_HEIGHT - 7, x->name);
}

void cg_chart_end(cg_chart *c)
{
    cg_buf_puts(c->out, "</svg>\n");
}

void cg_chart_line(cg_chart *c, const double *x, const double *y, size_t n, const char *cls)
{
    int drawn = 0, open = 0;

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i])) {
            open = 0;
            continue;
        }
        if (!drawn)
            cg_buf_printf(c->out, "<path class=\"%s\" d=\"", cls);
        cg_buf_printf(c->out, "%c%.1f %.1f", open ? 'L' : 'M', cg_chart_x(c, x[i]),
                      cg_chart_y(c, y[i]));
        drawn = open = 1;
    }
    if (drawn)
        cg_buf_puts(c->out, "\"/>\n");
}

void cg_chart_segment(cg_chart *c, double x0, double y0, double x1, double y1, const char *cls)
{
    double x[] = { x0, x1 }, y[] = { y0, y1 };

    cg_chart_line(c, x, y, 2, cls);
}

static void put_tip(cg_chart *c, const char *element, const char *tip)
{
    if (tip)
        cg_buf_printf(c->out, "><title>%s</title></%s>\n", tip, element);
    else
        cg_buf_puts(c->out, "/>\n");
}

void cg_chart_point(cg_chart *c, double x, double y, double r, const char *cls, const char *tip)
{
    if (!isfinite(x) || !isfinite(y))
        return;
    cg_buf_printf(c->out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%g\"", cls,
                  cg_chart_x(c, x), cg_chart_y(c, y), r);
    put_tip(c, "circle", tip);
}

void cg_chart_bar(cg_chart *c, double x0, double x1, double y, const char *cls, const char *tip)
{
    double left, right, top;

    if (!isfinite(x0) || !isfinite(x1) || !isfinite(y))
        return;
    left = cg_chart_x(c, x0);
    right = cg_chart_x(c, x1);
    top = cg_chart_y(c, y);
    cg_buf_printf(c->out, "<rect class=\"%s\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\"",
                  cls, left + 0.5, top, fmax(right - left - 1, 0.5), c->bottom - top);
    put_tip(c, "rect", tip);
}

void cg_chart_rule(cg_chart *c, double x, const char *cls, int leftwards, const char *label)
{
    double at;

    if (!isfinite(x) || x < c->x.low || x > c->x.high)
        return;
    at = cg_chart_x(c, x);
    cg_buf_printf(c->out,
                  "<path class=\"%s\" d=\"M%.1f %.1fV%.1f\"/>"
                  "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
                  cls, at, c->top - 5, c->bottom, leftwards ? at + 1 : at - 1, c->top - 9,
                  leftwards ? "end" : "start", label);
}

void cg_chart_text(cg_chart *c, double x, double y, double dx, double dy, const char *anchor,
                   const char *cls, const char *text)
{
    if (!isfinite(x) || !isfinite(y))
        return;
    cg_buf_printf(c->out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
                  cls, cg_chart_x(c, x) + dx, cg_chart_y(c, y) + dy, anchor, text);
}
