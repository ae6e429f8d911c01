/*
 * What processes map: reading /proc/PID/maps quickly, and finding a path by which a mapped file can
 * be opened from here, although the process may live in another mount namespace or the file may
 * have been deleted.
 */
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lookup/internal.h"

static uint64_t parse_number(const char **at, unsigned base)
{
	uint64_t value = 0;

	for (;; (*at)++) {
		unsigned c = (unsigned char)**at, digit = c - '0';

		if (digit > 9)
			digit = (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
		if (digit >= base)
			return value;
		value = value * base + digit;
	}
}

/*
 * "START-END r-xp OFFSET MAJOR:MINOR INODE   PATH"; false when it is not executable. Lines are the
 * kernel's.
 */
static bool parse_mapping(const char *line, const char *end, struct mapping *mapping)
{
	const char *perms = memchr(line, ' ', (size_t)(end - line)), *at = line;
	unsigned major, minor;

	if (!perms || end - perms < 6 || perms[3] != 'x')
		return false;
	mapping->start = parse_number(&at, 16);
	at += *at == '-';
	mapping->end = parse_number(&at, 16);
	at = perms + 6;
	mapping->offset = parse_number(&at, 16);
	at += *at == ' ';
	major = (unsigned)parse_number(&at, 16);
	at += *at == ':';
	minor = (unsigned)parse_number(&at, 16);
	at += *at == ' ';
	mapping->dev = makedev(major, minor);
	mapping->ino = parse_number(&at, 10);
	while (at < end && *at == ' ')
		at++;
	mapping->path = at;
	mapping->path_len = (size_t)(end - at);
	return true;
}

int mappings_each(int pid, struct buf *text, bool (*each)(void *, const struct mapping *),
		  void *arg)
{
	char path[64];
	char *line, *end;
	int err;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	err = file_read(path, text);
	if (err < 0)
		return err;
	for (line = text->data; (end = strchr(line, '\n')); line = end + 1) {
		struct mapping mapping;

		if (!parse_mapping(line, end, &mapping))
			continue;
		*end = '\0';
		if (!each(arg, &mapping))
			break;
	}
	return 0;
}

static bool is_deleted(const struct mapping *mapping)
{
	static const char suffix[] = " (deleted)";
	size_t len = sizeof(suffix) - 1;

	return mapping->path_len > len && !strcmp(mapping->path + mapping->path_len - len, suffix);
}

const char *mapping_openable(struct arena *arena, int pid, const struct mapping *mapping)
{
	const char *through, *entry;
	struct stat plain, inside;
	bool has_plain;

	if (mapping->path[0] != '/')
		return NULL;
	if (!is_deleted(mapping)) {
		through = arena_printf(arena, "/proc/%d/root%s", pid, mapping->path);
		has_plain = stat(mapping->path, &plain) == 0;
		if (stat(through, &inside) == 0) {
			if (has_plain && plain.st_dev == inside.st_dev &&
			    plain.st_ino == inside.st_ino)
				return arena_strdup(arena, mapping->path);
			return through;
		}
		if (has_plain && plain.st_ino == mapping->ino) /* the process has just ended */
			return arena_strdup(arena, mapping->path);
	}
	entry = arena_printf(arena, "/proc/%d/map_files/%llx-%llx", pid,
			     (unsigned long long)mapping->start, (unsigned long long)mapping->end);
	return access(entry, R_OK) == 0 ? entry : NULL;
}
