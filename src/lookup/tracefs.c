/*
 * Finding tracefs and the tracepoints in it. Where nobody has mounted it, a mount of our own is
 * made that is attached to no folder, so that nothing changes for other processes and nothing is
 * left behind when we end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lookup/internal.h"

struct tracefs_facts {
	const char *path;	    /* NULL: there is none */
	const char *error;	    /* then this says why */
	int mount_fd;		    /* our own mount, -1: none */
	struct strmap *tracepoints; /* "category:name" -> struct tracepoint */
};

void tracefs_facts_free(struct tracefs_facts *tracefs)
{
	if (tracefs && tracefs->mount_fd >= 0)
		close(tracefs->mount_fd);
}

/* --- finding it --- */

static bool has_events(struct lookup *lookup, const char *path)
{
	return access(arena_printf(lookup->arena, "%s/events", path), R_OK | X_OK) == 0;
}

/* Mount points in /proc/self/mounts have spaces as \040. */
static char *unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0');
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
	return text;
}

static const char *mounted_anywhere(struct lookup *lookup)
{
	struct buf text = { 0 };
	const char *found = NULL;
	char *save = NULL;

	if (file_read("/proc/self/mounts", &text) < 0)
		goto out;
	for (char *line = strtok_r(text.data, "\n", &save); line && !found;
	     line = strtok_r(NULL, "\n", &save)) {
		char *word = NULL, *where, *type;

		strtok_r(line, " ", &word);
		where = strtok_r(NULL, " ", &word);
		type = strtok_r(NULL, " ", &word);
		if (!type || strcmp(type, "tracefs") != 0)
			continue;
		where = arena_strdup(lookup->arena, unescape(where));
		if (has_events(lookup, where))
			found = where;
	}
out:
	buf_fini(&text);
	return found;
}

/* Linux 5.2 and later can hold a mount by its file descriptor alone; closing it unmounts. */
static int mount_detached(void)
{
	int fs = fsopen("tracefs", FSOPEN_CLOEXEC), fd;

	if (fs < 0)
		return -errno;
	fd = fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (fd == 0)
		fd = fsmount(fs, FSMOUNT_CLOEXEC,
			     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		fd = -errno;
	close(fs);
	return fd;
}

static const char *find_tracefs(struct lookup *lookup, struct tracefs_facts *tracefs)
{
	static const char *const usual[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	const char *path;

	for (unsigned i = 0; i < sizeof(usual) / sizeof(*usual); i++)
		if (has_events(lookup, usual[i]))
			return usual[i];
	path = mounted_anywhere(lookup);
	if (path)
		return path;
	tracefs->mount_fd = mount_detached();
	if (tracefs->mount_fd >= 0) {
		path = arena_printf(lookup->arena, "/proc/self/fd/%d", tracefs->mount_fd);
		if (has_events(lookup, path))
			return path;
	}
	if (tracefs->mount_fd == -EPERM) {
		tracefs->error =
			"tracefs, where tracepoints are described, cannot be read: that needs root";
		return NULL;
	}
	tracefs->error = arena_printf(lookup->arena,
				      "tracefs is not mounted and cannot be mounted privately: %s",
				      strerror(tracefs->mount_fd < 0 ? -tracefs->mount_fd : errno));
	return NULL;
}

const char *lookup_tracefs(struct lookup *lookup)
{
	struct tracefs_facts *tracefs = lookup->tracefs;

	if (!tracefs) {
		tracefs = lookup->tracefs = arena_new_of(lookup->arena, struct tracefs_facts);
		tracefs->mount_fd = -1;
		tracefs->tracepoints = strmap_new(lookup->arena);
		tracefs->path = find_tracefs(lookup, tracefs);
	}
	if (!tracefs->path)
		lookup->error = tracefs->error;
	return tracefs->path;
}

/* --- one tracepoint --- */

static struct tracepoint *read_tracepoint(struct lookup *lookup, const char *category,
					  const char *name)
{
	const char *path = arena_printf(lookup->arena, "%s/events/%s/%s/format",
					lookup->tracefs->path, category, name);
	struct tracepoint *tracepoint = NULL;
	struct buf text = { 0 };
	int err = file_read(path, &text);

	if (err == -ENOENT || err == -ENOTDIR) {
		lookup_fail(lookup, ENOENT, "this kernel has no tracepoint %s:%s", category, name);
	} else if (err < 0) {
		lookup_fail(lookup, -err, "the format of tracepoint %s:%s cannot be read: %s",
			    category, name, strerror(-err));
	} else {
		tracepoint = arena_new_of(lookup->arena, struct tracepoint);
		tracepoint->category = arena_strdup(lookup->arena, category);
		tracepoint->name = arena_strdup(lookup->arena, name);
		tracepoint->args =
			tracefs_format_parse(lookup, category, name, text.data, &tracepoint->id);
		if (!tracepoint->args) {
			lookup_fail(lookup, EINVAL,
				    "the format of tracepoint %s:%s is not understood", category,
				    name);
			tracepoint = NULL;
		}
	}
	buf_fini(&text);
	return tracepoint;
}

/* Names go into a path: what no tracepoint is called must not leave the folder of events. */
static bool is_event_name(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') && strlen(name) < 256;
}

const struct tracepoint *lookup_tracepoint(struct lookup *lookup, const char *category,
					   const char *name)
{
	struct tracepoint *tracepoint;
	const char *key;

	if (!lookup_tracefs(lookup))
		return NULL;
	if (!is_event_name(category) || !is_event_name(name)) {
		lookup_fail(lookup, ENOENT, "this kernel has no tracepoint %s:%s", category, name);
		return NULL;
	}
	key = arena_printf(lookup->arena, "%s:%s", category, name);
	tracepoint = strmap_get(lookup->tracefs->tracepoints, key);
	if (!tracepoint) {
		tracepoint = read_tracepoint(lookup, category, name);
		if (tracepoint)
			strmap_put(lookup->tracefs->tracepoints, key, tracepoint);
	}
	return tracepoint;
}

/* --- many --- */

typedef VEC(const char *) name_vec;

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the subfolders that match, sorted. A glob without `*` is looked up directly. */
static name_vec folders(struct arena *arena, const char *path, const char *glob)
{
	name_vec names = { 0 };
	struct dirent *entry;
	DIR *dir;

	if (!glob_is(glob)) {
		const char *sub = arena_printf(arena, "%s/%s", path, glob);

		if (is_event_name(glob) && access(sub, X_OK) == 0)
			vec_push(arena, &names, glob);
		return names;
	}
	dir = opendir(path);
	if (!dir)
		return names;
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    glob_match(glob, entry->d_name))
			vec_push(arena, &names, arena_strdup(arena, entry->d_name));
	closedir(dir);
	if (names.n)
		qsort(names.data, names.n, sizeof(*names.data), compare_names);
	return names;
}

void lookup_each_tracepoint(struct lookup *lookup, const char *category_glob, const char *name_glob,
			    void (*each)(void *, const char *category, const char *name), void *arg)
{
	const char *root = lookup_tracefs(lookup);
	struct arena *arena = lookup->arena;
	name_vec categories, names;
	const char **category, **name;

	if (!root)
		return;
	categories = folders(arena, arena_printf(arena, "%s/events", root), category_glob);
	vec_each (category, &categories) {
		names = folders(arena, arena_printf(arena, "%s/events/%s", root, *category),
				name_glob);
		vec_each (name, &names)
			each(arg, *category, *name);
	}
}
