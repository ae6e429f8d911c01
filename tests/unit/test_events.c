/*
 * Records to actions without a kernel: rings are made of plain memory, the site's action notes what it was given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bpf-runtime/abi.h"
#include "run/internal.h"

#define RING_SIZE 4096u
#define BUSY	  0x80000000u
#define DISCARD	  0x40000000u

struct fake_ring {
	uint64_t consumer, producer;
	uint8_t data[2 * RING_SIZE];
};

struct fixture {
	struct arena *arena;
	struct plan *plan;
	struct run run;
	struct fake_ring data, control;
	struct buf log; /* what the actions saw */
};

static int act_note(struct run *run, const struct plan_site *site, const struct value *argv,
		    unsigned argc)
{
	/* The run is the fixture's first-class member: walk back to it. */
	struct fixture *fixture =
		(struct fixture *)(void *)((char *)run - offsetof(struct fixture, run));

	buf_puts(&fixture->log, site->fn->name);
	for (unsigned i = 0; i < argc; i++) {
		buf_putc(&fixture->log, ' ');
		if (argv[i].kind == VALUE_STR)
			buf_add(&fixture->log, argv[i].text, argv[i].len);
		else if (argv[i].kind == VALUE_INT)
			buf_printf(&fixture->log, "%lld", (long long)argv[i].i);
		else
			buf_printf(&fixture->log, "%llu", (unsigned long long)argv[i].u);
	}
	buf_putc(&fixture->log, ';');
	return 0;
}

static int act_exit(struct run *run, const struct plan_site *site, const struct value *argv,
		    unsigned argc)
{
	act_note(run, site, argv, argc);
	run_ask_exit(run, 3);
	return 0;
}

static const struct builtin note = { .name = "note", .act = act_note };
static const struct builtin order = { .name = "order", .act = act_note };
static const struct builtin leave = { .name = "leave", .act = act_exit };

static struct ring fake(struct fake_ring *memory)
{
	return (struct ring){ .consumer = &memory->consumer,
			      .producer = &memory->producer,
			      .data = memory->data,
			      .mask = RING_SIZE - 1 };
}

static int setup(void **state)
{
	struct fixture *fixture = mem_alloc(sizeof(*fixture));
	struct types *types;
	const struct type *members[4];

	memset(fixture, 0, sizeof(*fixture));
	fixture->arena = arena_new();
	types = types_new(fixture->arena);
	fixture->plan = plan_new(fixture->arena, diag_new(fixture->arena));
	members[0] = type_int(4, true);
	members[1] = type_str(types, 8);
	members[2] = type_u64();
	members[3] = type_int(1, true);
	*vec_grow(fixture->arena, &fixture->plan->sites) =
		(struct plan_site){ .fn = &note, .record = type_tuple(types, members, 4) };
	*vec_grow(fixture->arena, &fixture->plan->sites) =
		(struct plan_site){ .fn = &order, .control = true };
	*vec_grow(fixture->arena, &fixture->plan->sites) =
		(struct plan_site){ .fn = &leave, .control = true };
	fixture->run.plan = fixture->plan;
	fixture->run.arena = fixture->arena;
	fixture->run.scratch = arena_new();
	fixture->run.decode.arena = fixture->run.scratch;
	fixture->run.argv = arena_alloc(fixture->arena, 8 * sizeof(struct value));
	fixture->run.site_failed = arena_alloc(fixture->arena, 8);
	fixture->run.site_events = arena_alloc(fixture->arena, 8 * sizeof(uint64_t));
	fixture->run.data = fake(&fixture->data);
	fixture->run.control = fake(&fixture->control);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	buf_fini(&fixture->log);
	arena_free(fixture->run.scratch);
	arena_free(fixture->arena);
	free(fixture);
	return 0;
}

/* What a ring holds twice in a row is written twice. Returns where the record's bytes begin. */
static uint64_t put(struct fake_ring *ring, const void *bytes, uint32_t len, uint32_t flags)
{
	uint32_t head[2] = { len | flags, 0 };
	uint64_t at = ring->producer;

	for (unsigned i = 0; i < sizeof(head) + len; i++) {
		uint8_t byte = i < sizeof(head) ? ((const uint8_t *)head)[i]
						: ((const uint8_t *)bytes)[i - sizeof(head)];
		uint64_t place = (at + i) % RING_SIZE;

		ring->data[place] = ring->data[place + RING_SIZE] = byte;
	}
	ring->producer += 8 + ((len + 7) & ~7u);
	return at;
}

struct noted {
	struct jb_event head;
	struct __attribute__((packed, aligned(8))) {
		int32_t a;
		char text[8];
		char pad[4];
		uint64_t b;
		int8_t c;
		char tail[7];
	} body;
};

static struct noted make(int32_t a, const char *text)
{
	struct noted event = { .head = { 0, sizeof(event.body) },
			       .body = { .a = a, .b = 7, .c = -2 } };

	memcpy(event.body.text, text, strnlen(text, sizeof(event.body.text)));
	return event;
}

static uint64_t put_note(struct fixture *fixture, int32_t a, uint32_t flags)
{
	struct noted event = make(a, "x");

	return put(&fixture->data, &event, sizeof(event), flags);
}

static void put_control(struct fixture *fixture, uint32_t site, uint64_t data_pos)
{
	struct jb_control control = { .site = site, .data_pos = data_pos };

	put(&fixture->control, &control, sizeof(control), 0);
}

static void expect(struct fixture *fixture, const char *text)
{
	assert_string_equal(fixture->log.data ? fixture->log.data : "", text);
}

static void test_fields(void **state)
{
	struct fixture *fixture = *state;
	struct noted event = make(-5, "abc");

	assert_int_equal(fixture->plan->sites.data[0].record->size, sizeof(event.body));
	assert_true(events_dispatch(&fixture->run, &event, sizeof(event)));
	expect(fixture, "note -5 abc 7 -2;");
}

static void test_full_string(void **state)
{
	struct fixture *fixture = *state;
	struct noted event = make(1, "12345678");

	assert_true(events_dispatch(&fixture->run, &event, sizeof(event)));
	expect(fixture, "note 1 12345678 7 -2;");
}

static void test_malformed(void **state)
{
	struct fixture *fixture = *state;
	struct noted event = make(1, "x");

	assert_false(events_dispatch(&fixture->run, &event, 4));
	assert_false(events_dispatch(&fixture->run, &event, sizeof(event) - 1));
	event.head.len = 8;
	assert_false(events_dispatch(&fixture->run, &event, sizeof(event)));
	event.head = (struct jb_event){ 99, sizeof(event.body) };
	assert_false(events_dispatch(&fixture->run, &event, sizeof(event)));
	event.head.site = 1; /* belongs to the other ring */
	assert_false(events_dispatch(&fixture->run, &event, sizeof(event)));
	expect(fixture, "");
}

static void test_order(void **state)
{
	struct fixture *fixture = *state;

	put_note(fixture, 1, 0);
	put_note(fixture, 2, 0);
	put_control(fixture, 1, fixture->data.producer);
	put_note(fixture, 3, 0);
	assert_true(events_pump(&fixture->run));
	expect(fixture, "note 1 x 7 -2;note 2 x 7 -2;order;note 3 x 7 -2;");
	assert_false(events_pump(&fixture->run));
}

static void test_busy_record_holds_control(void **state)
{
	struct fixture *fixture = *state;
	uint64_t at = put_note(fixture, 1, BUSY);
	uint32_t len = sizeof(struct noted);

	put_control(fixture, 1, fixture->data.producer);
	put_note(fixture, 2, 0);
	assert_false(events_pump(&fixture->run));
	expect(fixture, "");
	memcpy(fixture->data.data + at % RING_SIZE, &len, sizeof(len));
	assert_true(events_pump(&fixture->run));
	expect(fixture, "note 1 x 7 -2;order;note 2 x 7 -2;");
}

static void test_discarded(void **state)
{
	struct fixture *fixture = *state;

	put_note(fixture, 1, DISCARD);
	put_note(fixture, 2, 0);
	events_pump(&fixture->run);
	expect(fixture, "note 2 x 7 -2;");
	ring_release_all(&fixture->run.data);
	assert_int_equal(fixture->data.consumer, fixture->data.producer);
}

static void test_exit_ends(void **state)
{
	struct fixture *fixture = *state;

	put_note(fixture, 1, 0);
	put_control(fixture, 2, fixture->data.producer);
	put_note(fixture, 2, 0);
	put_control(fixture, 1, fixture->data.producer);
	events_pump(&fixture->run);
	expect(fixture, "note 1 x 7 -2;leave;");
	assert_true(fixture->run.done);
	assert_int_equal(fixture->run.exit_code, 3);
}

static void test_wrap_and_lag(void **state)
{
	struct fixture *fixture = *state;
	uint64_t last = 0;

	for (int i = 0; i < 500; i++) {
		last = put_note(fixture, i, 0);
		buf_reset(&fixture->log);
		assert_true(events_pump(&fixture->run));
		ring_release(&fixture->run.data);
		assert_int_equal(fixture->data.consumer, last);
	}
	expect(fixture, "note 499 x 7 -2;");
	assert_int_equal(fixture->run.bad_records, 0);
}

static void test_wild_position(void **state)
{
	struct fixture *fixture = *state;

	put_note(fixture, 1, 0);
	put_control(fixture, 1, UINT64_MAX - 7);
	events_pump(&fixture->run);
	expect(fixture, "note 1 x 7 -2;order;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_string, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy_record_holds_control, setup, teardown),
		cmocka_unit_test_setup_teardown(test_discarded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exit_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrap_and_lag, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wild_position, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
