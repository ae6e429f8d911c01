/*
 * Charts: courses over time as columns or lines, distributions as the share up to a value, histograms over time as a map of
 * cells. Drawn in a frame of fixed size that the page scales.
 */
#include <math.h>
#include <stdlib.h>

#include "report/html.h"
#include "report/when.h"

#define FRAME_WIDTH  640.0
#define FRAME_HEIGHT 200.0
#define LEFT	     58.0
#define RIGHT	     12.0
#define TOP	     8.0
#define BOTTOM	     22.0
#define PLOT_WIDTH   (FRAME_WIDTH - LEFT - RIGHT)
#define PLOT_HEIGHT  (FRAME_HEIGHT - TOP - BOTTOM)

enum { HEAT_ROWS = 40 };

static void frame_begin(struct buf *out, const struct block *block)
{
	buf_printf(out, "<svg viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", FRAME_WIDTH,
		   FRAME_HEIGHT);
	html_put(out, block->title, strlen(block->title));
	buf_puts(out, "\">");
}

static void frame_end(struct buf *out)
{
	buf_puts(out, "</svg>\n");
}

static void put_number(struct buf *out, double number)
{
	number_put(out, number);
}

static void put_label(struct buf *out, double x, double y, const char *anchor)
{
	buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
}

/* 1, 2 or 5 times a power of ten, not below x / 4: for some four lines. */
static double nice_step(double x)
{
	double power = pow(10, floor(log10(x / 4))), times = x / 4 / power;

	return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

/* Lines and numbers for 0 (or low) to high. */
static void put_scale(struct buf *out, double low, double high)
{
	double step, first;

	if (!(high > low))
		return;
	step = nice_step(high - low);
	first = ceil(low / step) * step;
	for (int i = 0; first + i * step <= high * 1.0001; i++) {
		double at = first + i * step;
		double y = TOP + PLOT_HEIGHT * (1 - (at - low) / (high - low));

		buf_printf(out,
			   "<line class=\"axis\" x1=\"%g\" x2=\"%g\" y1=\"%.1f\" y2=\"%.1f\"/>",
			   LEFT, FRAME_WIDTH - RIGHT, y, y);
		put_label(out, LEFT - 6, y + 4, "end");
		put_number(out, fabs(at) < step / 1000 ? 0 : at);
		buf_puts(out, "</text>");
	}
}

static void put_times(struct buf *out, const struct block *block)
{
	unsigned every = block->n / 5 + 1;

	for (unsigned i = 0; i < block->n; i += every) {
		double x = LEFT + PLOT_WIDTH * i / block->n;

		put_label(out, x, FRAME_HEIGHT - 6, i ? "middle" : "start");
		when_put_short(out, block->begin + i * block->step, block->step);
		buf_puts(out, "</text>");
	}
}

static void put_tip(struct buf *out, const struct block *block, unsigned i)
{
	buf_puts(out, "<title>");
	when_put(out, block->begin + i * block->step, block->step < NS_PER_S);
}

/* --- courses --- */

static void put_columns(struct buf *out, const struct block *block, double high)
{
	const struct series *series = &block->series.data[0];
	double width = PLOT_WIDTH / block->n;

	for (unsigned i = 0; i < block->n; i++) {
		double value = series->values[i], height;

		if (!(value > 0))
			continue;
		height = PLOT_HEIGHT * value / high;
		buf_printf(
			out,
			"<rect class=\"col\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\">",
			LEFT + i * width, TOP + PLOT_HEIGHT - height, fmax(width * 0.85, width - 1),
			height);
		put_tip(out, block, i);
		buf_puts(out, ": ");
		put_number(out, value);
		buf_puts(out, "</title></rect>");
	}
}

/* A line breaks where nothing is known. */
static void put_line(struct buf *out, const struct block *block, unsigned s, double low,
		     double high)
{
	const struct series *series = &block->series.data[s];
	bool down = false;

	buf_printf(out, "<path class=\"line l%u\" d=\"", s % 4);
	for (unsigned i = 0; i < block->n; i++) {
		if (!isfinite(series->values[i])) {
			down = false;
			continue;
		}
		buf_printf(out, "%c%.2f %.2f", down ? 'L' : 'M',
			   LEFT + PLOT_WIDTH * (i + 0.5) / block->n,
			   TOP + PLOT_HEIGHT * (1 - (series->values[i] - low) / (high - low)));
		/* A point of its own is seen as a dot. */
		if (!down && (i + 1 == block->n || !isfinite(series->values[i + 1])))
			buf_puts(out, "h1");
		down = true;
	}
	buf_puts(out, "\"/>");
}

static void put_legend(struct buf *out, const struct block *block)
{
	for (size_t s = 0; s < block->series.n; s++) {
		const char *title = block->series.data[s].title;

		buf_printf(out, "<text class=\"k%zu\" x=\"%.1f\" y=\"%g\" text-anchor=\"end\">",
			   s % 4, FRAME_WIDTH - RIGHT - 60 * (double)(block->series.n - 1 - s),
			   TOP + 8);
		html_put(out, title, strlen(title));
		buf_puts(out, "</text>");
	}
}

void chart_series(struct buf *out, const struct block *block)
{
	double high = -INFINITY;

	for (size_t s = 0; s < block->series.n; s++)
		for (unsigned i = 0; i < block->n; i++)
			high = fmax(high, block->series.data[s].values[i]);
	if (!(high > 0))
		high = 1;
	frame_begin(out, block);
	put_scale(out, 0, high);
	put_times(out, block);
	if (block->is_level) {
		for (size_t s = 0; s < block->series.n; s++)
			put_line(out, block, (unsigned)s, 0, high);
		put_legend(out, block);
	} else {
		put_columns(out, block, high);
	}
	frame_end(out);
}

/* --- distributions --- */

/* From values to the width of the plot, by logarithm when they span more than two powers of ten. */
struct span {
	double low, high;
	bool log;
};

static struct span span_of(const struct hist *hist)
{
	struct span span;

	hist_range(hist, &span.low, &span.high);
	span.log = span.low >= 0 && span.high > 100 * fmax(span.low, 1);
	if (span.log && span.low < 1)
		span.low = span.high > 1000 ? 1 : span.high / 1000;
	if (!(span.high > span.low))
		span.high = span.low + 1;
	return span;
}

static double span_at(const struct span *span, double value)
{
	double share;

	if (value <= span->low)
		return 0;
	if (value >= span->high)
		return 1;
	share = span->log ? log(value / span->low) / log(span->high / span->low)
			  : (value - span->low) / (span->high - span->low);
	return share;
}

static void put_value_axis(struct buf *out, const struct span *span)
{
	double step = span->log ? 10 : nice_step(span->high - span->low), every = 1;
	double at = span->log ? pow(10, ceil(log10(span->low))) : ceil(span->low / step) * step;

	if (span->log)
		every = ceil(log10(span->high / span->low) / 7);
	while (at <= span->high) {
		double x = LEFT + PLOT_WIDTH * span_at(span, at);

		put_label(out, x, FRAME_HEIGHT - 6, "middle");
		put_number(out, at);
		buf_puts(out, "</text>");
		at = span->log ? at * pow(10, every) : at + step;
	}
}

static void put_mark(struct buf *out, const struct span *span, const struct hist *hist, double q,
		     const char *name)
{
	enum hist_bound bound;
	double value = hist_quantile(hist, q, &bound), x = LEFT + PLOT_WIDTH * span_at(span, value);
	double y = TOP + PLOT_HEIGHT * (1 - q);

	buf_printf(out, "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", x,
		   x, y, TOP + PLOT_HEIGHT);
	put_label(out, x + 3, TOP + PLOT_HEIGHT - 4 - 12 * (q > 0.95) - 12 * (q > 0.7), "start");
	buf_printf(out, "%s ", name);
	put_number(out, value);
	buf_puts(out, "</text>");
}

void chart_cdf(struct buf *out, const struct block *block)
{
	const struct hist *hist = block->hist;
	struct span span = span_of(hist);

	frame_begin(out, block);
	put_scale(out, 0, 100);
	put_value_axis(out, &span);
	buf_puts(out, "<path class=\"line l0\" d=\"");
	for (unsigned i = 0; i <= 200; i++) {
		double value = span.log ? span.low * pow(span.high / span.low, i / 200.0)
					: span.low + (span.high - span.low) * i / 200;

		buf_printf(out, "%c%.2f %.2f", i ? 'L' : 'M', LEFT + PLOT_WIDTH * i / 200.0,
			   TOP + PLOT_HEIGHT * (1 - hist_below(hist, value) / (double)hist->total));
	}
	buf_puts(out, "\"/>");
	put_mark(out, &span, hist, 0.5, "p50");
	put_mark(out, &span, hist, 0.9, "p90");
	put_mark(out, &span, hist, 0.99, "p99");
	frame_end(out);
}

/* --- histograms over time --- */

static double row_edge(const struct span *span, unsigned row, unsigned rows)
{
	double share = (double)row / rows;

	return span->log ? span->low * pow(span->high / span->low, share)
			 : span->low + (span->high - span->low) * share;
}

/* The counts of a span, evenly spread within their buckets, by row; what lies outside is put into the outer rows. */
static void heat_counts(const struct hist *hist, const struct span *span, double *counts,
			unsigned rows)
{
	double before = 0;

	for (unsigned r = 0; r < rows; r++) {
		double below = r + 1 == rows ? (double)hist->total
					     : hist_below(hist, row_edge(span, r + 1, rows));

		counts[r] = below - before;
		before = below;
	}
}

static void put_heat_column(struct buf *out, const struct block *block, const struct span *span,
			    unsigned i, unsigned rows, const double *counts, double most)
{
	double width = PLOT_WIDTH / block->n, height = PLOT_HEIGHT / rows;

	for (unsigned r = 0; r < rows; r++) {
		if (counts[r] < 0.5)
			continue;
		buf_printf(out,
			   "<rect class=\"cell\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
			   "height=\"%.2f\" fill-opacity=\"%.2f\">",
			   LEFT + i * width, TOP + PLOT_HEIGHT - (r + 1) * height, width + 0.2,
			   height + 0.2, 0.08 + 0.92 * sqrt(counts[r] / most));
		put_tip(out, block, i);
		buf_puts(out, ", ");
		put_number(out, row_edge(span, r, rows));
		buf_puts(out, " to ");
		put_number(out, row_edge(span, r + 1, rows));
		buf_puts(out, ": ");
		put_number(out, round(counts[r]));
		buf_puts(out, "</title></rect>");
	}
}

static void put_heat_scale(struct buf *out, const struct span *span)
{
	for (unsigned i = 0; i <= 4; i++) {
		put_label(out, LEFT - 6, TOP + PLOT_HEIGHT * (1 - i / 4.0) + 4, "end");
		put_number(out, row_edge(span, i, 4));
		buf_puts(out, "</text>");
	}
}

void chart_heat(struct buf *out, const struct block *block)
{
	struct span span = span_of(block->hist);
	unsigned rows = block->hist->n < HEAT_ROWS ? block->hist->n : HEAT_ROWS;
	double *counts, most = 0;

	if (rows < 8)
		rows = 8;
	counts = mem_alloc((size_t)block->n * rows * sizeof(*counts));
	for (unsigned i = 0; i < block->n; i++) {
		if (!block->hists[i])
			continue;
		heat_counts(block->hists[i], &span, counts + (size_t)i * rows, rows);
		for (unsigned r = 0; r < rows; r++)
			most = fmax(most, counts[(size_t)i * rows + r]);
	}
	frame_begin(out, block);
	put_heat_scale(out, &span);
	put_times(out, block);
	for (unsigned i = 0; i < block->n; i++)
		if (block->hists[i])
			put_heat_column(out, block, &span, i, rows, counts + (size_t)i * rows,
					most);
	frame_end(out);
	free(counts);
}
