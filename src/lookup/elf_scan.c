/*
 * Walks what an ELF file says about functions: its loadable segments and its symbol tables, wherever those are: in the
 * file, in the separate file with debug information, or compressed in .gnu_debugdata. What the readers make of it is
 * theirs: elf.c looks functions up by name, places.c by place.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lookup/internal.h"

enum {
	COPIED_MAX =
		16 << 20,     /* bytes of a file; of it, only the sections that are used are read */
	DEBUGDATA_FACTOR = 8, /* how much larger than its compressed form it is tried first, */
	DEBUGDATA_MAX = 64 << 20,    /* and at most, in bytes */
	DEBUGDATA_MEMORY = 64 << 20, /* what the decoder may use */
};

/*
 * A mapped file that someone cuts while it is read ends the program that reads it (SIGBUS), so only what is too large to
 * be copied is mapped.
 */
Elf *elf_open_fd(int fd)
{
	struct stat st;

	elf_version(EV_CURRENT);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return NULL;
	return elf_begin(fd, st.st_size <= COPIED_MAX ? ELF_C_READ : ELF_C_READ_MMAP, NULL);
}

/* --- segments --- */

static bool scan_segments(struct elf_scan *scan, Elf *elf)
{
	size_t n;

	if (elf_getphdrnum(elf, &n) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct elf_segment segment;
		GElf_Phdr ph;

		if (!gelf_getphdr(elf, (int)i, &ph) || ph.p_type != PT_LOAD)
			continue;
		segment = (struct elf_segment){ ph.p_vaddr, ph.p_offset, ph.p_filesz };
		scan->segment(scan->arg, &segment);
	}
	return true;
}

/* --- symbol tables --- */

static void scan_table(struct elf_scan *scan, Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n;

	if (!data || !sh->sh_entsize)
		return;
	n = data->d_size / sh->sh_entsize;
	for (size_t i = 1; i < n && i <= INT32_MAX; i++) {
		struct elf_function function;
		GElf_Sym sym;

		if (!gelf_getsym(data, (int)i, &sym) || GELF_ST_TYPE(sym.st_info) != STT_FUNC ||
		    sym.st_shndx == SHN_UNDEF)
			continue;
		function.name = elf_strptr(elf, sh->sh_link, sym.st_name);
		if (!function.name || !*function.name)
			continue;
		function.address = sym.st_value;
		function.size = sym.st_size;
		function.is_dynamic = sh->sh_type == SHT_DYNSYM;
		function.is_local = GELF_ST_BIND(sym.st_info) == STB_LOCAL;
		scan->function(scan->arg, &function);
	}
	if (scan->table_end)
		scan->table_end(scan->arg);
}

/* All tables of one type; false: there is none. */
static bool scan_tables(struct elf_scan *scan, Elf *elf, uint32_t type)
{
	Elf_Scn *scn = NULL;
	bool found = false;
	GElf_Shdr sh;

	while ((scn = elf_nextscn(elf, scn))) {
		if (!gelf_getshdr(scn, &sh) || sh.sh_type != type)
			continue;
		found = true;
		scan_table(scan, elf, scn, &sh);
	}
	return found;
}

static bool scan_debug_file(struct elf_scan *scan, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool found = false;
	Elf *elf;

	if (fd < 0)
		return false;
	elf = elf_open_fd(fd);
	if (elf)
		found = scan_tables(scan, elf, SHT_SYMTAB);
	elf_end(elf);
	close(fd);
	return found;
}

/* --- .gnu_debugdata: an ELF file with the symbols that .dynsym lacks, compressed --- */

static char *unpack(const Elf_Data *data, size_t *len)
{
	void *library = dlopen("liblzma.so.5", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	lzma_ret (*decode)(uint64_t *, uint32_t, const lzma_allocator *, const uint8_t *, size_t *,
			   size_t, uint8_t *, size_t *, size_t) = NULL;
	lzma_ret result = LZMA_BUF_ERROR;
	char *bytes = NULL;

	if (!library)
		return NULL;
	*(void **)(void *)&decode = dlsym(library, "lzma_stream_buffer_decode");
	for (size_t room = DEBUGDATA_FACTOR * data->d_size;
	     decode && result == LZMA_BUF_ERROR && room <= DEBUGDATA_MAX; room *= 2) {
		uint64_t limit = DEBUGDATA_MEMORY;
		size_t in = 0;

		*len = 0;
		bytes = mem_realloc(bytes, room);
		result = decode(&limit, 0, NULL, data->d_buf, &in, data->d_size, (uint8_t *)bytes,
				len, room);
	}
	dlclose(library);
	if (result != LZMA_OK) {
		free(bytes);
		bytes = NULL;
	}
	return bytes;
}

static bool scan_debugdata(struct elf_scan *scan, Elf *elf)
{
	Elf_Data *data = elf_section_data(elf, ".gnu_debugdata", SHT_PROGBITS);
	size_t len = 0;
	char *bytes = data && data->d_size ? unpack(data, &len) : NULL;
	Elf *inner = bytes ? elf_memory(bytes, len) : NULL;
	bool found = inner && scan_tables(scan, inner, SHT_SYMTAB);

	elf_end(inner);
	free(bytes);
	return found;
}

/* --- files --- */

static void scan_symbols(struct elf_scan *scan, Elf *elf, const char *path)
{
	struct arena *arena = arena_new();
	bool has_all = scan_tables(scan, elf, SHT_SYMTAB);
	const char *debug = has_all ? NULL : elf_debug_file(arena, elf, path);

	if (debug)
		has_all = scan_debug_file(scan, debug);
	/* A full table repeats the exported functions. */
	if (!has_all || scan->wants_exports)
		scan_tables(scan, elf, SHT_DYNSYM);
	if (!has_all)
		scan_debugdata(scan, elf);
	arena_free(arena);
}

const char *elf_scan(struct elf_scan *scan, int fd, const char *path)
{
	const char *error = NULL;
	GElf_Ehdr header;
	struct stat st;
	Elf *elf;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return "is not a regular file";
	elf = elf_open_fd(fd);
	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header)) {
		error = "is not an ELF file";
	} else if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
		error = "is neither a program nor a shared library";
	} else if (!scan_segments(scan, elf)) {
		error = "has no readable program headers";
	} else {
		scan->entry = header.e_entry;
		if (scan->function)
			scan_symbols(scan, elf, path);
	}
	elf_end(elf);
	return error;
}
