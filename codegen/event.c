/*
 * Asynchronous calls: room in the ring, the arguments written in place, submit. The record's layout comes from the plan,
 * so that the reader and the writer cannot disagree.
 */
#include "codegen/internal.h"

#include <assert.h>

#include "bpf-runtime/abi.h"
#include "probes/modes.h"

/* Arguments that travel are those that have a field: the format stays here, and so do a map and what is said of it. */
static void fill_record(struct cg *cg, const struct plan_site *site, const struct node *arg,
			LLVMValueRef record)
{
	if (arg && site->fn->flags & BUILTIN_LITERAL_FMT)
		arg = arg->next;
	for (unsigned i = 0; site->record && i < site->record->n_fields && arg;
	     i++, arg = arg->next) {
		const struct field *field = &site->record->fields[i];
		cg_into(cg, arg->kind == NODE_NAMED ? arg->a : arg, field->type,
			cg_offset(cg, record, field->offset));
	}
}

void cg_event(struct cg *cg, const struct node *call)
{
	const struct plan_site *site = &cg->plan->sites.data[call->site];
	uint32_t len = site->record ? (site->record->size + 7) & ~7u : 0;
	if (cg->instance->mode == PROBE_MODE_ITER_FILE) {
		cg_seq_print(cg, call);
		return;
	}
	LLVMValueRef reserve[] = { cg_int(cg, call->site), cg_int(cg, len),
				   cg_int(cg, site->lost_counter) };
	LLVMBasicBlockRef have = cg_block(cg, "event"), done = cg_block(cg, "sent");
	LLVMValueRef event =
		cg_rt(cg, site->control ? "jb_control_reserve" : "jb_reserve", reserve, 3);

	cg_branch(cg, event, have, done);
	cg_enter(cg, have);
	fill_record(cg, site, call->args,
		    cg_offset(cg, event,
			      site->control ? sizeof(struct jb_control) : sizeof(struct jb_event)));
	cg_debug_at(cg, call->span);
	if (site->control && cg->plan->ring_bytes)
		cg_rt(cg, "jb_control_order", &event, 1);
	cg_rt(cg, site->control ? "jb_control_submit" : "jb_submit", &event, 1);
	cg_jump(cg, done);
	cg_enter(cg, done);
}
