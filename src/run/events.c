/*
 * Records of the two rings to values to actions. Data events come in ring order; a control event says how far
 * the data ring was filled when it was written, and is handled when the data before that place has been.
 */
#include <string.h>

#include "bpf-runtime/abi.h"
#include "run/internal.h"

/* Within one sweep room is given back after this part of the ring, so that writers see it soon. */
#define RELEASE_SHARE 16

/* The commonest fields without the detour through the type's decoder. */
static inline struct value decode_field(struct decode *decode, const struct type *type,
					const uint8_t *bytes)
{
	struct value value = { 0 };

	if (type->kind == TYPE_STR) {
		/* In place: the record stays in the ring until its action is done. */
		size_t len = strnlen((const char *)bytes, type->size);

		if (len < type->size)
			return value_str((const char *)bytes, (uint32_t)len);
	}
	if (type->kind != TYPE_INT)
		return value_decode(decode, type, bytes);
	value.kind = type->is_signed ? VALUE_INT : VALUE_UINT;
	switch (type->size) {
	case 1:
		value.u = *bytes;
		if (type->is_signed)
			value.i = (int8_t)value.u;
		break;
	case 2: {
		uint16_t n;

		memcpy(&n, bytes, sizeof(n));
		value.u = n;
		if (type->is_signed)
			value.i = (int16_t)n;
		break;
	}
	case 4: {
		uint32_t n;

		memcpy(&n, bytes, sizeof(n));
		value.u = n;
		if (type->is_signed)
			value.i = (int32_t)n;
		break;
	}
	default:
		memcpy(&value.u, bytes, sizeof(value.u));
	}
	return value;
}

/* A failed action is reported once per site; the same call would fail a thousand times a second. */
static void action_failed(struct run *run, uint32_t number, int err)
{
	const struct plan_site *site = &run->plan->sites.data[number];

	if (run->site_failed[number])
		return;
	run->site_failed[number] = true;
	report_warning(run, site->span, "%s failed: %s", site->fn->name, strerror(-err));
}

/* `len` is what the record holds after its head, `has` what the ring says it can hold. */
static bool handle(struct run *run, uint32_t number, const uint8_t *bytes, uint32_t len,
		   uint32_t has, bool control)
{
	const struct plan_site *site;
	const struct type *record;
	unsigned n = 0;
	int err;

	if (number >= run->plan->sites.n)
		return false;
	site = &run->plan->sites.data[number];
	record = site->record;
	if (site->control != control || len > has || len < (record ? record->size : 0) ||
	    !site->fn->act)
		return false;
	if (record)
		for (n = 0; n < record->n_fields; n++)
			run->argv[n] = decode_field(&run->decode, record->fields[n].type,
						    bytes + record->fields[n].offset);
	run->site_events[number]++;
	run->acting = true;
	err = site->fn->act(run, site, run->argv, n);
	run->acting = false;
	if (err < 0)
		action_failed(run, number, err);
	arena_reset(run->scratch);
	return true;
}

bool events_dispatch(struct run *run, const void *bytes, uint32_t len)
{
	const struct jb_event *event = bytes;

	if (len < sizeof(*event))
		return false;
	return handle(run, event->site, (const uint8_t *)(event + 1), event->len,
		      len - (uint32_t)sizeof(*event), false);
}

bool events_dispatch_control(struct run *run, const void *bytes, uint32_t len)
{
	const struct jb_control *control = bytes;

	if (len < sizeof(*control))
		return false;
	return handle(run, control->site, (const uint8_t *)(control + 1), control->len,
		      len - (uint32_t)sizeof(*control), true);
}

/* Data events before `limit`. true: there were some. */
static bool pump_data(struct run *run, uint64_t limit)
{
	struct ring *ring = &run->data;
	uint64_t begin = ring->at, released = ring->at, step = ring->mask / RELEASE_SHARE;
	const void *bytes;
	uint32_t len;

	while (!run->done_by_script && ring_peek(ring, limit, &bytes, &len)) {
		run->bad_records += !events_dispatch(run, bytes, len);
		ring_next(ring, len);
		if (ring->at - released < step)
			continue;
		ring_release(ring);
		released = ring->at;
	}
	return ring->at != begin;
}

/* The next control event and the data that comes before it. false: there is none, or it is not its turn yet. */
static bool pump_control(struct run *run, uint64_t end, bool *progress)
{
	const struct jb_control *control;
	const void *bytes;
	uint32_t len;

	if (!ring_peek(&run->control, end, &bytes, &len))
		return false;
	control = bytes;
	if (len >= sizeof(*control) && ring_is_open(&run->data)) {
		uint64_t produced = ring_produced(&run->data);
		uint64_t before = control->data_pos < produced ? control->data_pos : produced;

		*progress |= pump_data(run, before);
		if (run->data.at < before) /* a record before it is still being written */
			return false;
	}
	run->bad_records += !events_dispatch_control(run, bytes, len);
	ring_next(&run->control, len);
	*progress = true;
	return true;
}

bool events_pump(struct run *run)
{
	/*
	 * In this order: a control event written before a data event that lies before `data` was written before this
	 * line, so it lies before `control`.
	 */
	uint64_t data = ring_produced(&run->data);
	uint64_t control = ring_produced(&run->control);
	bool progress = false;

	while (!run->done_by_script && pump_control(run, control, &progress))
		;
	/* When a control event waits for a record, the data behind that record waits as well. */
	if (!run->done_by_script && (run->control.at == control || !ring_is_open(&run->control)))
		progress |= pump_data(run, data);
	ring_release_all(&run->control);
	return progress;
}
