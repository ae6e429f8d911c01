/*
 * Static probes of a program: the notes that <sys/sdt.h> leaves in .note.stapsdt, each with the place of a nop, the place
 * of a counter that the program tests, and text that says where the arguments are. The text is not understood here
 * (probes/usdt_arg.c). Symbols are not read, so that a pattern over the files of all processes stays quick.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lookup/internal.h"

#define NT_STAPSDT 3

struct notes {
	struct arena *arena;
	Elf *elf;
	size_t address_size; /* of the file's class */
	uint64_t base;	     /* where .stapsdt.base is now, 0: there is none */
	usdt_vec *found;
	struct strmap *known;
};

/* --- the file --- */

/* The part of the file that a loadable segment maps to this address; -ENOENT. */
static int64_t place_in_file(Elf *elf, uint64_t address)
{
	size_t n;

	if (elf_getphdrnum(elf, &n) != 0)
		return -ENOENT;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr ph;

		if (gelf_getphdr(elf, (int)i, &ph) && ph.p_type == PT_LOAD &&
		    address - ph.p_vaddr < ph.p_filesz)
			return (int64_t)(address - ph.p_vaddr + ph.p_offset);
	}
	return -ENOENT;
}

/* Calls each() with every section and its name until it returns true. */
static bool each_section(Elf *elf,
			 bool (*each)(void *, Elf_Scn *, const GElf_Shdr *, const char *name),
			 void *arg)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) != 0)
		return false;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;
		const char *name;

		if (!gelf_getshdr(scn, &sh))
			continue;
		name = elf_strptr(elf, names, sh.sh_name);
		if (name && each(arg, scn, &sh, name))
			return true;
	}
	return false;
}

static bool is_base(void *arg, Elf_Scn *scn, const GElf_Shdr *sh, const char *name)
{
	struct notes *notes = arg;

	(void)scn;
	if (strcmp(name, ".stapsdt.base") != 0)
		return false;
	notes->base = sh->sh_addr;
	return true;
}

/* --- notes --- */

static uint64_t word_at(const struct notes *notes, const char *desc, unsigned index)
{
	uint64_t word = 0;

	memcpy(&word, desc + index * notes->address_size, notes->address_size);
	return word;
}

/* The next of the strings that end the note, NULL when it does not end within the note. */
static const char *next_string(const char **at, const char *end)
{
	const char *text = *at, *nul = memchr(text, 0, (size_t)(end - text));

	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

/* Code that was generated twice and merged has its notes twice. */
static bool is_known(struct notes *notes, const struct usdt_note *note)
{
	const char *key = arena_printf(notes->arena, "%llx %s:%s", (unsigned long long)note->offset,
				       note->provider, note->name);

	if (strmap_get(notes->known, key))
		return true;
	strmap_put(notes->known, key, notes);
	return false;
}

/* A prelinked file was moved after its notes were written; the note's own base tells how far. */
static void add_note(struct notes *notes, const char *desc, size_t len)
{
	const char *at = desc + 3 * notes->address_size, *end = desc + len;
	struct usdt_note note;
	uint64_t moved, counter;
	int64_t offset;

	if (len < 3 * notes->address_size || !(note.provider = next_string(&at, end)) ||
	    !(note.name = next_string(&at, end)))
		return;
	note.args = at < end ? next_string(&at, end) : "";
	if (!note.args || !*note.name)
		return;
	moved = notes->base ? notes->base - word_at(notes, desc, 1) : 0;
	note.address = word_at(notes, desc, 0) + moved;
	offset = place_in_file(notes->elf, note.address);
	if (offset < 0)
		return;
	note.offset = (uint64_t)offset;
	counter = word_at(notes, desc, 2);
	offset = counter ? place_in_file(notes->elf, counter + moved) : 0;
	if (offset < 0)
		return;
	note.semaphore = (uint64_t)offset;
	if (is_known(notes, &note))
		return;
	note.provider = arena_strdup(notes->arena, note.provider);
	note.name = arena_strdup(notes->arena, note.name);
	note.args = arena_strdup(notes->arena, note.args);
	vec_push(notes->arena, notes->found, note);
}

static bool read_section(void *arg, Elf_Scn *scn, const GElf_Shdr *sh, const char *section)
{
	struct notes *notes = arg;
	size_t at = 0, name, desc;
	Elf_Data *data;
	GElf_Nhdr note;

	if (sh->sh_type != SHT_NOTE || strcmp(section, ".note.stapsdt") != 0)
		return false;
	data = elf_getdata(scn, NULL);
	while (data && (at = gelf_getnote(data, at, &note, &name, &desc))) {
		const char *bytes = data->d_buf;

		if (note.n_type == NT_STAPSDT && note.n_namesz == 8 &&
		    !memcmp(bytes + name, "stapsdt", 8))
			add_note(notes, bytes + desc, note.n_descsz);
	}
	return false;
}

/* --- opening --- */

static Elf *open_elf(struct lookup *lookup, const char *path, int *fd)
{
	Elf *elf = NULL;
	struct stat st;

	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0) {
		lookup_fail(lookup, errno, "%s cannot be read: %s", path, strerror(errno));
		return NULL;
	}
	elf_version(EV_CURRENT);
	if (!fstat(*fd, &st) && S_ISREG(st.st_mode))
		elf = elf_begin(*fd, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF && gelf_getclass(elf) != ELFCLASSNONE)
		return elf;
	lookup_fail(lookup, ENOEXEC, "%s is not an ELF file", path);
	elf_end(elf);
	close(*fd);
	return NULL;
}

const usdt_vec *lookup_usdt(struct lookup *lookup, const char *path)
{
	struct notes notes = { .arena = lookup->arena };
	int fd;

	if (!lookup->usdt)
		lookup->usdt = strmap_new(lookup->arena);
	notes.found = strmap_get(lookup->usdt, path);
	if (notes.found)
		return notes.found;
	notes.elf = open_elf(lookup, path, &fd);
	if (!notes.elf)
		return NULL;
	notes.found = arena_new_of(lookup->arena, usdt_vec);
	notes.known = strmap_new(lookup->arena);
	notes.address_size = gelf_getclass(notes.elf) == ELFCLASS32 ? 4 : 8;
	each_section(notes.elf, is_base, &notes);
	each_section(notes.elf, read_section, &notes);
	elf_end(notes.elf);
	close(fd);
	strmap_put(lookup->usdt, arena_strdup(lookup->arena, path), notes.found);
	return notes.found;
}

/* --- symbols that arguments name --- */

struct wanted {
	Elf *elf;
	const char *name;
	uint64_t *address;
};

static bool find_symbol(void *arg, Elf_Scn *scn, const GElf_Shdr *sh, const char *section)
{
	struct wanted *wanted = arg;
	Elf_Data *data;

	(void)section;
	if ((sh->sh_type != SHT_DYNSYM && sh->sh_type != SHT_SYMTAB) || !sh->sh_entsize)
		return false;
	data = elf_getdata(scn, NULL);
	for (size_t i = 1; data && i < data->d_size / sh->sh_entsize && i <= INT32_MAX; i++) {
		const char *name;
		GElf_Sym sym;

		if (!gelf_getsym(data, (int)i, &sym) || sym.st_shndx == SHN_UNDEF)
			continue;
		name = elf_strptr(wanted->elf, sh->sh_link, sym.st_name);
		if (!name || strcspn(name, "@") != strlen(wanted->name) ||
		    strncmp(name, wanted->name, strlen(wanted->name)) != 0)
			continue;
		*wanted->address = sym.st_value;
		return true;
	}
	return false;
}

int lookup_symbol_address(struct lookup *lookup, const char *path, const char *name,
			  uint64_t *address)
{
	struct wanted wanted = { .name = name };
	bool found;
	int fd;

	wanted.address = address;
	wanted.elf = open_elf(lookup, path, &fd);
	if (!wanted.elf)
		return -ENOENT;
	found = each_section(wanted.elf, find_symbol, &wanted);
	elf_end(wanted.elf);
	close(fd);
	return found ? 0 : lookup_fail(lookup, ENOENT, "%s has no symbol '%s'", path, name);
}
