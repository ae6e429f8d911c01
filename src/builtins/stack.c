/*
 * Stacks. The kernel side records addresses, or registers and a piece of the stack; what they are called is found when a
 * record is decoded, through lookup/sym.h.
 */
#include "builtins/builtins.h"

#include <inttypes.h>

#include "bpf-runtime/abi.h"
#include "codegen/cg.h"
#include "lookup/sym.h"

_Static_assert(PLAN_STACK_STEP == JB_STACK_STEP && PLAN_STACK_MAX == JB_STACK_COPY_MAX,
	       "the plan's stack sizes are the runtime's");

enum { KSTACK, USTACK, USTACK_BUILD_ID, USTACK_DWARF }; /* rows of named_types_stack */

/* How a stack is shown; NULL, the default, is "bpftrace". */
static const char *const stack_modes[] = { "bpftrace", "perf", "raw", "folded", "build_id" };

/* --- kstack, kstack(mode), kstack(frames), kstack(mode, frames); ustack(dwarf, mode, frames) --- */

struct request {
	const char *mode;
	bool dwarf;
	int64_t frames;
};

static const char *find_stack_mode(const char *word)
{
	for (size_t i = 0; i < sizeof(stack_modes) / sizeof(*stack_modes); i++)
		if (!strcmp(word, stack_modes[i]))
			return stack_modes[i];
	return NULL;
}

static bool check_word(struct check *check, struct node *arg, const char *word, bool user,
		       struct request *request)
{
	if (user && !strcmp(word, "dwarf")) {
		request->dwarf = true;
		return true;
	}
	request->mode = find_stack_mode(word);
	if (!request->mode)
		return check_error(check, arg,
				   user ? "'%s' is not a stack mode: bpftrace, perf, raw, folded, "
					  "build_id, dwarf"
					: "'%s' is not a stack mode: bpftrace, perf, raw or folded",
				   word);
	if (!user && !strcmp(word, "build_id"))
		return check_error(
			check, arg,
			"build_id is for user stacks: all of the kernel has one build id");
	return true;
}

static bool check_args(struct check *check, struct node *node, bool user, struct request *request)
{
	struct node *arg;
	const char *word;

	node_each (arg, node->args) {
		word = builtin_word(arg);
		if (word) {
			if (!check_word(check, arg, word, user, request))
				return false;
		} else if (!check_const_int(check, arg, &request->frames)) {
			return false;
		} else if (request->frames < 1 || request->frames > JB_STACK_FRAMES) {
			return check_error(check, arg, "a stack has between 1 and %d frames",
					   JB_STACK_FRAMES);
		}
	}
	return true;
}

static bool check_dwarf(struct check *check, struct node *node, const struct request *request)
{
	const char *package;

	if (!strcmp(request->mode, "build_id"))
		return check_error(check, node,
				   "dwarf and build_id exclude each other: build ids come with the "
				   "stacks that the kernel walks");
	if (!sym_can_unwind(&package))
		return check_error(check, node,
				   "ustack(dwarf) needs the library libdw; install the package %s",
				   package);
	return true;
}

/* Words of 8 bytes that a stack of this type has. */
static uint32_t count_words(const struct check *check, unsigned row, int64_t frames)
{
	if (row == USTACK_DWARF)
		return (uint32_t)(sizeof(struct jb_stack_copy) + check->plan->dwarf_stack_size) / 8;
	if (row == USTACK_BUILD_ID)
		return 1 + (uint32_t)frames * (sizeof(struct jb_build_id) / 8);
	return 1 + (uint32_t)frames;
}

static bool check_stack(struct check *check, struct node *node)
{
	bool user = node->builtin->name[0] == 'u';
	struct request request = { check->plan->stack_mode, false, JB_STACK_FRAMES };
	unsigned row;

	/* The configured one is for both; the kernel has one build id. */
	if (!user && !strcmp(request.mode, "build_id"))
		request.mode = "raw";
	if (!check_args(check, node, user, &request) ||
	    (request.dwarf && !check_dwarf(check, node, &request)))
		return false;
	row = !user				 ? KSTACK
	      : request.dwarf			 ? USTACK_DWARF
	      : strcmp(request.mode, "build_id") ? USTACK
						 : USTACK_BUILD_ID;
	if (!strcmp(request.mode, "bpftrace"))
		request.mode = NULL;
	node->type = type_named(
		check->types, &named_types_stack[row],
		type_array(check->types, type_u64(), count_words(check, row, request.frames)),
		(uint32_t)request.frames, request.mode);
	return true;
}

/* The events of system calls give some kernels the registers of user space. */
static const char *address_function(struct cg *cg, const struct type *type)
{
	const struct instance *instance = cg_instance(cg);
	const char *syscall_event = "tracepoint:syscalls:";

	if (type->named == &named_types_stack[USTACK])
		return "jb_stack_user";
	return !strcmp(instance->section, "tp") && !strncmp(instance->targets.data[0]->name,
							    syscall_event, strlen(syscall_event))
		       ? "jb_stack_kernel_syscall"
		       : "jb_stack_kernel";
}

static void *gen_stack(struct cg *cg, const struct node *node, void *dst)
{
	const struct type *type = node->type;
	uint32_t copied = type->size - (uint32_t)sizeof(struct jb_stack_copy);
	LLVMValueRef frames[] = { cg_ctx(cg), dst, cg_int(cg, type->count) };

	if (type->named == &named_types_stack[USTACK_DWARF])
		cg_rt(cg, "jb_stack_copy", (LLVMValueRef[]){ dst, cg_int(cg, copied) }, 2);
	else if (type->named == &named_types_stack[USTACK_BUILD_ID])
		cg_rt(cg, "jb_stack_build_id", frames, 3);
	else
		cg_rt(cg, address_function(cg, type), frames, 3);
	return NULL;
}

/* --- frames --- */

/* A stack while its frames are being made; inlined functions are frames, too. */
struct frames {
	struct decode *decode;
	const char *mode;
	bool user;
	uint32_t pid;
	VEC(struct value) items;
};

static bool is_mode(const struct frames *frames, const char *mode)
{
	return frames->mode && !strcmp(frames->mode, mode);
}

static void add_frame(struct frames *frames, const char *text, uint64_t ip)
{
	struct value value = value_symbol(text, ip);

	value.len = (uint32_t)strlen(text);
	vec_push(frames->decode->arena, &frames->items, value);
}

/* "@file:line"; nothing when it is not known. */
static const char *place_text(struct arena *arena, const struct symbol_line *line)
{
	return line->file ? arena_printf(arena, "@%s:%u", line->file, line->line) : "";
}

static void add_inlined(struct frames *frames, const struct symbol_line *line, uint64_t ip)
{
	struct arena *arena = frames->decode->arena;
	const char *name = line->function ? line->function : "[unknown]";

	if (is_mode(frames, "folded"))
		add_frame(frames, arena_strdup(arena, name), ip);
	else if (is_mode(frames, "perf"))
		add_frame(frames, arena_printf(arena, "%" PRIx64 " %s (inlined)", ip, name), ip);
	else
		add_frame(frames,
			  arena_printf(arena, "[inlined] %s%s", name, place_text(arena, line)), ip);
}

static const char *perf_text(const struct frames *frames, const struct symbol *symbol, uint64_t ip)
{
	struct arena *arena = frames->decode->arena;
	const char *module = symbol->module ? symbol->module : "[unknown]";
	const char *name =
		symbol->name ? arena_printf(arena, "%s+%" PRIu64, symbol->name, symbol->offset)
			     : "[unknown]";

	if (!frames->user)
		return arena_printf(arena, "%" PRIx64 " %s", ip, name);
	return arena_printf(arena, "%" PRIx64 " %s (%s)", ip, name, module);
}

/* Addresses would make each stack one of its own; what is known of all of them is the file. */
static const char *file_text(struct arena *arena, const struct symbol *symbol)
{
	const char *path = symbol->module ? symbol->module : "unknown", *slash = strrchr(path, '/');

	return path[0] == '[' ? arena_strdup(arena, path)
			      : arena_printf(arena, "[%s]", slash ? slash + 1 : path);
}

static const char *symbol_text(const struct frames *frames, const struct symbol *symbol,
			       uint64_t ip)
{
	struct arena *arena = frames->decode->arena;
	const char *place =
		symbol->n_lines ? place_text(arena, &symbol->lines[symbol->n_lines - 1]) : "";

	if (is_mode(frames, "perf"))
		return perf_text(frames, symbol, ip);
	if (is_mode(frames, "folded") && !symbol->name)
		return file_text(arena, symbol);
	if (!symbol->name)
		return arena_printf(arena, "0x%" PRIx64 "%s", ip, place);
	if (is_mode(frames, "folded"))
		return arena_strdup(arena, symbol->name);
	return arena_printf(arena, "%s+%" PRIu64 "%s", symbol->name, symbol->offset, place);
}

static void add_address(struct frames *frames, uint64_t ip, bool is_caller)
{
	struct decode *decode = frames->decode;
	unsigned flags = is_caller ? SYM_CALLER : 0;
	struct symbol symbol = { 0 };

	if (is_mode(frames, "raw")) {
		add_frame(frames, arena_printf(decode->arena, "%" PRIx64, ip), ip);
		return;
	}
	if (!decode->plan || decode->plan->show_debug_info)
		flags |= SYM_LINES;
	if (decode->sym)
		symbol = frames->user ? sym_user(decode->sym, (int)frames->pid, ip, flags)
				      : sym_kernel(decode->sym, ip, flags);
	for (unsigned i = 0; i + 1 < symbol.n_lines; i++)
		add_inlined(frames, &symbol.lines[i], ip);
	add_frame(frames, symbol_text(frames, &symbol, ip), ip);
}

/* "main;read;vfs_read": outermost first, as flame graphs want it. */
static struct value fold(struct arena *arena, const struct value *frames, size_t n)
{
	size_t len = 0;
	char *text, *p;

	for (size_t i = 0; i < n; i++)
		len += frames[i].len + 1;
	p = text = arena_alloc(arena, len + 1);
	for (size_t i = n; i-- > 0;) {
		memcpy(p, frames[i].text, frames[i].len);
		p += frames[i].len;
		if (i)
			*p++ = ';';
	}
	return value_str(text, (uint32_t)(p - text));
}

static struct value finish(struct frames *frames)
{
	struct value stack = { .kind = VALUE_STACK };

	if (is_mode(frames, "folded"))
		return fold(frames->decode->arena, frames->items.data, frames->items.n);
	if (frames->mode)
		stack.text = is_mode(frames, "perf") ? "\t" : "";
	stack.items = frames->items.data;
	stack.len = (uint32_t)frames->items.n;
	return stack;
}

/* --- decoding --- */

static struct value decode_addresses(struct decode *decode, const struct type *type,
				     const void *bytes, bool user)
{
	struct frames frames = { .decode = decode, .mode = type->param, .user = user };
	const char *at = (const char *)bytes + sizeof(struct jb_stack);
	struct jb_stack head;
	uint64_t ip;

	memcpy(&head, bytes, sizeof(head));
	frames.pid = head.pid;
	for (uint32_t i = 0; i < head.n && i < type->count; i++) {
		memcpy(&ip, at + i * sizeof(ip), sizeof(ip));
		add_address(&frames, ip, i > 0);
	}
	return finish(&frames);
}

static struct value decode_kstack(struct decode *decode, const struct type *type, const void *bytes)
{
	return decode_addresses(decode, type, bytes, false);
}

static struct value decode_ustack(struct decode *decode, const struct type *type, const void *bytes)
{
	return decode_addresses(decode, type, bytes, true);
}

/* Where the kernel could not read the build id (the page was not in memory), it gives the address. */
static const char *build_id_text(struct arena *arena, const struct jb_build_id *frame)
{
	char digits[2 * sizeof(frame->id) + 1];

	if (frame->status != JB_BUILD_ID_VALID)
		return arena_printf(arena, "0x%" PRIx64, (uint64_t)frame->offset);
	for (unsigned i = 0; i < sizeof(frame->id); i++)
		snprintf(&digits[2 * i], 3, "%02x", frame->id[i]);
	return arena_printf(arena, "%s 0x%" PRIx64, digits, (uint64_t)frame->offset);
}

static struct value decode_build_id(struct decode *decode, const struct type *type,
				    const void *bytes)
{
	struct frames frames = { .decode = decode, .mode = type->param, .user = true };
	const char *at = (const char *)bytes + sizeof(struct jb_stack);
	struct jb_build_id frame;
	struct jb_stack head;

	memcpy(&head, bytes, sizeof(head));
	for (uint32_t i = 0; i < head.n && i < type->count; i++) {
		memcpy(&frame, at + i * sizeof(frame), sizeof(frame));
		if (frame.status != JB_BUILD_ID_EMPTY)
			add_frame(&frames, build_id_text(decode->arena, &frame), frame.offset);
	}
	return finish(&frames);
}

/* Registers as struct pt_regs has them, in the order of DWARF's numbers for x86-64. */
static void order_registers(const uint64_t *kernel, uint64_t *dwarf)
{
	static const uint8_t from[] = { 10, 11, 12, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16 };

	for (unsigned i = 0; i < sizeof(from); i++)
		dwarf[i] = kernel[from[i]];
}

static struct value decode_dwarf(struct decode *decode, const struct type *type, const void *bytes)
{
	struct frames frames = { .decode = decode, .mode = type->param, .user = true };
	uint64_t registers[17], addresses[JB_STACK_FRAMES];
	struct jb_stack_copy head;
	struct stack_copy copy = { .registers = registers };
	unsigned n;

	memcpy(&head, bytes, sizeof(head));
	if (!head.pid || !decode->sym)
		return finish(&frames);
	order_registers((const uint64_t *)head.registers, registers);
	copy.base = head.base;
	copy.bytes = (const uint8_t *)bytes + sizeof(head);
	copy.len = head.len < type->size - sizeof(head) ? head.len : type->size - sizeof(head);
	frames.pid = head.pid;
	n = sym_unwind(decode->sym, (int)head.pid, &copy, addresses,
		       type->count < JB_STACK_FRAMES ? type->count : JB_STACK_FRAMES);
	for (unsigned i = 0; i < n; i++)
		add_address(&frames, addresses[i], i > 0);
	return finish(&frames);
}

/* clang-format off */
const struct named_type named_types_stack[] = {
	[KSTACK] = { .name = "kstack_t", .decode = decode_kstack },
	[USTACK] = { .name = "ustack_t", .decode = decode_ustack, .user_addresses = true },
	[USTACK_BUILD_ID] = { .name = "ustack_build_id_t", .decode = decode_build_id },
	[USTACK_DWARF] = { .name = "ustack_dwarf_t", .decode = decode_dwarf, .user_addresses = true,
	  .not_key = "a copied stack cannot be a key: its bytes differ each time, and it is unwound only when it is read; print or emit it, or use ustack without dwarf" },
	{ 0 },
};

const struct builtin builtins_stack[] = {
	{ .name = "kstack", .proto = "kstack_t kstack([const any mode], [const any frames])", .check = check_stack, .gen = gen_stack,
	  .doc = "The kernel's stack; mode: bpftrace, perf, raw or folded." },
	{ .name = "ustack", .proto = "ustack_t ustack([const any mode], [const any frames], [const any how])", .check = check_stack, .gen = gen_stack,
	  .doc = "The user stack of the current thread; mode: bpftrace, perf, raw, folded or build_id; dwarf: through code without frame pointers." },
	{ 0 },
};
/* clang-format on */
