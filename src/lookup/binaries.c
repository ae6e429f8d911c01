/*
 * From a target word of the script to files: paths, globs over paths, programs in $PATH, libraries
 * that processes map, libraries that the loader would take. A file is named once, however many
 * names lead to it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lookup/internal.h"

/* --- one file --- */

/* False when the path leads to no regular file; true also when that file is in the list already. */
static bool add_file(struct lookup *lookup, binary_vec *found, const char *path, const char *shown)
{
	const struct binary *known;
	struct binary *binary;
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return false;
	}
	vec_each (known, found)
		if (known->dev == st.st_dev && known->ino == st.st_ino)
			return true;
	binary = vec_grow(lookup->arena, found);
	binary->path = arena_strdup(lookup->arena, path);
	binary->shown = arena_strdup(lookup->arena, shown);
	binary->dev = st.st_dev;
	binary->ino = st.st_ino;
	return true;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A file in the same folder whose name resembles this one, or NULL. */
static const char *nearest_path(struct lookup *lookup, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	const char *folder = arena_strndup(lookup->arena, path, (size_t)(name - path));
	struct nearest nearest;
	DIR *dir = opendir(folder);
	struct dirent *entry;

	nearest_init(&nearest, name);
	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_REG || entry->d_type == DT_LNK)
			nearest_try(&nearest, arena_strdup(lookup->arena, entry->d_name));
	if (dir)
		closedir(dir);
	return nearest.best ? arena_printf(lookup->arena, "%s%s", folder, nearest.best) : NULL;
}

/* With a process, the path is meant as that process sees it. */
static int add_path(struct lookup *lookup, const char *word, int pid, binary_vec *found,
		    const char **nearest)
{
	int err;

	const char *path = word;

	if (pid && word[0] == '/') {
		const char *through = arena_printf(lookup->arena, "/proc/%d/root%s", pid, word);

		if (access(through, F_OK) == 0 && !same_file(through, word))
			path = through;
	}
	if (add_file(lookup, found, path, word))
		return 0;
	err = errno;
	if (err == ENOENT)
		*nearest = nearest_path(lookup, word);
	return lookup_fail(lookup, err, "%s cannot be used: %s", word, strerror(err));
}

static int add_executable(struct lookup *lookup, int pid, binary_vec *found)
{
	const char *link = arena_printf(lookup->arena, "/proc/%d/exe", pid);
	char shown[PATH_MAX];
	ssize_t len = readlink(link, shown, sizeof(shown) - 1);

	if (len <= 0)
		return lookup_fail(lookup, ESRCH,
				   "the executable of process %d cannot be found: %s", pid,
				   strerror(len < 0 ? errno : ENOENT));
	shown[len] = '\0';
	if (!add_file(lookup, found, same_file(shown, link) ? shown : link, shown))
		return lookup_fail(lookup, errno, "%s cannot be used: %s", shown, strerror(errno));
	return 0;
}

/* --- globs --- */

static bool is_glob(const char *word)
{
	return strpbrk(word, "*?[");
}

static bool is_elf(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char magic[4] = { 0 };
	bool yes = fd >= 0 && read(fd, magic, sizeof(magic)) == sizeof(magic) &&
		   !memcmp(magic, "\177ELF", 4);

	if (fd >= 0)
		close(fd);
	return yes;
}

static int add_glob(struct lookup *lookup, const char *word, binary_vec *found)
{
	glob_t matches = { 0 };

	if (glob(word, 0, NULL, &matches) == 0)
		for (size_t i = 0; i < matches.gl_pathc; i++)
			if (is_elf(matches.gl_pathv[i]))
				add_file(lookup, found, matches.gl_pathv[i], matches.gl_pathv[i]);
	globfree(&matches);
	if (!found->n)
		return lookup_fail(lookup, ENOENT, "no program and no library matches %s", word);
	return 0;
}

/* --- what processes map --- */

struct seen {
	struct mapping mapping; /* path in the lookup's arena */
	int pid;
};

struct scan {
	struct lookup *lookup;
	const char *word;
	bool is_glob;
	int pid;
	VEC(struct seen) seen;
};

static bool scan_matches(const struct scan *scan, const struct mapping *mapping)
{
	const char *slash = memrchr(mapping->path, '/', mapping->path_len);
	size_t len = mapping->path_len;

	if (mapping->path[0] != '/' || !slash)
		return false;
	if (scan->is_glob)
		return glob_match(scan->word, slash + 1);
	if (len > 10 && !strcmp(mapping->path + len - 10, " (deleted)"))
		len -= 10;
	return library_matches(scan->word, slash + 1, (size_t)(mapping->path + len - slash - 1));
}

static bool scan_mapping(void *arg, const struct mapping *mapping)
{
	struct scan *scan = arg;
	struct seen *seen;

	if (!mapping->ino || !scan_matches(scan, mapping))
		return true;
	vec_each (seen, &scan->seen)
		if (seen->mapping.ino == mapping->ino && seen->mapping.dev == mapping->dev)
			return true;
	seen = vec_grow(scan->lookup->arena, &scan->seen);
	seen->mapping = *mapping;
	seen->mapping.path = arena_strndup(scan->lookup->arena, mapping->path, mapping->path_len);
	seen->pid = scan->pid;
	return true;
}

static void scan_processes(struct scan *scan, struct buf *text)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		scan->pid = atoi(entry->d_name);
		if (scan->pid > 0 && scan->pid != getpid())
			mappings_each(scan->pid, text, scan_mapping, scan);
	}
	if (dir)
		closedir(dir);
}

/* Files which the process, or without one any process, maps. Returns how many were found. */
static size_t add_mapped(struct lookup *lookup, const char *word, int pid, binary_vec *found)
{
	struct scan scan = { .lookup = lookup, .word = word, .is_glob = is_glob(word), .pid = pid };
	struct buf text = { 0 };
	struct seen *seen;

	if (pid)
		mappings_each(pid, &text, scan_mapping, &scan);
	else
		scan_processes(&scan, &text);
	vec_each (seen, &scan.seen) {
		const char *path = mapping_openable(lookup->arena, seen->pid, &seen->mapping);

		if (path)
			add_file(lookup, found, path, seen->mapping.path);
	}
	buf_fini(&text);
	return found->n;
}

/* --- programs --- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* Call each with every folder of $PATH until it returns true. */
static bool path_folders(struct arena *arena, bool (*each)(void *, const char *folder), void *arg)
{
	const char *path = getenv("PATH");
	char *save = NULL,
	     *list = arena_strdup(arena, path && *path ? path : "/usr/bin:/bin:/usr/sbin:/sbin");

	for (char *folder = strtok_r(list, ":", &save); folder; folder = strtok_r(NULL, ":", &save))
		if (each(arg, folder))
			return true;
	return false;
}

struct program_search {
	struct lookup *lookup;
	const char *word;
	binary_vec *found;
	struct nearest nearest;
};

static bool try_folder(void *arg, const char *folder)
{
	struct program_search *search = arg;
	const char *path = arena_printf(search->lookup->arena, "%s/%s", folder, search->word);

	return is_program(path) && add_file(search->lookup, search->found, path, path);
}

static bool try_names(void *arg, const char *folder)
{
	struct program_search *search = arg;
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		nearest_try(&search->nearest, entry->d_name);
		if (search->nearest.best == entry->d_name)
			search->nearest.best = arena_strdup(search->lookup->arena, entry->d_name);
	}
	if (dir)
		closedir(dir);
	return false;
}

static bool add_program(struct lookup *lookup, const char *word, binary_vec *found)
{
	struct program_search search = { .lookup = lookup, .word = word, .found = found };

	return path_folders(lookup->arena, try_folder, &search);
}

static const char *nearest_program(struct lookup *lookup, const char *word)
{
	struct program_search search = { .lookup = lookup, .word = word };

	nearest_init(&search.nearest, word);
	path_folders(lookup->arena, try_names, &search);
	return search.nearest.best;
}

/* --- words --- */

static bool is_library_word(const char *word)
{
	return !strncmp(word, "lib", 3) || strstr(word, ".so");
}

static bool add_library(struct lookup *lookup, const char *word, int pid, binary_vec *found,
			const char **nearest)
{
	const char *path;

	if (add_mapped(lookup, word, pid, found))
		return true;
	path = ldcache_find(lookup, word, nearest);
	return path && add_file(lookup, found, path, path);
}

static int no_such_word(struct lookup *lookup, const char *word, int pid, const char **nearest)
{
	if (is_library_word(word) && pid)
		return lookup_fail(lookup, ENOENT,
				   "%s is not mapped by process %d and not in the loader's cache",
				   word, pid);
	if (is_library_word(word))
		return lookup_fail(lookup, ENOENT,
				   "%s is not mapped by any process and not in the loader's cache",
				   word);
	*nearest = nearest_program(lookup, word);
	return lookup_fail(lookup, ENOENT,
			   "there is no program '%s' in $PATH and no process maps such a file",
			   word);
}

/*
 * A process's own files come first. Else, what looks like a library is looked for as one, and
 * anything else as a program, but either way the other is tried before giving up.
 */
static int add_word(struct lookup *lookup, const char *word, int pid, binary_vec *found,
		    const char **nearest)
{
	bool is_library = is_library_word(word);

	if (pid && !is_library && add_mapped(lookup, word, pid, found))
		return 0;
	if (is_library && add_library(lookup, word, pid, found, nearest))
		return 0;
	if (add_program(lookup, word, found))
		return 0;
	if (!is_library && add_library(lookup, word, pid, found, nearest))
		return 0;
	return no_such_word(lookup, word, pid, nearest);
}

static int find_binaries(struct lookup *lookup, const char *word, int pid, binary_vec *found,
			 const char **nearest)
{
	if (pid && access(arena_printf(lookup->arena, "/proc/%d", pid), F_OK) != 0)
		return lookup_fail(lookup, ESRCH, "there is no process %d", pid);
	if (!*word && pid)
		return add_executable(lookup, pid, found);
	if (!*word)
		return lookup_fail(lookup, EINVAL,
				   "without -p, a program or library must be named");
	if (strchr(word, '/'))
		return is_glob(word) ? add_glob(lookup, word, found)
				     : add_path(lookup, word, pid, found, nearest);
	if (!is_glob(word))
		return add_word(lookup, word, pid, found, nearest);
	if (!add_mapped(lookup, word, pid, found))
		return lookup_fail(lookup, ENOENT, "no process maps a file that matches %s", word);
	return 0;
}

/* A script names the same library in many attach points: the processes are looked at once for all of them. */
int lookup_binaries(struct lookup *lookup, const char *word, int pid, binary_vec *found,
		    const char **nearest)
{
	const char *key = arena_printf(lookup->arena, "%d %s", pid, word), *ignored;
	binary_vec *known;
	int err;

	if (!nearest)
		nearest = &ignored;
	*nearest = NULL;
	*found = (binary_vec){ 0 };
	if (!lookup->binaries)
		lookup->binaries = strmap_new(lookup->arena);
	known = strmap_get(lookup->binaries, key);
	if (known) {
		*found = *known;
		return 0;
	}
	err = find_binaries(lookup, word, pid, found, nearest);
	if (err)
		return err;
	known = arena_new_of(lookup->arena, binary_vec);
	*known = *found;
	strmap_put(lookup->binaries, key, known);
	return 0;
}
