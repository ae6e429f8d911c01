/*
 * Functions of an ELF file, and where they lie in it. Symbols are copied out and the file is closed
 * again, so that a file that is replaced meanwhile cannot hurt. Demangling waits until someone
 * needs C++ names.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lookup/internal.h"

/* From the C++ runtime, which is linked because LLVM needs it. The result is from malloc. */
char *__cxa_demangle(const char *name, char *buffer, size_t *len, int *status);

struct reader {
	struct arena *arena;
	struct elf_file *file;
	size_t kept; /* functions whose names have been copied */
};

static int64_t file_offset(const struct elf_file *file, uint64_t address)
{
	const struct elf_segment *segment;

	vec_each (segment, &file->segments)
		if (address - segment->address < segment->size)
			return (int64_t)(address - segment->address + segment->offset);
	return -ENOENT;
}

/* --- what a scan finds --- */

static void add_segment(void *arg, const struct elf_segment *segment)
{
	struct reader *reader = arg;

	vec_push(reader->arena, &reader->file->segments, *segment);
}

static void add_function(void *arg, const struct elf_function *function)
{
	struct reader *reader = arg;
	int64_t offset = file_offset(reader->file, function->address);
	struct elf_symbol *symbol;

	if (offset < 0)
		return;
	symbol = vec_grow(reader->arena, &reader->file->elf.functions);
	symbol->name = function->name;
	symbol->address = function->address;
	symbol->size = function->size;
	symbol->offset = (uint64_t)offset;
	symbol->is_dynamic = function->is_dynamic;
}

static size_t name_length(const char *name)
{
	return strcspn(name, "@");
}

/* Names point into the table until this copies those of the functions that were taken. */
static void keep_names(void *arg)
{
	struct reader *reader = arg;
	struct elf_symbol *symbol = reader->file->elf.functions.data;
	size_t n = reader->file->elf.functions.n, total = 0;
	char *text;

	for (size_t i = reader->kept; i < n; i++)
		total += name_length(symbol[i].name) + 1;
	text = arena_alloc(reader->arena, total + 1);
	for (size_t i = reader->kept; i < n; i++) {
		size_t len = name_length(symbol[i].name);

		memcpy(text, symbol[i].name, len);
		symbol[i].name = text;
		text += len + 1;
	}
	reader->kept = n;
}

/* By name, then place, the exported one first. */
static int compare_symbols(const void *a, const void *b)
{
	const struct elf_symbol *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order)
		return order;
	if (x->offset != y->offset)
		return x->offset > y->offset ? 1 : -1;
	return y->is_dynamic - x->is_dynamic;
}

/* .symtab repeats what .dynsym has: keep one per name and place. */
static void sort_symbols(struct elf *elf)
{
	struct elf_symbol *data = elf->functions.data;
	size_t n = elf->functions.n, kept = 0;

	if (!n)
		return;
	qsort(data, n, sizeof(*data), compare_symbols);
	for (size_t i = 0; i < n; i++)
		if (!kept || data[kept - 1].offset != data[i].offset ||
		    strcmp(data[kept - 1].name, data[i].name) != 0)
			data[kept++] = data[i];
	elf->functions.n = kept;
}

/* --- files --- */

int elf_read(struct arena *arena, const char *path, struct elf_file **file, const char **error)
{
	struct reader reader = { .arena = arena };
	struct elf_scan scan = {
		.arg = &reader,
		.segment = add_segment,
		.function = add_function,
		.table_end = keep_names,
		.wants_exports = true,
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *what;

	if (fd < 0) {
		int err = -errno;

		*error = arena_printf(arena, "%s cannot be read: %s", path, strerror(-err));
		return err;
	}
	reader.file = arena_new_of(arena, struct elf_file);
	reader.file->elf.path = arena_strdup(arena, path);
	what = elf_scan(&scan, fd, path);
	close(fd);
	if (what) {
		*error = arena_printf(arena, "%s %s", path, what);
		return -ENOEXEC;
	}
	reader.file->elf.entry = scan.entry;
	sort_symbols(&reader.file->elf);
	*file = reader.file;
	return 0;
}

/* --- for lookup --- */

static struct elf_file *cached(struct lookup *lookup, const char *path)
{
	struct elf_file *file = NULL;
	const char *key;
	struct stat st;
	int err;

	if (stat(path, &st) != 0) {
		lookup_fail(lookup, errno, "%s cannot be read: %s", path, strerror(errno));
		return NULL;
	}
	if (!lookup->elves)
		lookup->elves = strmap_new(lookup->arena);
	key = arena_printf(lookup->arena, "%llx:%llx", (unsigned long long)st.st_dev,
			   (unsigned long long)st.st_ino);
	file = strmap_get(lookup->elves, key);
	if (!file) {
		err = elf_read(lookup->arena, path, &file, &lookup->error);
		if (err < 0) {
			errno = -err;
			return NULL;
		}
		strmap_put(lookup->elves, key, file);
	}
	return file;
}

const struct elf *lookup_elf(struct lookup *lookup, const char *path)
{
	struct elf_file *file = cached(lookup, path);

	return file ? &file->elf : NULL;
}

const struct elf_symbol *elf_find(const struct elf *elf, const char *name)
{
	size_t low = 0, high = elf->functions.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(elf->functions.data[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	/*
	 * Local functions may have the name of an exported one, which is then the one that is
	 * meant.
	 */
	for (size_t i = low; i < elf->functions.n && !strcmp(elf->functions.data[i].name, name);
	     i++)
		if (elf->functions.data[i].is_dynamic)
			return &elf->functions.data[i];
	if (low < elf->functions.n && !strcmp(elf->functions.data[low].name, name))
		return &elf->functions.data[low];
	return NULL;
}

int64_t elf_file_offset(struct lookup *lookup, const char *path, uint64_t address)
{
	const struct elf_file *file = cached(lookup, path);
	int64_t offset;

	if (!file)
		return errno ? -errno : -EINVAL;
	offset = file_offset(file, address);
	if (offset < 0)
		lookup_fail(lookup, ENOENT, "no loadable part of %s holds address 0x%llx", path,
			    (unsigned long long)address);
	return offset;
}

/* --- C++ names --- */

const char *elf_demangle_name(struct arena *arena, const char *name)
{
	const char *demangled = NULL;
	char *text;
	int status;

	if (name[0] != '_' || name[1] != 'Z')
		return NULL;
	text = __cxa_demangle(name, NULL, NULL, &status);
	if (text && status == 0)
		demangled = arena_strdup(arena, text);
	free(text);
	return demangled;
}

void elf_demangle(struct lookup *lookup, const struct elf *elf)
{
	struct elf_file *file = (struct elf_file *)elf;
	struct elf_symbol *symbol;

	if (file->is_demangled)
		return;
	file->is_demangled = true;
	vec_each (symbol, &file->elf.functions)
		symbol->demangled = elf_demangle_name(lookup->arena, symbol->name);
}

/* Where the parameter list begins: at the `(` that matches the last `)`. NULL: there is none. */
static const char *parameter_list(const char *text)
{
	const char *p = strrchr(text, ')');
	int depth = 0;

	for (; p && p >= text; p--) {
		if (*p == ')')
			depth++;
		else if (*p == '(' && --depth == 0)
			return p;
	}
	return NULL;
}

/*
 * Instances of templates are demangled with their return type: "int ns::max<int>(int, int)". The
 * name begins after the last space that is outside of all brackets; what follows the word
 * `operator` belongs to the name.
 */
static const char *name_begin(const char *text, const char *end)
{
	const char *begin = text;
	int depth = 0;

	for (const char *p = text; p < end; p++) {
		if (depth == 0 && !strncmp(p, "operator", 8) &&
		    (p == text || p[-1] == ':' || p[-1] == ' '))
			break;
		if (strchr("<({[", *p))
			depth++;
		else if (strchr(">)}]", *p) && depth)
			depth--;
		else if (*p == ' ' && depth == 0)
			begin = p + 1;
	}
	while (begin < end && (*begin == '*' || *begin == '&'))
		begin++;
	return begin;
}

const char *elf_plain_cpp_name(struct arena *arena, const char *demangled)
{
	const char *clone = strstr(demangled, " [clone"), *end, *begin;
	const char *text =
		clone ? arena_strndup(arena, demangled, (size_t)(clone - demangled)) : demangled;

	end = parameter_list(text);
	if (!end || end == text)
		return arena_strdup(arena, text);
	begin = name_begin(text, end);
	return arena_strndup(arena, begin, (size_t)(end - begin));
}
