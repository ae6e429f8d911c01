/*
 * The separate file that holds the symbol table of a stripped one: by build id under
 * /usr/lib/debug/.build-id, else by the name in .gnu_debuglink. Only a file that proves to belong
 * (same build id, or the link's checksum) is taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lookup/internal.h"

enum { BUILD_ID_MAX = 64 };

struct build_id {
	unsigned char bytes[BUILD_ID_MAX];
	size_t len; /* 0: none */
};

Elf_Scn *elf_section(Elf *elf, const char *name, uint32_t type)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return NULL;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;
		const char *its;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != type)
			continue;
		its = elf_strptr(elf, names, sh.sh_name);
		if (its && !strcmp(its, name))
			return scn;
	}
	return NULL;
}

Elf_Data *elf_section_data(Elf *elf, const char *name, uint32_t type)
{
	Elf_Scn *scn = elf_section(elf, name, type);

	return scn ? elf_getdata(scn, NULL) : NULL;
}

static struct build_id read_build_id(Elf *elf)
{
	Elf_Data *data = elf_section_data(elf, ".note.gnu.build-id", SHT_NOTE);
	struct build_id id = { .len = 0 };
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	while (data && (at = gelf_getnote(data, at, &note, &name, &desc))) {
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
		    note.n_descsz > BUILD_ID_MAX ||
		    memcmp((const char *)data->d_buf + name, "GNU", 4) != 0)
			continue;
		memcpy(id.bytes, (const char *)data->d_buf + desc, note.n_descsz);
		id.len = note.n_descsz;
		break;
	}
	return id;
}

static bool has_build_id(const char *path, const struct build_id *want)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct build_id its = { .len = 0 };
	Elf *elf;

	if (fd < 0)
		return false;
	elf = elf_open_fd(fd);
	if (elf)
		its = read_build_id(elf);
	elf_end(elf);
	close(fd);
	return its.len == want->len && !memcmp(its.bytes, want->bytes, want->len);
}

static bool has_checksum(const char *path, uint32_t want)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uLong sum = crc32(0, NULL, 0);
	unsigned char block[16384];
	ssize_t n;

	if (fd < 0)
		return false;
	while ((n = read(fd, block, sizeof(block))) > 0)
		sum = crc32(sum, block, (uInt)n);
	close(fd);
	return n == 0 && sum == want;
}

static const char *by_build_id(struct arena *arena, const struct build_id *id)
{
	struct buf path = { 0 };
	const char *found = NULL;

	if (id->len < 2)
		return NULL;
	buf_printf(&path, "/usr/lib/debug/.build-id/%02x/", id->bytes[0]);
	for (size_t i = 1; i < id->len; i++)
		buf_printf(&path, "%02x", id->bytes[i]);
	buf_puts(&path, ".debug");
	if (access(path.data, R_OK) == 0 && has_build_id(path.data, id))
		found = arena_strdup(arena, path.data);
	buf_fini(&path);
	return found;
}

static const char *candidate(struct arena *arena, const char *before, const char *folder,
			     const char *middle, const char *name)
{
	return arena_printf(arena, "%s%s%s/%s", before, folder, middle, name);
}

/* The section holds a file name, padded to 4 bytes, and a CRC-32 of that file. */
static const char *by_link(struct arena *arena, Elf *elf, const char *path,
			   const struct build_id *id)
{
	Elf_Data *data = elf_section_data(elf, ".gnu_debuglink", SHT_PROGBITS);
	const char *name = data ? data->d_buf : NULL, *slash = strrchr(path, '/'), *folder;
	size_t len = name ? strnlen(name, data->d_size) : 0, at = (len + 4) & ~(size_t)3;
	uint32_t sum;

	if (!len || at + sizeof(sum) > data->d_size || strchr(name, '/') || !slash)
		return NULL;
	memcpy(&sum, name + at, sizeof(sum));
	folder = arena_strndup(arena, path, (size_t)(slash - path));

	const char *const places[] = {
		candidate(arena, "", folder, "", name),
		candidate(arena, "", folder, "/.debug", name),
		candidate(arena, "/usr/lib/debug", folder, "", name),
	};

	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++)
		if (strcmp(places[i], path) != 0 && access(places[i], R_OK) == 0 &&
		    (id->len ? has_build_id(places[i], id) : has_checksum(places[i], sum)))
			return places[i];
	return NULL;
}

const char *elf_debug_file(struct arena *arena, Elf *elf, const char *path)
{
	struct build_id id = read_build_id(elf);
	const char *found = by_build_id(arena, &id);

	return found ? found : by_link(arena, elf, path, &id);
}
