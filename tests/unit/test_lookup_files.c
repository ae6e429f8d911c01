/*
 * Facts about files: ELF symbols, separate debug files, libraries that processes map, addresses in
 * processes. The shared library that is looked at is built by the system's compiler; without one
 * those tests are skipped.
 */
#include "lookup_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- ELF --- */

void jb_fixture_function(void);
__attribute__((noinline)) void jb_fixture_function(void)
{
	__asm__ volatile("");
}

static void test_elf_self(void **state)
{
	struct fixture *f = *state;
	const struct elf *elf = lookup_elf(f->lookup, "/proc/self/exe");
	const struct elf_symbol *symbol;

	assert_non_null(elf);
	symbol = elf_find(elf, "jb_fixture_function");
	assert_non_null(symbol);
	assert_true(symbol->size > 0);
	assert_int_equal(elf_file_offset(f->lookup, "/proc/self/exe", symbol->address),
			 symbol->offset);
	assert_int_equal(elf_file_offset(f->lookup, "/proc/self/exe", 1ull << 50), -ENOENT);
	for (size_t i = 1; i < elf->functions.n; i++)
		assert_true(strcmp(elf->functions.data[i - 1].name, elf->functions.data[i].name) <=
			    0);
	assert_null(elf_find(elf, "jb_fixture_functio"));
	assert_null(lookup_elf(f->lookup, "/etc/passwd"));
	assert_string_equal(lookup_error(f->lookup), "/etc/passwd is not an ELF file");
	assert_null(lookup_elf(f->lookup, "/tmp"));
	assert_null(lookup_elf(f->lookup, "/no/such/file"));
}

static void test_elf_plain_cpp_name(void **state)
{
	struct fixture *f = *state;
	static const char *const names[][2] = {
		{ "A::b(int)", "A::b" },
		{ "A::b(int) const", "A::b" },
		{ "int ns::max<int>(int, int)", "ns::max<int>" },
		{ "A::operator()(int) const", "A::operator()" },
		{ "A::operator<(A const&)", "A::operator<" },
		{ "operator new(unsigned long)", "operator new" },
		{ "(anonymous namespace)::f(void (*)(int)) [clone .cold]",
		  "(anonymous namespace)::f" },
		{ "std::vector<int, std::allocator<int> >::at(unsigned long)",
		  "std::vector<int, std::allocator<int> >::at" },
		{ "vtable for A", "vtable for A" },
		{ ")(", ")(" },
		{ "", "" },
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_string_equal(elf_plain_cpp_name(f->arena, names[i][0]), names[i][1]);
}

static const char library_source[] =
	"cat > %1$s/x.cc <<'END'\n"
	"namespace ns { int twice(int x) { return 2 * x; } }\n"
	"extern \"C\" int jbfix_exported(int x) { return ns::twice(x) + 1; }\n"
	"static __attribute__((noinline)) int hidden(int x) { return x * 3; }\n"
	"extern \"C\" int jbfix_second(int x) { return hidden(x); }\n"
	"END\n"
	"cd %1$s && g++ -O1 -shared -fPIC -Wl,--build-id=none x.cc -o libjbfix-1.2.so 2>/dev/null";

static bool make_library(struct fixture *f)
{
	if (run(library_source, f->folder) == 0)
		return true;
	print_message("skipped: no working g++\n");
	return false;
}

static void test_elf_debug_link(void **state)
{
	struct fixture *f = *state;
	const char *path = arena_printf(f->arena, "%s/libjbfix-1.2.so", f->folder);
	const struct elf *elf;

	if (!make_library(f))
		skip_because("no compiler to make a library with");
	elf = lookup_elf(f->lookup, path);
	assert_non_null(elf_find(elf, "_ZL6hiddeni"));
	elf_demangle(f->lookup, elf);
	assert_string_equal(elf_find(elf, "_ZN2ns5twiceEi")->demangled, "ns::twice(int)");
	assert_null(elf_find(elf, "jbfix_exported")->demangled);
	assert_true(elf_find(elf, "jbfix_exported")->is_dynamic);
	assert_false(elf_find(elf, "_ZL6hiddeni")->is_dynamic);
	if (run("cd %1$s && mkdir .debug && objcopy --only-keep-debug libjbfix-1.2.so "
		".debug/l.debug && "
		"strip -o stripped.so libjbfix-1.2.so && cp stripped.so wrong.so && "
		"cd .debug && objcopy --add-gnu-debuglink=l.debug ../stripped.so && "
		"cp l.debug other && objcopy --add-gnu-debuglink=other ../wrong.so && echo x >> "
		"other",
		f->folder) != 0)
		skip_because("no objcopy to part debug information with");
	elf = lookup_elf(f->lookup, arena_printf(f->arena, "%s/stripped.so", f->folder));
	assert_non_null(elf_find(elf, "_ZL6hiddeni"));
	elf = lookup_elf(f->lookup, arena_printf(f->arena, "%s/wrong.so", f->folder));
	assert_null(elf_find(elf, "_ZL6hiddeni"));
	assert_non_null(elf_find(elf, "jbfix_second"));
}

/* Damaged files may have any symbols, but must not hurt. */
static void test_elf_damaged(void **state)
{
	struct fixture *f = *state;
	const char *path = arena_printf(f->arena, "%s/damaged", f->folder);
	struct buf good = { 0 };
	uint32_t random = 12345;

	if (!make_library(f))
		skip_because("no compiler to make a library with");
	assert_int_equal(file_read(arena_printf(f->arena, "%s/libjbfix-1.2.so", f->folder), &good),
			 0);
	for (unsigned round = 0; round < 300; round++) {
		struct arena *arena = arena_new();
		char *copy = arena_strndup(arena, good.data, good.len);
		size_t len = round % 3 ? good.len : good.len * round / 300;
		struct elf_file *file;
		const char *error;
		FILE *out = fopen(path, "w");

		for (unsigned i = 0; i < 20; i++) {
			random = random * 1103515245 + 12345;
			copy[(random >> 8) % (i % 2 ? 256 : good.len)] = (char)(random >> 3);
		}
		fwrite(copy, 1, len, out);
		fclose(out);
		elf_read(arena, path, &file, &error);
		arena_free(arena);
	}
	buf_fini(&good);
}

/* --- libraries and programs --- */

static void test_library_matches(void **state)
{
	static const struct {
		const char *word, *file;
		bool yes;
	} rows[] = {
		{ "libavcodec", "libavcodec.so.59.37.100", true },
		{ "libavcodec", "libavcodec.so", true },
		{ "libavcodec", "libavcodec-5.so", true },
		{ "libavcodec", "libavcodecs.so", false },
		{ "libavcodec", "libavcodec-extra.so.1", false },
		{ "libavcodec", "libavcodec.sock", false },
		{ "libavcodec.so.59", "libavcodec.so.59.37.100", true },
		{ "libavcodec.so.59", "libavcodec.so.59", true },
		{ "libavcodec.so.5", "libavcodec.so.59", false },
		{ "libstdc++", "libstdc++.so.6.0.30", true },
		{ "bash", "bash", true },
		{ "bash", "bash-static", false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(library_matches(rows[i].word, rows[i].file, strlen(rows[i].file)),
				 rows[i].yes);
}

static void test_binaries(void **state)
{
	struct fixture *f = *state;
	binary_vec found;
	const char *nearest;

	assert_int_equal(lookup_binaries(f->lookup, "sh", 0, &found, &nearest), 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(lookup_binaries(f->lookup, "/bin/sh", 0, &found, &nearest), 0);
	assert_string_equal(found.data[0].shown, "/bin/sh");
	assert_int_equal(lookup_binaries(f->lookup, "libc.so.6", 0, &found, &nearest), 0);
	assert_true(found.n >= 1);
	assert_int_equal(lookup_binaries(f->lookup, "libstdc+", 0, &found, &nearest), -ENOENT);
	assert_string_equal(nearest, "libstdc++");
	assert_int_equal(lookup_binaries(f->lookup, "/tmp", 0, &found, &nearest), -EISDIR);
	assert_int_equal(lookup_binaries(f->lookup, "/nowhere/*", 0, &found, &nearest), -ENOENT);
	assert_int_equal(lookup_binaries(f->lookup, "", 0, &found, &nearest), -EINVAL);
	assert_int_equal(lookup_binaries(f->lookup, "", getpid(), &found, &nearest), 0);
	assert_string_equal(strrchr(found.data[0].shown, '/') + 1, program_invocation_short_name);
	assert_int_equal(lookup_binaries(f->lookup, "libc", 0x7ffffff0, &found, &nearest), -ESRCH);
}

/*
 * A child that maps the library, from the folder or, with is_private, from a file system that only
 * it sees. It ends when the pipe closes. Returns its pid, 0 when it cannot be made.
 */
static int start_child(struct fixture *f, bool is_private, int *hold, uint64_t *address)
{
	int down[2], up[2], pid;

	assert_int_equal(pipe(down), 0);
	assert_int_equal(pipe(up), 0);
	pid = fork();
	if (pid == 0) {
		uint64_t at = 0;
		void *library;
		char c;

		close(down[1]);
		if (!is_private || (unshare(CLONE_NEWNS) == 0 &&
				    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
				    run("mkdir %1$s/in && mount -t tmpfs none %1$s/in && "
					"cp %1$s/libjbfix-1.2.so %1$s/in/",
					f->folder) == 0)) {
			library = dlopen(arena_printf(f->arena, "%s/%slibjbfix-1.2.so", f->folder,
						      is_private ? "in/" : ""),
					 RTLD_NOW);
			at = library ? (uint64_t)(uintptr_t)dlsym(library, "jbfix_second") : 0;
		}
		if (write(up[1], &at, sizeof(at)) < 0 || read(down[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(down[0]);
	close(up[1]);
	if (read(up[0], address, sizeof(*address)) != sizeof(*address))
		*address = 0;
	close(up[0]);
	*hold = down[1];
	return *address ? pid : 0;
}

static void stop_child(int pid, int hold)
{
	close(hold);
	waitpid(pid ? pid : -1, NULL, 0);
}

static void test_mapped_library(void **state)
{
	struct fixture *f = *state;
	const char *path = arena_printf(f->arena, "%s/libjbfix-1.2.so", f->folder), *nearest;
	struct sym *sym = sym_new();
	struct symbol symbol;
	binary_vec found;
	uint64_t address;
	int hold, pid;

	if (!make_library(f))
		skip_because("no compiler to make a library with");
	pid = start_child(f, false, &hold, &address);
	assert_true(pid > 0);
	assert_int_equal(lookup_binaries(f->lookup, "libjbfix", 0, &found, &nearest), 0);
	assert_int_equal(found.n, 1);
	assert_string_equal(found.data[0].path, path);
	assert_int_equal(lookup_binaries(f->lookup, "libjbfix", pid, &found, &nearest), 0);
	assert_int_equal(found.n, 1);
	unlink(path);
	lookup_free(f->lookup); /* what was found once is kept: look again with a fresh one */
	f->lookup = lookup_new(f->types);
	if (geteuid() == 0) { /* /proc/PID/map_files needs a capability */
		assert_int_equal(lookup_binaries(f->lookup, "libjbfix", 0, &found, &nearest), 0);
		assert_non_null(strstr(found.data[0].path, "/map_files/"));
		assert_non_null(
			elf_find(lookup_elf(f->lookup, found.data[0].path), "jbfix_exported"));
		symbol = sym_user(sym, pid, address + 1, 0);
		assert_string_equal(symbol.name, "jbfix_second");
		assert_int_equal(symbol.offset, 1);
	}
	stop_child(pid, hold);
	if (geteuid() == 0)
		assert_string_equal(sym_user(sym, pid, address, 0).name, "jbfix_second");
	assert_null(sym_user(sym, pid, 16, 0).name);
	sym_free(sym);
}

static void test_mapped_elsewhere(void **state)
{
	struct fixture *f = *state;
	const char *nearest;
	binary_vec found;
	uint64_t address;
	int hold, pid;

	if (!make_library(f))
		skip_because("no compiler to make a library with");
	pid = start_child(f, true, &hold, &address);
	if (!pid) {
		stop_child(pid, hold);
		skip_because("no private mount namespace");
	}
	assert_int_equal(lookup_binaries(f->lookup, "libjbfix", pid, &found, &nearest), 0);
	assert_int_equal(found.n, 1);
	assert_string_equal(
		found.data[0].path,
		arena_printf(f->arena, "/proc/%d/root%s/in/libjbfix-1.2.so", pid, f->folder));
	assert_string_equal(found.data[0].shown,
			    arena_printf(f->arena, "%s/in/libjbfix-1.2.so", f->folder));
	assert_non_null(lookup_elf(f->lookup, found.data[0].path));
	stop_child(pid, hold);
}

/* --- addresses --- */

static void test_sym_self(void **state)
{
	struct sym *sym = sym_new();
	struct symbol symbol = sym_user(sym, getpid(), (uint64_t)(uintptr_t)jb_fixture_function, 0);

	(void)state;
	assert_string_equal(symbol.name, "jb_fixture_function");
	assert_int_equal(symbol.offset, 0);
	assert_string_equal(strrchr(symbol.module, '/') + 1, program_invocation_short_name);
	assert_null(sym_user(sym, getpid(), (uint64_t)(uintptr_t)&sym, 0).name);
	assert_null(sym_user(sym, 0x7ffffff0, 4096, 0).name);
	assert_null(sym_user(sym, -1, 4096, 0).name);
	sym_free(sym);
}

int main(void)
{
	/* clang-format off */
	const struct CMUnitTest tests[] = {
		TEST(test_elf_self),
		TEST(test_elf_plain_cpp_name),
		TEST(test_elf_debug_link),
		TEST(test_elf_damaged),
		TEST(test_library_matches),
		TEST(test_binaries),
		TEST(test_mapped_library),
		TEST(test_mapped_elsewhere),
		TEST(test_sym_self),
	};
	/* clang-format on */

	return cmocka_run_group_tests_name("lookup files", tests, NULL, NULL);
}
