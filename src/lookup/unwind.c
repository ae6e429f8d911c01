/*
 * Unwinding of copied stacks by libdwfl: it knows call-frame information, we know what the process maps, and its memory
 * is the copied piece. One state per process, for the few that were asked for last; a file is opened when a frame
 * lies in it.
 */
#include "lookup/unwind.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "lookup/libdw.h"
#include "lookup/places.h"

enum {
	STATES_MAX = 16,
	REGISTERS = 16, /* without the instruction pointer */
	PAGE = 4096,
};

/* One file in one process; found again by libdwfl's callbacks. */
struct mapped {
	struct state *state;
	struct module *module;
	struct mapping where;
};

struct state {
	int pid; /* 0: not in use */
	uint64_t version;
	uint64_t used; /* higher: later */
	struct unwind *unwind;
	Dwfl *dwfl;
	bool is_attached;
	struct mapped *mapped; /* heap */
	const struct stack_copy *copy;
	uint64_t *addresses;
	unsigned n, max;
};

struct unwind {
	const struct libdw *dw;
	struct modules *modules;
	struct spaces *spaces;
	struct state states[STATES_MAX];
	uint64_t clock;
};

struct unwind *unwind_new(struct modules *modules, struct spaces *spaces)
{
	struct unwind *unwind = mem_alloc(sizeof(*unwind));

	*unwind = (struct unwind){ .dw = libdw_load(), .modules = modules, .spaces = spaces };
	return unwind;
}

bool unwind_is_possible(const char **package)
{
	*package = LIBDW_PACKAGE;
	return libdw_load() != NULL;
}

/* --- what libdwfl asks for --- */

/* The kernel's own library in every process is the one in ours. */
static Elf *vdso(void)
{
	unsigned long address = getauxval(AT_SYSINFO_EHDR); /* the kernel gives it as a number */
	const Elf64_Ehdr *head;
	char *bytes;

	memcpy(&bytes, &address, sizeof(bytes));
	head = (const void *)bytes;
	if (!head)
		return NULL;
	return elf_memory(bytes, head->e_shoff + (size_t)head->e_shnum * head->e_shentsize);
}

static int find_elf(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
		    char **file_name, Elf **elf)
{
	struct mapped *mapped = *userdata;
	struct arena *arena;
	const char *path;
	int fd = -1;

	(void)module;
	(void)base;
	*file_name = NULL;
	if (!strcmp(name, "[vdso]")) {
		*elf = vdso();
		return -1;
	}
	arena = arena_new();
	path = modules_openable(mapped->module, arena, mapped->state->pid, &mapped->where);
	if (path)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		*file_name = strdup(path); /* libdwfl frees it */
	arena_free(arena);
	return fd;
}

/* Call-frame information is in the file itself. */
static int find_debuginfo(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
			  const char *file_name, const char *link, GElf_Word checksum, char **found)
{
	(void)module;
	(void)userdata;
	(void)name;
	(void)base;
	(void)file_name;
	(void)link;
	(void)checksum;
	(void)found;
	return -1;
}

static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	struct state *state = arg;

	(void)dwfl;
	if (*thread_arg)
		return 0;
	*thread_arg = state;
	return state->pid;
}

static bool read_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *arg)
{
	const struct stack_copy *copy = ((struct state *)arg)->copy;
	uint64_t at = address - copy->base;

	(void)dwfl;
	if (copy->len < sizeof(*result) || at > copy->len - sizeof(*result))
		return false;
	memcpy(result, copy->bytes + at, sizeof(*result));
	return true;
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct state *state = arg;
	const struct libdw *dw = state->unwind->dw;
	Dwarf_Word registers[REGISTERS];

	for (unsigned i = 0; i < REGISTERS; i++)
		registers[i] = state->copy->registers[i];
	dw->dwfl_thread_state_register_pc(thread, state->copy->registers[REGISTERS]);
	return dw->dwfl_thread_state_registers(thread, 0, REGISTERS, registers);
}

static int take_frame(Dwfl_Frame *frame, void *arg)
{
	struct state *state = arg;
	Dwarf_Addr address;

	if (state->n == state->max || !state->unwind->dw->dwfl_frame_pc(frame, &address, NULL) ||
	    !address)
		return DWARF_CB_ABORT;
	state->addresses[state->n++] = address;
	return DWARF_CB_OK;
}

/* --- states --- */

static void close_state(struct state *state)
{
	if (state->dwfl)
		state->unwind->dw->dwfl_end(state->dwfl);
	free(state->mapped);
	*state = (struct state){ 0 };
}

void unwind_free(struct unwind *unwind)
{
	for (unsigned i = 0; unwind && i < STATES_MAX; i++)
		close_state(&unwind->states[i]);
	free(unwind);
}

/* Files lie in memory from where their first segment begins; `range` is one that holds code. */
static bool report_module(struct state *state, const struct range *range, uint64_t end,
			  struct mapped *mapped)
{
	const struct libdw *dw = state->unwind->dw;
	Dwfl_Module *module;
	uint64_t delta;
	void **userdata;

	*mapped = (struct mapped){
		.state = state,
		.module = range->module,
		.where = { .start = range->start, .end = range->end, .offset = range->offset },
	};
	if (!strcmp(range->module->path, "[vdso]"))
		delta = 0;
	else if (!modules_delta(range->module, state->pid, &mapped->where, &delta))
		return false;
	module =
		dw->dwfl_report_module(state->dwfl, range->module->path, range->start - delta, end);
	if (!module || !dw->dwfl_module_info(module, &userdata, NULL, NULL, NULL, NULL, NULL, NULL))
		return false;
	*userdata = mapped;
	return true;
}

static void report_modules(struct state *state)
{
	size_t n, used = 0;
	const struct range *ranges = spaces_ranges(state->unwind->spaces, state->pid, &n);

	state->mapped = mem_alloc((n + 1) * sizeof(*state->mapped));
	for (size_t i = 0, next; i < n; i = next) {
		for (next = i + 1; next < n && ranges[next].module == ranges[i].module;)
			next++;
		if (ranges[i].module)
			used += report_module(state, &ranges[i], ranges[next - 1].end,
					      &state->mapped[used]);
	}
}

static bool open_state(struct state *state)
{
	static const Dwfl_Callbacks finders = { .find_elf = find_elf,
						.find_debuginfo = find_debuginfo };
	static const Dwfl_Thread_Callbacks threads = { .next_thread = next_thread,
						       .memory_read = read_memory,
						       .set_initial_registers = set_registers };
	const struct libdw *dw = state->unwind->dw;

	state->dwfl = dw->dwfl_begin(&finders);
	if (!state->dwfl)
		return false;
	dw->dwfl_report_begin_add(state->dwfl);
	report_modules(state);
	if (dw->dwfl_report_end(state->dwfl, NULL, NULL) != 0)
		return false;
	state->is_attached = dw->dwfl_attach_state(state->dwfl, NULL, state->pid, &threads, state);
	return state->is_attached;
}

static struct state *find_state(struct unwind *unwind, int pid)
{
	uint64_t version = spaces_version(unwind->spaces, pid);
	struct state *state = &unwind->states[0];

	for (unsigned i = 0; i < STATES_MAX; i++) {
		if (unwind->states[i].pid == pid) {
			state = &unwind->states[i];
			break;
		}
		if (unwind->states[i].used < state->used)
			state = &unwind->states[i];
	}
	if (state->pid != pid || state->version != version) {
		close_state(state);
		state->unwind = unwind;
		state->pid = pid;
		state->version = version;
		open_state(state);
	}
	state->used = ++unwind->clock;
	return state;
}

unsigned unwind_stack(struct unwind *unwind, int pid, const struct stack_copy *copy,
		      uint64_t *addresses, unsigned max)
{
	struct state *state;

	if (!unwind->dw || pid <= 0 || !max)
		return 0;
	state = find_state(unwind, pid);
	state->copy = copy;
	state->addresses = addresses;
	state->n = 0;
	state->max = max;
	if (state->is_attached)
		unwind->dw->dwfl_getthread_frames(state->dwfl, pid, take_frame, state);
	/* Without files there is still the place itself. */
	if (!state->n)
		addresses[state->n++] = copy->registers[REGISTERS];
	return state->n;
}
