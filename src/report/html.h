#ifndef JB_REPORT_HTML_H
#define JB_REPORT_HTML_H
/* What the files of the page share. */
#include "report/doc.h"

extern const char html_style[], html_script[];

/* Text in HTML, in an attribute as well. */
void html_put(struct buf *out, const char *text, size_t len);
/* Charts as inline SVG. */
void chart_series(struct buf *out, const struct block *block);
void chart_cdf(struct buf *out, const struct block *block);
void chart_heat(struct buf *out, const struct block *block);

#endif
