/*
 * Records as the kernel side writes them, and any other bytes: heads, decoding of every kind of field, printing. Tried as
 * a record of the data ring and as one of the control ring. A site's number is the record's first word.
 */
#include <fcntl.h>
#include <string.h>

#include "bpf-runtime/abi.h"
#include "builtins/builtins.h"
#include "fuzz.h"
#include "registry.h"
#include "run/internal.h"

enum { FIELDS = 12 };

static const struct builtin *builtin(const char *name)
{
	const struct builtin *row;

	row_each (row, builtins_action)
		if (strcmp(row->name, name) == 0)
			return row;
	return NULL;
}

static const struct type *record_of(struct types *types)
{
	const struct type *pair[] = { type_int(2, true), type_str(types, 5) };
	const struct type *stack = type_array(types, type_u64(), 4);
	const struct type *fields[FIELDS] = {
		type_int(4, true),
		type_u64(),
		type_bool(),
		type_str(types, 16),
		type_buf(types, 12),
		type_array(types, type_int(1, true), 6),
		type_array(types, type_int(2, false), 3),
		type_tuple(types, pair, 2),
		type_named(types, &named_types_context[0], type_int(4, false), 0, NULL),
		type_named(types, &named_types_time[0], type_u64(), 0, "%H:%M:%S.%f"),
		type_named(types, &named_types_symbol[0], stack, 3, "jbtrace"),
		type_named(types, &named_types_symbol[2], type_u64(), 0, NULL),
	};

	return type_tuple(types, fields, FIELDS);
}

static void add_sites(struct plan *plan, struct types *types)
{
	static const char *const names[FIELDS] = { "a", "b", "c", "d", "e", "f",
						   "g", "h", "i", "j", "k", "l" };
	const struct type *record = record_of(types), *code = type_i64();
	const struct plan_site sites[] = {
		{ .fn = builtin("printf"),
		  .record = record,
		  .fmt = "%-5d %llx %d %.7s %rx %s %p %s %s %s %s %s\n" },
		{ .fn = builtin("emit"), .record = record, .fmt = "seed", .names = names },
		{ .fn = builtin("print"), .record = record },
		{ .fn = builtin("exit"), .record = type_tuple(types, &code, 1), .control = true },
	};

	for (size_t i = 0; i < sizeof(sites) / sizeof(*sites); i++)
		vec_push(plan->arena, &plan->sites, sites[i]);
}

static void dispatch(const uint8_t *data, size_t size, const struct printer *printer)
{
	struct arena *arena = arena_new();
	struct types *types = types_new(arena);
	struct plan *plan = plan_new(arena, diag_new(arena));
	struct value argv[FIELDS];
	bool site_failed[4] = { 0 };
	uint64_t site_events[4] = { 0 };
	struct run run = { .plan = plan, .arena = arena, .scratch = arena_new(), .argv = argv };

	add_sites(plan, types);
	run.site_failed = site_failed;
	run.site_events = site_events;
	run.decode.arena = run.scratch;
	run.decode.plan = plan;
	run.options.messages = fopen("/dev/null", "we");
	out_init(&run.out, open("/dev/null", O_WRONLY | O_CLOEXEC), printer);
	events_dispatch(&run, data, (uint32_t)size);
	events_dispatch_control(&run, data, (uint32_t)size);
	out_fini(&run.out);
	close(run.out.options.fd);
	fclose(run.options.messages);
	arena_free(run.scratch);
	arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dispatch(data, size, printers_text);
	dispatch(data, size, printers_json);
	dispatch(data, size, printers_csv);
	return 0;
}
