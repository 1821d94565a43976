/* SPDX-License-Identifier: MIT */
/**
 * @file chart.h  Small charts in SVG: axes with round numbers, lines, points, bars, rules.
 *
 * A chart is one inline <svg> element without ids, scripts and colours: the page styles its
 * classes. The chart itself sets the classes `chart`, `grid`, `axis`, `tick` and `name`; the caller
 * gives the class of each mark. Hover texts are <title> elements. Values that are not finite are
 * not drawn; values beyond an axis are clamped to the plot's edge.
 *
 * Parameters documented as "escaped" must be output of cg_html_put_text().
 */
#ifndef CG_EVAL_CHART_H
#define CG_EVAL_CHART_H

#include "base/buf.h"

/** Range and ticks of an axis. */
typedef struct cg_chart_axis {
    double low, high; /* low < high, both multiples of step */
    double step;      /* between ticks */
    double factor;    /* scales tick labels: 1, or 100 for shares in per cent; 0 means 1 */
    const char *name; /* escaped, includes the unit */
} cg_chart_axis;

/**
 * Returns the smallest axis with round ticks (1, 2, 2.5 or 5 times a power of ten) that covers
 * [low, high]. The axis is 0 to 1 if the bounds are not finite; equal bounds are spread.
 * @param ticks  approximate number of steps, >= 1
 */
cg_chart_axis cg_chart_axis_over(double low, double high, int ticks, const char *name);

/** A chart being drawn. Callers only read the fields; units are those of the viewBox. */
typedef struct cg_chart {
    cg_buf *out; /* borrowed */
    cg_chart_axis x, y;
    double left, right, top, bottom; /* of the plot area, y down */
} cg_chart;

enum { CG_CHART_WIDTH = 520, CG_CHART_HEIGHT = 310 };

/**
 * Opens the element and draws grid, ticks and axis names.
 * @param label  escaped; description for screen readers
 */
void cg_chart_begin(cg_chart *chart, cg_buf *out, const cg_chart_axis *x, const cg_chart_axis *y,
                    const char *label);
void cg_chart_end(cg_chart *chart);

/** viewBox coordinate of a finite value, clamped to the plot's edge. */
double cg_chart_x(const cg_chart *chart, double value);
double cg_chart_y(const cg_chart *chart, double value);

/** A line through n points, interrupted at points that are not finite. */
void cg_chart_line(cg_chart *chart, const double *x, const double *y, size_t n, const char *cls);
/** A straight line between two points, e.g. the diagonal. */
void cg_chart_segment(cg_chart *chart, double x0, double y0, double x1, double y1, const char *cls);
/** A dot of radius r with hover text `tip` (escaped; NULL: none). */
void cg_chart_point(cg_chart *chart, double x, double y, double r, const char *cls,
                    const char *tip);
/** A bar from the x axis up to y, between x0 and x1. */
void cg_chart_bar(cg_chart *chart, double x0, double x1, double y, const char *cls,
                  const char *tip);
/** A vertical rule across the plot with `label` (escaped) above it. With `leftwards` the label
 * extends to the left of the rule, which keeps the labels of two close rules apart. */
void cg_chart_rule(cg_chart *chart, double x, const char *cls, int leftwards, const char *label);
/** A text (escaped) at a point, offset by dx and dy; anchor "start", "middle" or "end". */
void cg_chart_text(cg_chart *chart, double x, double y, double dx, double dy, const char *anchor,
                   const char *cls, const char *text);

#endif
