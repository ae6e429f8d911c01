/*
 * A script's output: hands records to its printer and finished rows to the sink or folder. What a record looks like is
 * the printer's business, how bytes reach a file sink.c's and folder.c's; when to flush between blocks is the
 * run loop's.
 */
#include "out/out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "out/folder.h"
#include "out/sink.h"

/* --- records --- */

uint32_t record_first_row(const struct record *record)
{
	uint32_t n = record->value->len;

	return record->top > 0 && (uint64_t)record->top < n ? n - (uint32_t)record->top : 0;
}

struct value record_divided(const struct record *record, const struct value *value)
{
	struct value result = *value;
	int64_t div = record->div;

	if (div <= 1)
		return result;
	if (value->kind == VALUE_INT)
		result.i /= div;
	else if (value->kind == VALUE_UINT)
		result.u /= (uint64_t)div;
	else if (value->kind == VALUE_REAL)
		result.real /= (double)div;
	return result;
}

uint64_t record_divided_count(const struct record *record, const struct value *hist,
			      const struct bucket *bucket)
{
	return record->div > 1 && !hist->linear ? bucket->count / (uint64_t)record->div
						: bucket->count;
}

/* --- life --- */

static void tell(const struct out_options *options, enum diag_level level, const struct buf *text)
{
	if (options->tell)
		options->tell(options->tell_arg, level, text->data);
}

static int open_folder(struct out *out)
{
	struct buf text = { 0 };
	int err;

	if (!(out->printer->flags & PRINTER_TABLES)) {
		buf_printf(&text,
			   "output: format %s has no tables that could be files of a folder; "
			   "csv and json have",
			   out->printer->name);
		tell(&out->options, DIAG_ERROR, &text);
		buf_fini(&text);
		return -EINVAL;
	}
	err = folder_open(&out->folder, out);
	if (!err)
		out->buf = &out->folder->row;
	return err;
}

static void open_sink(struct out *out)
{
	out->sink = mem_alloc(sizeof(*out->sink));
	sink_init(out->sink, out->options.fd, NULL);
	out->buf = &out->sink->buf;
	buf_room(out->buf, 2 * SINK_BLOCK);
}

/* "scripts/io.jt" is called "io". */
static char *script_name(const char *path)
{
	const char *slash = strrchr(path ? path : "stdin", '/');
	const char *name = slash ? slash + 1 : path ? path : "stdin";
	size_t len = strlen(name);
	char *copy = mem_alloc(len + 1);

	if (len > 3 && (!strcmp(name + len - 3, ".jt") || !strcmp(name + len - 3, ".bt")))
		len -= 3;
	memcpy(copy, name, len);
	copy[len] = '\0';
	return copy;
}

int out_open(struct out *out, const struct out_options *options)
{
	int err = 0;

	*out = (struct out){ .options = *options, .printer = options->printer };
	if (options->folder)
		err = open_folder(out);
	else
		open_sink(out);
	if (err)
		return err;
	out->options.folder = out->options.script = NULL; /* they may end before us */
	out->script = script_name(options->script);
	out->scratch = arena_new();
	return 0;
}

void out_init(struct out *out, int fd, const struct printer *printer)
{
	out_open(out, &(struct out_options){ .fd = fd, .printer = printer });
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return a == b || (fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
			  x.st_ino == y.st_ino && x.st_rdev == y.st_rdev);
}

static void leave_sink(struct out *out)
{
	sink_flush(out->sink, out);
	sink_forget(out->sink, out);
	if (--out->sink->users)
		return;
	sink_fini(out->sink);
	free(out->sink);
}

bool out_join(struct out *out, const struct out *other)
{
	struct sink_row last;

	if (out->folder || other->folder || !same_file(out->options.fd, other->options.fd))
		return false;
	if (out->sink == other->sink)
		return true;
	sink_flush(out->sink, out);
	last = out->sink->last;
	leave_sink(out);
	out->sink = other->sink;
	out->sink->users++;
	out->buf = &out->sink->buf;
	if (last.any)
		out->sink->last = out->sink->written = last;
	return true;
}

/* Everything that is left, whatever was tried when. */
static void flush_last(struct out *out)
{
	if (out->folder) {
		folder_flush(out->folder, out, true);
	} else {
		out->sink->own_guard.failed_ns = 0;
		sink_flush(out->sink, out);
	}
}

static void tell_dropped(struct out *out)
{
	struct buf text = { 0 };

	buf_printf(&text, "output: %" PRIu64 " row%s dropped: ", out->dropped,
		   out->dropped == 1 ? " was" : "s were");
	if (out->folder)
		guard_problem(&text, &out->folder->guard, -1, out->dropped_error);
	else
		guard_problem(&text, out->sink->guard, out->sink->fd, out->dropped_error);
	tell(&out->options, DIAG_ERROR, &text);
	buf_fini(&text);
}

/* On a sink that several share one of them tells. */
static void tell_failure(struct out *out)
{
	struct buf text = { 0 };

	if (out->sink->told)
		return;
	out->sink->told = true;
	buf_printf(&text, "cannot write the output: %s", strerror(out->sink->error));
	tell(&out->options, DIAG_ERROR, &text);
	buf_fini(&text);
}

bool out_end(struct out *out)
{
	bool failed;

	if (!out->ended && out->printer->end)
		out->printer->end(out);
	flush_last(out);
	failed = out_error(out) && out_error(out) != EPIPE;
	if (!out->ended && failed)
		tell_failure(out);
	if (!out->ended && out->dropped)
		tell_dropped(out);
	out->ended = true;
	return failed || out->dropped;
}

void out_fini(struct out *out)
{
	out_end(out);
	if (out->folder)
		folder_close(out->folder, out);
	else
		leave_sink(out);
	arena_free(out->scratch);
	out->scratch = NULL;
	free(out->script);
	out->script = NULL;
}

/* --- running --- */

int out_error(const struct out *out)
{
	return out->sink && !out->sink->guard ? out->sink->error : 0;
}

int out_flush(struct out *out)
{
	if (out->folder)
		folder_flush(out->folder, out, false);
	else if (out->buf->len)
		sink_flush(out->sink, out);
	return -out_error(out);
}

void out_record(struct out *out, const struct record *record)
{
	if (out_error(out))
		return;
	out->printer->print(out, record);
	arena_reset(out->scratch);
	if (out->sink && out->buf->len > out->sink->row_begin)
		out_text_end(out);
	if (out->buf->len >= SINK_BLOCK)
		out_flush(out);
}

void out_before_maps(struct out *out)
{
	if (!out->printer->before_maps || out_error(out))
		return;
	out->printer->before_maps(out);
	out_text_end(out);
}

bool out_takes_messages(const struct out *out)
{
	return (out->printer->flags & PRINTER_MESSAGES) && !out->folder;
}

/* --- for printers --- */

uint64_t out_table_id(struct out *out)
{
	return ++out->n_tables;
}

int64_t out_wall_ns(const struct out *out, const struct record *record)
{
	struct timespec now;

	if (record && record->wall_ns)
		return record->wall_ns;
	if (out->options.wall_ns)
		return out->options.wall_ns();
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

bool out_continues(const struct out *out, uint64_t table)
{
	return out->sink && out->sink->last.owner == out && out->sink->last.table == table;
}

/* Text stands in the buffer already; it belongs before the row that is being made. */
static void insert(struct out *out, const char *text, size_t len)
{
	struct buf *buf = out->buf;
	size_t begin = out->sink->row_begin;

	buf_room(buf, len);
	memmove(buf->data + begin + len, buf->data + begin, buf->len - begin + 1);
	memcpy(buf->data + begin, text, len);
	buf->len += len;
}

/* As tail(1) has it for several files. */
static void insert_heading(struct out *out)
{
	struct buf heading = { 0 };

	if (!out->options.with_script || !(out->printer->flags & PRINTER_HEADINGS) ||
	    out->sink->last.owner == out)
		return;
	buf_printf(&heading, "%s==> %s <==\n", out->sink->in_line ? "\n" : "", out->script);
	insert(out, heading.data, heading.len);
	buf_fini(&heading);
}

void out_text_end(struct out *out)
{
	uint64_t table = out->table;

	insert_heading(out);
	if (!table && out->sink->last.owner == out)
		table = out->sink->last.table;
	out->table = 0;
	sink_row_end(out->sink, out, table);
}

/* With an empty line after another table. */
static void insert_header(struct out *out, const struct out_table *table)
{
	insert(out, table->header, table->header_len);
	if (out->sink->last.any)
		insert(out, "\n", 1);
}

void out_row_end(struct out *out, const struct out_table *table, int64_t wall_ns)
{
	if (out->folder) {
		folder_add_row(out->folder, out, table, wall_ns);
		return;
	}
	if (table->header && !out->options.no_header && !out_continues(out, table->id))
		insert_header(out, table);
	sink_row_end(out->sink, out, table->id);
	if (out->buf->len >= SINK_BLOCK)
		sink_flush(out->sink, out);
}

const char *out_record_name(const struct record *record)
{
	switch (record->kind) {
	case RECORD_EMIT:
	case RECORD_MAP:
		return record->name;
	case RECORD_VALUE:
		return "value";
	case RECORD_TEXT:
	case RECORD_ATTACHED:
	case RECORD_LOST:
	case RECORD_MESSAGE:
		break;
	}
	return "text";
}

const char *out_table_name(struct arena *arena, const struct out *out, const struct record *record)
{
	const char *name = out_record_name(record);

	if (record->kind == RECORD_EMIT)
		return out->options.with_script ? arena_printf(arena, "%s_%s", out->script, name)
						: name;
	if (*name == '@')
		name++;
	return *name ? arena_printf(arena, "%s_%s", out->script, name) : out->script;
}
