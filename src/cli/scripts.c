/*
 * Where the text of a script comes from: a file, -e, standard input, or one of the bundled scripts, which lie in the
 * source tree, the installed library and the program itself.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/job.h"
#include "scripts.h"

#define SUFFIX	    ".jt"
#define BUNDLED_MAX 1024

void text_fini(struct text *text)
{
	free(text->name);
	free(text->bytes);
	*text = (struct text){ 0 };
}

static int name_text(struct text *text, const char *name, FILE *messages)
{
	text->name = strdup(name);
	return text->name ? 0 : complain_to(messages, "out of memory");
}

static int read_all(FILE *file, struct text *text, FILE *messages)
{
	size_t room = 0, n;

	do {
		if (room - text->len < 4096) {
			char *more = realloc(text->bytes, room = room ? room * 2 : 16384);

			if (!more)
				return complain_to(messages, "out of memory");
			text->bytes = more;
		}
		n = fread(text->bytes + text->len, 1, room - text->len - 1, file);
		text->len += n;
	} while (n);
	text->bytes[text->len] = '\0';
	return ferror(file)
		       ? complain_to(messages, "cannot read '%s': %s", text->name, strerror(errno))
		       : 0;
}

static int read_path(struct text *text, const char *path, FILE *messages)
{
	struct stat st;
	FILE *file = fopen(path, "re");
	int err;

	if (!file)
		return complain_to(messages, "cannot open '%s': %s", path, strerror(errno));
	if (fstat(fileno(file), &st) == 0 && S_ISDIR(st.st_mode))
		err = complain_to(messages, "'%s' is a directory", path);
	else
		err = read_all(file, text, messages);
	fclose(file);
	return err;
}

int text_read(struct text *text, const char *path, FILE *messages)
{
	int err = name_text(text, path, messages);

	return err ? err : read_path(text, path, messages);
}

int text_read_stdin(struct text *text, FILE *messages)
{
	int err = name_text(text, "stdin", messages);

	return err ? err : read_all(stdin, text, messages);
}

int text_copy(struct text *text, const char *name, const char *from, size_t len)
{
	if (name_text(text, name, stderr))
		return EXIT_USAGE;
	text->bytes = malloc(len + 1);
	if (!text->bytes)
		return complain("out of memory");
	memcpy(text->bytes, from, len);
	text->bytes[len] = '\0';
	text->len = len;
	return 0;
}

/* The scripts of the source tree when the program stands in its build folder inside of it; false: it does not. */
static bool folder_in_tree(char *path, size_t room)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n <= 0)
		return false;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return false;
	*slash = '\0';
	if ((size_t)snprintf(path, room, "%s/../src/jbtrace.h", exe) >= room || access(path, R_OK))
		return false;
	return (size_t)snprintf(path, room, "%s/../scripts", exe) < room;
}

static bool path_of_bundled(const char *folder, const char *name, char *path, size_t room)
{
	return (size_t)snprintf(path, room, "%s/%s" SUFFIX, folder, name) < room &&
	       access(path, R_OK) == 0;
}

static int read_bundled(struct text *text, const char *name, FILE *messages)
{
	char folder[4200], path[4300];
	const char *inside, *nearest = NULL;
	size_t len;

	if ((folder_in_tree(folder, sizeof(folder)) &&
	     path_of_bundled(folder, name, path, sizeof(path))) ||
	    path_of_bundled(JB_DATADIR "/scripts", name, path, sizeof(path)))
		return read_path(text, path, messages);
	inside = jb_bundled(name, &len, &nearest);
	if (inside) {
		free(text->name);
		return text_copy(text, name, inside, len);
	}
	if (nearest)
		return complain_to(
			messages, "there is no file and no bundled script '%s'; did you mean '%s'?",
			name, nearest);
	return complain_to(messages, "there is no file and no bundled script '%s'", name);
}

int text_find(struct text *text, const char *word, FILE *messages)
{
	int err = name_text(text, word, messages);

	if (err)
		return err;
	if (strpbrk(word, "/."))
		return read_path(text, word, messages);
	return read_bundled(text, word, messages);
}

int text_find_near(struct text *text, const char *word, FILE *messages)
{
	return access(word, F_OK) ? text_find(text, word, messages)
				  : text_read(text, word, messages);
}

char *text_short_name(const char *name)
{
	const char *slash = strrchr(name, '/'), *from = slash ? slash + 1 : name;
	size_t len = strlen(from);

	if (len > strlen(SUFFIX) && strcmp(from + len - strlen(SUFFIX), SUFFIX) == 0)
		len -= strlen(SUFFIX);
	return strndup(from, len);
}

/* --- the list of bundled scripts --- */

struct names {
	char *list[BUNDLED_MAX];
	size_t n;
};

static void add_name(struct names *names, const char *name, size_t len)
{
	for (size_t i = 0; i < names->n; i++)
		if (strlen(names->list[i]) == len && strncmp(names->list[i], name, len) == 0)
			return;
	if (names->n < BUNDLED_MAX && (names->list[names->n] = strndup(name, len)))
		names->n++;
}

static void add_folder(struct names *names, const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		size_t len = strlen(entry->d_name);

		if (len > strlen(SUFFIX) &&
		    strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) == 0)
			add_name(names, entry->d_name, len - strlen(SUFFIX));
	}
	if (folder)
		closedir(folder);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void find_names(struct names *names)
{
	char folder[4200];

	names->n = 0;
	for (const struct jb_script *script = jb_scripts; script->name; script++)
		add_name(names, script->name, strlen(script->name));
	if (folder_in_tree(folder, sizeof(folder)))
		add_folder(names, folder);
	add_folder(names, JB_DATADIR "/scripts");
	qsort(names->list, names->n, sizeof(*names->list), compare_names);
}

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
}

/* The first line of words in the script's first comment, without "NAME - " before it. */
static void print_summary(const char *name, const char *text, FILE *out)
{
	const char *from = strstr(text, "/*"), *end;
	size_t len;

	if (!from)
		return;
	from += strspn(from, "/* \t\r\n");
	len = strlen(name);
	if (strncmp(from, name, len) == 0 && strncmp(from + len, " - ", 3) == 0)
		from += len + 3;
	len = strcspn(from, "\r\n");
	end = strstr(from, "*/");
	if (end && end < from + len)
		len = (size_t)(end - from);
	while (len && from[len - 1] == ' ')
		len--;
	fprintf(out, "%.*s", (int)len, from);
}

void scripts_list(FILE *out)
{
	struct names names;

	find_names(&names);
	for (size_t i = 0; i < names.n; i++) {
		struct text text = { 0 };

		fprintf(out, "%-20s ", names.list[i]);
		if (name_text(&text, names.list[i], stderr) == 0 &&
		    read_bundled(&text, names.list[i], stderr) == 0 && text.bytes)
			print_summary(names.list[i], text.bytes, out);
		fputc('\n', out);
		text_fini(&text);
	}
	free_names(&names);
}

void scripts_print_names(FILE *out)
{
	struct names names;

	find_names(&names);
	fputs("bundled scripts:", out);
	for (size_t i = 0; i < names.n; i++)
		fprintf(out, "%s %s", i ? "," : "", names.list[i]);
	fputs(" (-m list says what they do)\n", out);
	free_names(&names);
}
