/*
 * Compressing and removing completed files. Every file that is touched is locked first, so that several processes may
 * keep their files in one folder.
 */
#include "out/tidy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

/* An empty file is one that is just being made; after a minute it is one whose maker was killed. */
#define EMPTY_AGE_NS 60000000000ull

enum entry_kind { ENTRY_PLAIN, ENTRY_GZ, ENTRY_TMP };

struct entry {
	char *name;
	char stamp[16];	      /* "20251121_143000" */
	unsigned long number; /* behind it: "-2" */
	enum entry_kind kind;
	uint64_t size;
	int64_t changed_ns;
	bool gone;
};

struct listing {
	int folder;
	struct entry *entries; /* oldest first */
	size_t n, cap;
	int err; /* the first -errno */
};

static void note(struct listing *listing, int error)
{
	if (!listing->err)
		listing->err = -error;
}

/* --- names --- */

/* As many digits as `n`; NULL: they are not there. */
static const char *skip_digits(const char *at, size_t n)
{
	return strspn(at, "0123456789") >= n ? at + n : NULL;
}

static bool parse_name(const char *name, const char *table, const char *extension,
		       struct entry *entry)
{
	size_t len = strlen(table), ext = strlen(extension);
	const char *at;

	if (strncmp(name, table, len) || name[len] != '_')
		return false;
	name += len + 1;
	at = skip_digits(name, 8);
	at = at && *at == '_' ? skip_digits(at + 1, 6) : NULL;
	if (!at)
		return false;
	memcpy(entry->stamp, name, 15);
	entry->stamp[15] = '\0';
	if (*at == '-') {
		size_t digits = strspn(at + 1, "0123456789");

		if (!digits || digits > 9)
			return false;
		entry->number = strtoul(at + 1, NULL, 10);
		at += 1 + digits;
	}
	if (*at != '.' || strncmp(at + 1, extension, ext))
		return false;
	at += 1 + ext;
	entry->kind = !*at ? ENTRY_PLAIN : strcmp(at, ".gz") ? ENTRY_TMP : ENTRY_GZ;
	return entry->kind != ENTRY_TMP || strcmp(at, ".gz.tmp") == 0;
}

static int by_age(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->stamp, y->stamp);

	if (!order)
		order = (x->number > y->number) - (x->number < y->number);
	return order ? order : (int)x->kind - (int)y->kind;
}

static void add_entry(struct listing *listing, const struct entry *entry, const char *name)
{
	if (listing->n == listing->cap) {
		listing->cap = listing->cap ? 2 * listing->cap : 32;
		listing->entries =
			mem_realloc(listing->entries, listing->cap * sizeof(*listing->entries));
	}
	listing->entries[listing->n] = *entry;
	listing->entries[listing->n++].name = mem_strdup(name);
}

static void list_files(struct listing *listing, const char *table, const char *extension)
{
	int fd = openat(listing->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *found;

	if (!dir) {
		note(listing, errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((found = readdir(dir))) {
		struct entry entry = { 0 };
		struct stat st;

		if (!parse_name(found->d_name, table, extension, &entry) ||
		    fstatat(listing->folder, found->d_name, &st, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(st.st_mode))
			continue;
		entry.size = (uint64_t)st.st_size;
		entry.changed_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
		add_entry(listing, &entry, found->d_name);
	}
	closedir(dir);
	if (listing->n)
		qsort(listing->entries, listing->n, sizeof(*listing->entries), by_age);
}

/* --- one file --- */

/* Open and lock. -1: it is being written, or compressed by somebody else, or gone. */
static int own(const struct listing *listing, const struct entry *entry)
{
	int fd = openat(listing->folder, entry->name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat ours, named;

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &ours) == 0 &&
	    fstatat(listing->folder, entry->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_ino == named.st_ino && ours.st_dev == named.st_dev)
		return fd;
	close(fd);
	return -1;
}

static bool remove_entry(struct listing *listing, struct entry *entry)
{
	int fd = own(listing, entry);

	if (fd < 0)
		return false;
	if (unlinkat(listing->folder, entry->name, 0) == 0)
		entry->gone = true;
	else
		note(listing, errno);
	close(fd);
	return entry->gone;
}

/* Who compresses has locked what it is made of: while that cannot be locked, the rest of it is no rest. */
static void remove_tmp(struct listing *listing, struct entry *entry)
{
	int source = -1;

	for (size_t i = 0; i < listing->n; i++) {
		const struct entry *other = &listing->entries[i];

		if (other->kind != ENTRY_PLAIN || other->number != entry->number ||
		    strcmp(other->stamp, entry->stamp))
			continue;
		source = own(listing, other);
		if (source < 0)
			return;
	}
	if (unlinkat(listing->folder, entry->name, 0) && errno != ENOENT)
		note(listing, errno);
	entry->gone = true;
	if (source >= 0)
		close(source);
}

/* 0 or errno. zlib's error is the system's when it has one. */
static int deflate_file(int from, int to)
{
	static const size_t room = 128 << 10;
	int copy = fcntl(to, F_DUPFD_CLOEXEC, 0); /* for zlib, which closes it */
	gzFile gz = copy >= 0 ? gzdopen(copy, "wb6") : NULL;
	char *block;
	ssize_t n = 0;
	int error = 0;

	if (!gz) {
		if (copy >= 0)
			close(copy);
		return ENOMEM;
	}
	block = mem_alloc(room);
	errno = 0;
	while (!error && (n = read(from, block, room)) > 0)
		if (gzwrite(gz, block, (unsigned)n) != n)
			error = errno ? errno : EIO;
	if (!error && n < 0)
		error = errno;
	if (gzclose(gz) != Z_OK && !error)
		error = errno ? errno : EIO;
	free(block);
	return error;
}

/* The compressed file is on the disk, and as old as what it was made of, before it gets its name. 0 or errno. */
static int finish_file(const struct listing *listing, int from, int to, const char *tmp,
		       const char *name)
{
	struct timespec times[2];
	struct stat st;

	if (fstat(from, &st))
		return errno;
	times[0] = times[1] = st.st_mtim;
	if (futimens(to, times) || fsync(to) ||
	    renameat(listing->folder, tmp, listing->folder, name))
		return errno;
	return 0;
}

static void replace_entry(struct listing *listing, struct entry *entry, const char *name)
{
	struct stat st;

	unlinkat(listing->folder, entry->name, 0);
	free(entry->name);
	entry->name = mem_strdup(name);
	entry->kind = ENTRY_GZ;
	if (fstatat(listing->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		entry->size = (uint64_t)st.st_size;
}

/* x.csv to x.csv.gz, which has another name until it is complete. */
static void compress_entry(struct listing *listing, struct entry *entry)
{
	int from = own(listing, entry), to, error;
	char name[300], tmp[310];

	if (from < 0)
		return;
	snprintf(name, sizeof(name), "%s.gz", entry->name);
	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	to = openat(listing->folder, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		    0644);
	error = to < 0 ? errno : deflate_file(from, to);
	if (!error)
		error = finish_file(listing, from, to, tmp, name);
	if (!error)
		replace_entry(listing, entry, name);
	else
		note(listing, error);
	if (error && to >= 0)
		unlinkat(listing->folder, tmp, 0);
	if (to >= 0)
		close(to);
	close(from);
}

/* --- all files of a table --- */

static bool is_older(const struct entry *entry, uint64_t age_ns, int64_t now_ns)
{
	return entry->changed_ns < now_ns && (uint64_t)(now_ns - entry->changed_ns) > age_ns;
}

static void remove_old(struct listing *listing, uint64_t max_age_ns, int64_t now_ns)
{
	for (size_t i = 0; i < listing->n; i++) {
		struct entry *entry = &listing->entries[i];

		if (entry->kind == ENTRY_TMP)
			remove_tmp(listing, entry);
		else if ((max_age_ns && is_older(entry, max_age_ns, now_ns)) ||
			 (!entry->size && is_older(entry, EMPTY_AGE_NS, now_ns)))
			remove_entry(listing, entry);
	}
}

static void compress_all(struct listing *listing)
{
	for (size_t i = 0; i < listing->n; i++)
		if (!listing->entries[i].gone && listing->entries[i].size &&
		    listing->entries[i].kind == ENTRY_PLAIN)
			compress_entry(listing, &listing->entries[i]);
}

static void remove_most(struct listing *listing, uint64_t max_total_bytes)
{
	uint64_t total = 0;

	for (size_t i = 0; i < listing->n; i++)
		if (!listing->entries[i].gone)
			total += listing->entries[i].size;
	for (size_t i = 0; i < listing->n && total > max_total_bytes; i++) {
		struct entry *entry = &listing->entries[i];

		if (!entry->gone && entry->size && remove_entry(listing, entry))
			total -= entry->size;
	}
}

int tidy_table(int folder, const char *table, const char *extension,
	       const struct out_files *options, int64_t now_ns)
{
	struct listing listing = { .folder = folder };

	list_files(&listing, table, extension);
	remove_old(&listing, options->max_age_ns, now_ns);
	if (options->gzip)
		compress_all(&listing);
	if (options->max_total_bytes)
		remove_most(&listing, options->max_total_bytes);
	for (size_t i = 0; i < listing.n; i++)
		free(listing.entries[i].name);
	free(listing.entries);
	return listing.err;
}

/* --- the thread --- */

struct tidy {
	int folder;
	const char *extension;
	struct out_files options;
	pthread_t thread;
	bool started, ending, working, failing;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char **tables; /* asked for and not done yet */
	size_t n, cap;
	char *problem;
};

struct tidy *tidy_new(int folder, const char *extension, const struct out_files *options)
{
	struct tidy *tidy = mem_alloc(sizeof(*tidy));

	*tidy = (struct tidy){ .folder = folder, .extension = extension, .options = *options };
	pthread_mutex_init(&tidy->lock, NULL);
	pthread_cond_init(&tidy->changed, NULL);
	return tidy;
}

static int64_t wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* It is tried again every minute, but told once. */
static void note_problem(struct tidy *tidy, const char *table, int err)
{
	struct buf text = { 0 };

	if (!err || tidy->failing) {
		tidy->failing = err;
		return;
	}
	tidy->failing = true;
	buf_printf(&text, "output: cannot compress or remove completed files of %s: %s", table,
		   strerror(-err));
	tidy->problem = text.data;
}

static void *work(void *arg)
{
	struct tidy *tidy = arg;

	pthread_mutex_lock(&tidy->lock);
	for (;;) {
		char *table;
		int err;

		while (!tidy->n && !tidy->ending)
			pthread_cond_wait(&tidy->changed, &tidy->lock);
		if (!tidy->n)
			break;
		table = tidy->tables[0];
		memmove(tidy->tables, tidy->tables + 1, --tidy->n * sizeof(*tidy->tables));
		tidy->working = true;
		pthread_mutex_unlock(&tidy->lock);
		err = tidy_table(tidy->folder, table, tidy->extension, &tidy->options, wall_ns());
		pthread_mutex_lock(&tidy->lock);
		note_problem(tidy, table, err);
		free(table);
		tidy->working = false;
		pthread_cond_broadcast(&tidy->changed);
	}
	pthread_mutex_unlock(&tidy->lock);
	return NULL;
}

/* Signals are for the thread that reads events. */
static bool start(struct tidy *tidy)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	tidy->started = pthread_create(&tidy->thread, NULL, work, tidy) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return tidy->started;
}

static bool is_asked(const struct tidy *tidy, const char *table)
{
	for (size_t i = 0; i < tidy->n; i++)
		if (strcmp(tidy->tables[i], table) == 0)
			return true;
	return false;
}

void tidy_ask(struct tidy *tidy, const char *table)
{
	pthread_mutex_lock(&tidy->lock);
	if (!is_asked(tidy, table) && (tidy->started || start(tidy))) {
		if (tidy->n == tidy->cap) {
			tidy->cap = tidy->cap ? 2 * tidy->cap : 8;
			tidy->tables = mem_realloc(tidy->tables, tidy->cap * sizeof(*tidy->tables));
		}
		tidy->tables[tidy->n++] = mem_strdup(table);
		pthread_cond_broadcast(&tidy->changed);
	}
	pthread_mutex_unlock(&tidy->lock);
}

char *tidy_problem(struct tidy *tidy)
{
	char *problem;

	pthread_mutex_lock(&tidy->lock);
	problem = tidy->problem;
	tidy->problem = NULL;
	pthread_mutex_unlock(&tidy->lock);
	return problem;
}

void tidy_wait(struct tidy *tidy)
{
	pthread_mutex_lock(&tidy->lock);
	while (tidy->n || tidy->working)
		pthread_cond_wait(&tidy->changed, &tidy->lock);
	pthread_mutex_unlock(&tidy->lock);
}

void tidy_free(struct tidy *tidy)
{
	pthread_mutex_lock(&tidy->lock);
	tidy->ending = true;
	pthread_cond_broadcast(&tidy->changed);
	pthread_mutex_unlock(&tidy->lock);
	if (tidy->started)
		pthread_join(tidy->thread, NULL);
	pthread_mutex_destroy(&tidy->lock);
	pthread_cond_destroy(&tidy->changed);
	free(tidy->tables);
	free(tidy->problem);
	free(tidy);
}
