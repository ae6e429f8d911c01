/* Tables to files of a folder: their names, when a new one begins, and what happens when one cannot be opened. */
#include "out/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "out/tidy.h"

#define NAME_MAX_BYTES 160 /* of a table; with time and extension a name stays below 255 */
#define CHECK_NS       60000000000ll

struct table_file {
	char *table; /* in names of files; NULL: nothing was added yet */
	char name[256];
	char stamp[16];	  /* the second in the name */
	unsigned number;  /* behind it */
	int day;	  /* the local day of its first row, see day_of */
	struct sink sink; /* fd -1: closed */
};

/* --- opening the folder --- */

static int cannot_open(struct out *out, const char *path, int error)
{
	struct buf text = { 0 };

	buf_printf(&text, "output: cannot write into folder '%s': %s", path, strerror(error));
	if (out->options.tell)
		out->options.tell(out->options.tell_arg, DIAG_ERROR, text.data);
	buf_fini(&text);
	return -error;
}

/* The folder and those above it; the error is the last one's. */
static int make_folders(const char *path)
{
	char *copy = mem_strdup(path), *at = copy;
	int err = 0;

	while (!err && (at = strchr(at + 1, '/'))) {
		*at = '\0';
		if (mkdir(copy, 0777) && errno != EEXIST)
			err = errno;
		*at = '/';
	}
	free(copy);
	return err;
}

int folder_open(struct folder **made, struct out *out)
{
	const char *path = out->options.folder;
	const struct out_files *files = &out->options.files;
	size_t len = strlen(path);
	int err = len && path[len - 1] == '/' ? make_folders(path) : 0, fd;
	struct folder *folder;

	if (err)
		return cannot_open(out, path, err);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cannot_open(out, path, errno);
	if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS)) {
		err = errno;
		close(fd);
		return cannot_open(out, path, err);
	}
	folder = mem_alloc(sizeof(*folder));
	*folder = (struct folder){ .fd = fd, .path = mem_strdup(path) };
	folder->guard.place = folder->path;
	folder->checked_ns = out_wall_ns(out, NULL);
	if (files->gzip || files->max_age_ns || files->max_total_bytes)
		folder->tidy = tidy_new(fd, out->printer->name, files);
	*made = folder;
	return 0;
}

/* --- names --- */

static bool is_plain(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

static bool is_taken(const struct folder *folder, const char *table)
{
	for (size_t i = 0; i < folder->n_files; i++)
		if (folder->files[i].table && strcmp(folder->files[i].table, table) == 0)
			return true;
	return false;
}

/* A name that any shell and file system bears; tables that differ only in what it cannot hold are numbered. */
static char *file_table(const struct folder *folder, const char *name)
{
	char *table = mem_alloc(NAME_MAX_BYTES + 16);
	size_t len = strnlen(name, NAME_MAX_BYTES);

	for (size_t i = 0; i < len; i++)
		table[i] = is_plain(name[i]) ? name[i] : '_';
	if (!len || table[0] == '.' || table[0] == '-')
		table[0] = '_';
	len += !len;
	table[len] = '\0';
	for (unsigned n = 2; is_taken(folder, table); n++)
		snprintf(table + len, 16, "_%u", n);
	return table;
}

static struct table_file *file_of(struct folder *folder, const struct out_table *table)
{
	size_t n = table->id;
	struct table_file *file;

	if (n > folder->n_files) {
		folder->files = mem_realloc(folder->files, n * sizeof(*folder->files));
		memset(folder->files + folder->n_files, 0,
		       (n - folder->n_files) * sizeof(*folder->files));
		folder->n_files = n;
	}
	file = &folder->files[n - 1];
	if (!file->table) {
		file->table = file_table(folder, table->name);
		sink_init(&file->sink, -1, &folder->guard);
	}
	return file;
}

/* --- opening and completing files --- */

static struct tm local_time(int64_t wall_ns)
{
	time_t second = (time_t)(wall_ns / 1000000000);
	struct tm tm = { 0 };

	localtime_r(&second, &tm);
	return tm;
}

static int day_of(const struct tm *tm)
{
	return tm->tm_year * 366 + tm->tm_yday;
}

static bool exists(const struct folder *folder, const char *name)
{
	return faccessat(folder->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* "exec_20251121_143000.csv"; number 0: without one. */
static void make_name(struct table_file *file, const char *stamp, const char *extension)
{
	char number[16] = "";

	if (file->number)
		snprintf(number, sizeof(number), "-%u", file->number);
	snprintf(file->name, sizeof(file->name), "%s_%s%s.%s", file->table, stamp, number,
		 extension);
}

/*
 * A file of this name, unless there is one, or there was one that is compressed now. That is asked after the file is made:
 * a compressed file gets its name before the other one loses it, so that neither can slip in between. 0 or errno.
 */
static int create(const struct folder *folder, struct table_file *file)
{
	char gz[sizeof(file->name) + 4];

	file->sink.fd =
		openat(folder->fd, file->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file->sink.fd < 0)
		return errno;
	snprintf(gz, sizeof(gz), "%s.gz", file->name);
	if (!exists(folder, gz))
		return 0;
	unlinkat(folder->fd, file->name, 0);
	close(file->sink.fd);
	file->sink.fd = -1;
	return EEXIST;
}

/* The next name of this second. A number is not used again when its file has been removed: names keep their order. */
static int create_next(const struct folder *folder, struct table_file *file, const char *extension,
		       const struct tm *tm)
{
	char stamp[sizeof(file->stamp)];
	int error;

	strftime(stamp, sizeof(stamp), "%Y%m%d_%H%M%S", tm);
	file->number = strcmp(stamp, file->stamp) ? 0 : file->number + 1;
	memcpy(file->stamp, stamp, sizeof(stamp));
	for (;; file->number++) {
		make_name(file, stamp, extension);
		error = create(folder, file);
		if (error != EEXIST)
			return error;
	}
}

static int open_file(struct folder *folder, struct out *out, struct table_file *file,
		     int64_t wall_ns)
{
	struct tm tm = local_time(wall_ns);
	int error;

	if (guard_waits(&folder->guard, out))
		return folder->guard.error;
	error = create_next(folder, file, out->printer->name, &tm);
	if (error) {
		guard_fail(&folder->guard, out, folder->fd, error);
		return error;
	}
	flock(file->sink.fd, LOCK_EX | LOCK_NB);
	file->day = day_of(&tm);
	if (folder->tidy)
		tidy_ask(folder->tidy, file->table);
	return 0;
}

/* A file without a single row leaves no trace. */
static void close_file(struct folder *folder, struct out *out, struct table_file *file)
{
	if (file->sink.fd < 0)
		return;
	sink_flush(&file->sink, out);
	if (!file->sink.size)
		unlinkat(folder->fd, file->name, 0);
	close(file->sink.fd);
	sink_fini(&file->sink);
	sink_init(&file->sink, -1, &folder->guard);
	if (folder->tidy)
		tidy_ask(folder->tidy, file->table);
}

/* Rows come by the thousand in a second: the calendar is asked once. */
static int day_at(struct folder *folder, int64_t wall_ns)
{
	int64_t second = wall_ns / 1000000000;

	if (second != folder->second) {
		struct tm tm = local_time(wall_ns);

		folder->second = second;
		folder->day = day_of(&tm);
	}
	return folder->day;
}

/* Is the file complete before a row of `len` bytes that was made at this time? */
static bool is_complete(struct folder *folder, const struct out *out, const struct table_file *file,
			size_t len, int64_t wall_ns)
{
	const struct out_files *files = &out->options.files;
	const struct sink *sink = &file->sink;

	if (file->sink.fd < 0)
		return false;
	if (sink->error)
		return true;
	if (files->max_bytes && sink->last.any &&
	    sink->size + sink->buf.len + len > files->max_bytes)
		return true;
	return files->daily && file->day != day_at(folder, wall_ns);
}

/* --- rows --- */

static void add_row(struct folder *folder, struct out *out, const struct out_table *table,
		    struct table_file *file)
{
	struct sink *sink = &file->sink;

	if (!sink->last.any && table->header && !out->options.no_header)
		buf_add(&sink->buf, table->header, table->header_len);
	buf_add(&sink->buf, folder->row.data, folder->row.len);
	sink_row_end(sink, out, table->id);
	if (sink->buf.len >= SINK_BLOCK)
		sink_flush(sink, out);
}

void folder_add_row(struct folder *folder, struct out *out, const struct out_table *table,
		    int64_t wall_ns)
{
	struct table_file *file = file_of(folder, table);

	if (is_complete(folder, out, file, folder->row.len, wall_ns))
		close_file(folder, out, file);
	if (file->sink.fd < 0 && open_file(folder, out, file, wall_ns))
		guard_drop(&folder->guard, out);
	else
		add_row(folder, out, table, file);
	buf_reset(&folder->row);
}

static bool was_removed(const struct table_file *file)
{
	struct stat st;

	return fstat(file->sink.fd, &st) == 0 && st.st_nlink == 0;
}

/* By time: files of yesterday are complete even when no row comes, and files grow too old. */
static void check_files(struct folder *folder, struct out *out)
{
	int64_t wall_ns = out_wall_ns(out, NULL);

	if (wall_ns - folder->checked_ns < CHECK_NS && wall_ns >= folder->checked_ns)
		return;
	folder->checked_ns = wall_ns;
	for (size_t i = 0; i < folder->n_files; i++) {
		struct table_file *file = &folder->files[i];

		if (!file->table)
			continue;
		if (is_complete(folder, out, file, 0, wall_ns) ||
		    (file->sink.fd >= 0 && was_removed(file)))
			close_file(folder, out, file);
		else if (folder->tidy)
			tidy_ask(folder->tidy, file->table);
	}
}

static void tell_problem(struct folder *folder, struct out *out)
{
	char *problem = folder->tidy ? tidy_problem(folder->tidy) : NULL;

	if (problem && out->options.tell)
		out->options.tell(out->options.tell_arg, DIAG_WARNING, problem);
	free(problem);
}

void folder_flush(struct folder *folder, struct out *out, bool force)
{
	if (force)
		folder->guard.failed_ns = 0;
	for (size_t i = 0; i < folder->n_files; i++)
		if (folder->files[i].table && folder->files[i].sink.buf.len)
			sink_flush(&folder->files[i].sink, out);
	check_files(folder, out);
	tell_problem(folder, out);
}

void folder_close(struct folder *folder, struct out *out)
{
	for (size_t i = 0; i < folder->n_files; i++) {
		if (folder->files[i].table)
			close_file(folder, out, &folder->files[i]);
		free(folder->files[i].table);
		sink_fini(&folder->files[i].sink);
	}
	if (folder->tidy)
		tidy_wait(folder->tidy);
	tell_problem(folder, out);
	if (folder->tidy)
		tidy_free(folder->tidy);
	close(folder->fd);
	free(folder->files);
	free(folder->path);
	buf_fini(&folder->row);
	free(folder);
}
