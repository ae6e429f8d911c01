/*
 * The filters as code: is a task selected? Asked by every program about the current task before anything else, and by
 * selected() about any task. Kinds are asked one after the other, the cheap ones first; short lists are compared one by
 * one, long ones looked up; names are matched by words or by the bit masks of base/globset.h. Without filters nothing
 * is generated. With --follow, the programs that keep the set of processes are taken from the runtime, too.
 */
#include "codegen/internal.h"

#include <string.h>

#include "base/globset.h"
#include "bpf-runtime/abi.h"

#define COMPARES_MAX 64 /* of one kind; more are looked up in jb_filters */
#define WALKS_MAX    8	/* pid namespaces, each of which costs a walk */
#define NAME_BYTES   16

/* A question about one task; `task` is NULL for the current one. */
struct asking {
	struct cg *cg;
	LLVMValueRef task;
	LLVMBasicBlockRef reject; /* where to go when it is not selected */
};

/* What a list said: i1 values; NULL: it has no filters of that sort. */
struct verdict {
	LLVMValueRef wanted, unwanted;
};

static void go_on_if(struct asking *ask, LLVMValueRef condition, bool wanted)
{
	LLVMBasicBlockRef yes = cg_block(ask->cg, "selected");

	cg_branch(ask->cg, condition, wanted ? yes : ask->reject, wanted ? ask->reject : yes);
	cg_enter(ask->cg, yes);
}

static void settle(struct asking *ask, struct verdict verdict)
{
	if (verdict.unwanted)
		go_on_if(ask, verdict.unwanted, false);
	if (verdict.wanted)
		go_on_if(ask, verdict.wanted, true);
}

static void either(struct cg *cg, LLVMValueRef *all, LLVMValueRef one)
{
	*all = *all ? LLVMBuildOr(cg->b, *all, one, "") : one;
}

static void note(struct cg *cg, struct verdict *verdict, bool negated, LLVMValueRef matches)
{
	either(cg, negated ? &verdict->unwanted : &verdict->wanted, cg_truth(cg, matches));
}

/* With --follow the wanted processes are a set that changes. */
static bool is_asked(const struct asking *ask, const struct plan_filter *filter,
		     enum filter_kind kind)
{
	if (filter->kind != kind)
		return false;
	return kind != FILTER_PID || filter->negated || !ask->cg->plan->follow;
}

static unsigned count_sort(const struct asking *ask, enum filter_kind kind, bool negated)
{
	const struct plan_filter *filter;
	unsigned n = 0;

	vec_each (filter, &ask->cg->plan->filters)
		n += is_asked(ask, filter, kind) && filter->negated == negated;
	return n;
}

static unsigned count_asked(const struct asking *ask, enum filter_kind kind)
{
	return count_sort(ask, kind, false) + count_sort(ask, kind, true);
}

/* A runtime function about the current task, or its twin that takes the task first; `arg` may be NULL. */
static LLVMValueRef ask_runtime(struct asking *ask, const char *current, const char *other,
				LLVMValueRef arg)
{
	LLVMValueRef argv[] = { ask->task, arg };

	if (!ask->task)
		return cg_rt(ask->cg, current, argv + 1, arg ? 1 : 0);
	return cg_rt(ask->cg, other, argv, arg ? 2 : 1);
}

static void read_name(struct asking *ask, LLVMValueRef dst)
{
	LLVMValueRef argv[] = { dst, ask->task };

	cg_rt(ask->cg, ask->task ? "jb_task_name" : "jb_name", argv, ask->task ? 2 : 1);
}

/* Where only the twin exists, the current task is asked as any other. */
static LLVMValueRef task_of(struct asking *ask)
{
	return ask->task ? ask->task : cg_rt(ask->cg, "jb_curtask", NULL, 0);
}

/* --- numbers --- */

static void note_flags(struct asking *ask, enum filter_kind kind, struct verdict *verdict,
		       LLVMValueRef flags)
{
	struct cg *cg = ask->cg;
	const int bits[] = { JB_FILTER_WANTED, JB_FILTER_UNWANTED };

	for (int negated = 0; negated < 2; negated++)
		if (count_sort(ask, kind, negated))
			note(cg, verdict, negated,
			     LLVMBuildAnd(cg->b, flags, cg_int(cg, bits[negated]), ""));
}

static void look_up(struct asking *ask, enum filter_kind kind, LLVMValueRef number,
		    struct verdict *verdict)
{
	struct cg *cg = ask->cg;

	note_flags(ask, kind, verdict,
		   cg_rt(cg, "jb_filter_flags", (LLVMValueRef[]){ cg_int(cg, kind), number }, 2));
}

static struct verdict match_number(struct asking *ask, enum filter_kind kind, LLVMValueRef number)
{
	struct verdict verdict = { NULL, NULL };
	const struct plan_filter *filter;

	if (count_asked(ask, kind) > COMPARES_MAX) {
		look_up(ask, kind, number, &verdict);
		return verdict;
	}
	vec_each (filter, &ask->cg->plan->filters)
		if (is_asked(ask, filter, kind))
			note(ask->cg, &verdict, filter->negated,
			     LLVMBuildICmp(ask->cg->b, LLVMIntEQ, number,
					   cg_int(ask->cg, (int64_t)filter->number), ""));
	return verdict;
}

/*
 * In a pid namespace of its own, jb_pid() does not know processes of namespaces below. Everywhere else it is the
 * quickest.
 */
static LLVMValueRef pid_of(struct asking *ask)
{
	LLVMValueRef task;

	if (!ask->task && !ask->cg->plan->pidns_ino)
		return cg_rt(ask->cg, "jb_pid", NULL, 0);
	task = task_of(ask);
	return cg_rt(ask->cg, "jb_task_pid", &task, 1);
}

static void ask_pid(struct asking *ask)
{
	if (count_asked(ask, FILTER_PID))
		settle(ask, match_number(ask, FILTER_PID, pid_of(ask)));
	if (ask->cg->plan->follow)
		go_on_if(ask, ask_runtime(ask, "jb_followed", "jb_task_followed", NULL), true);
}

static void ask_uid(struct asking *ask)
{
	settle(ask, match_number(ask, FILTER_UID, ask_runtime(ask, "jb_uid", "jb_task_uid", NULL)));
}

static void ask_pgid(struct asking *ask)
{
	LLVMValueRef task = task_of(ask);

	settle(ask, match_number(ask, FILTER_PGID, cg_rt(ask->cg, "jb_task_pgid", &task, 1)));
}

static void ask_pidns(struct asking *ask)
{
	struct verdict verdict = { NULL, NULL };
	LLVMValueRef argv[2] = { task_of(ask) };
	const struct plan_filter *filter;
	struct cg *cg = ask->cg;

	if (count_asked(ask, FILTER_PIDNS) > WALKS_MAX) {
		argv[1] = cg_int(cg, FILTER_PIDNS);
		note_flags(ask, FILTER_PIDNS, &verdict, cg_rt(cg, "jb_task_pidns_flags", argv, 2));
		settle(ask, verdict);
		return;
	}
	vec_each (filter, &cg->plan->filters) {
		if (filter->kind != FILTER_PIDNS)
			continue;
		argv[1] = cg_int(cg, (int64_t)filter->number);
		note(cg, &verdict, filter->negated, cg_rt(cg, "jb_task_in_pidns", argv, 2));
	}
	settle(ask, verdict);
}

/* --- cgroups: at each level where there are filters, the task's cgroup of that level is compared --- */

static LLVMValueRef match_cgroup(struct asking *ask, const struct plan_filter *filter,
				 LLVMValueRef at_level)
{
	LLVMValueRef id = cg_int(ask->cg, (int64_t)filter->number);

	if (filter->level != FILTER_ANY_LEVEL)
		return LLVMBuildICmp(ask->cg->b, LLVMIntEQ, at_level, id, "");
	return ask_runtime(ask, "jb_in_cgroup", "jb_task_in_cgroup", id);
}

static bool is_first_of_level(const struct plan *plan, const struct plan_filter *filter)
{
	const struct plan_filter *before;

	for (before = plan->filters.data; before < filter; before++)
		if (before->kind == FILTER_CGROUP && before->level == filter->level)
			return false;
	return true;
}

static void match_level(struct asking *ask, const struct plan_filter *first,
			struct verdict *verdict)
{
	const struct plan *plan = ask->cg->plan;
	bool known = first->level != FILTER_ANY_LEVEL;
	LLVMValueRef level = cg_int(ask->cg, first->level), id = NULL;
	const struct plan_filter *filter;

	if (known)
		id = ask_runtime(ask, "jb_cgroup_at", "jb_task_cgroup_at", level);
	if (known && count_asked(ask, FILTER_CGROUP) > COMPARES_MAX) {
		look_up(ask, FILTER_CGROUP, id, verdict);
		return;
	}
	for (filter = first; filter < plan->filters.data + plan->filters.n; filter++)
		if (filter->kind == FILTER_CGROUP && filter->level == first->level)
			note(ask->cg, verdict, filter->negated, match_cgroup(ask, filter, id));
}

static void ask_cgroup(struct asking *ask)
{
	struct verdict verdict = { NULL, NULL };
	const struct plan_filter *filter;

	vec_each (filter, &ask->cg->plan->filters)
		if (filter->kind == FILTER_CGROUP && is_first_of_level(ask->cg->plan, filter))
			match_level(ask, filter, &verdict);
	settle(ask, verdict);
}

/* --- names: the thread's own and its process's count --- */

/* A text, perhaps with one `*` at its end, is compared as two words. */
static bool is_plain(const char *glob)
{
	size_t n = strcspn(glob, "*?[\\");

	return !glob[n] || !strcmp(glob + n, "*");
}

static LLVMValueRef match_words(struct cg *cg, const char *glob, LLVMValueRef name)
{
	size_t n = strcspn(glob, "*"), compared = n + !glob[n];
	uint8_t text[NAME_BYTES] = { 0 }, mask[NAME_BYTES] = { 0 };
	LLVMValueRef argv[5] = { name };

	memcpy(text, glob, n);
	memset(mask, 0xff, compared);
	for (int half = 0; half < 2; half++) {
		int64_t word, word_mask;

		memcpy(&word, text + 8 * half, 8);
		memcpy(&word_mask, mask + 8 * half, 8);
		argv[1 + 2 * half] = cg_int(cg, word);
		argv[2 + 2 * half] = cg_int(cg, word_mask);
	}
	return cg_rt(cg, "jb_name_equal", argv, 5);
}

/* The patterns that one set has room for, in their order. */
struct name_set {
	struct glob_set globs;
	uint64_t accept[2]; /* wanted, not wanted */
	LLVMValueRef table;
	struct name_set *next;
};

static struct name_set *add_set(struct cg *cg, struct name_set *last)
{
	struct name_set *set = arena_new_of(cg->arena, struct name_set);

	*(last ? &last->next : &cg->name_sets) = set;
	return set;
}

/* Once for all programs. Patterns have at most 15 elements (lookup/filter.c), so that an empty set has room for any. */
static void make_sets(struct cg *cg)
{
	struct name_set *set = NULL;
	const struct plan_filter *filter;

	vec_each (filter, &cg->plan->filters) {
		uint64_t accept;

		if (filter->kind != FILTER_COMM || is_plain(filter->text))
			continue;
		accept = set ? glob_set_add(&set->globs, filter->text) : 0;
		if (!accept) {
			set = add_set(cg, set);
			accept = glob_set_add(&set->globs, filter->text);
		}
		set->accept[filter->negated] |= accept;
	}
	for (set = cg->name_sets; set; set = set->next)
		set->table = cg_const_bytes(cg, set->globs.may, sizeof(set->globs.may));
}

static void match_set(struct cg *cg, const struct name_set *set, LLVMValueRef name,
		      struct verdict *verdict)
{
	LLVMValueRef argv[] = { name, set->table, cg_int(cg, (int64_t)set->globs.start),
				cg_int(cg, (int64_t)set->globs.stay) };
	LLVMValueRef state = cg_rt(cg, "jb_name_match", argv, 4);

	for (int negated = 0; negated < 2; negated++)
		if (set->accept[negated])
			note(cg, verdict, negated,
			     LLVMBuildAnd(cg->b, state, cg_int(cg, (int64_t)set->accept[negated]),
					  ""));
}

static struct verdict match_name(struct cg *cg, LLVMValueRef name)
{
	struct verdict verdict = { NULL, NULL };
	const struct plan_filter *filter;

	vec_each (filter, &cg->plan->filters)
		if (filter->kind == FILTER_COMM && is_plain(filter->text))
			note(cg, &verdict, filter->negated, match_words(cg, filter->text, name));
	for (const struct name_set *set = cg->name_sets; set; set = set->next)
		match_set(cg, set, name, &verdict);
	return verdict;
}

/* In a block that follows: `wanted` decides, when there are filters of that sort. */
static void end_name(struct asking *ask, LLVMValueRef wanted, LLVMBasicBlockRef done)
{
	if (wanted)
		cg_branch(ask->cg, wanted, done, ask->reject);
	else
		cg_jump(ask->cg, done);
}

/* The first thread's name is the process's. Of any other thread both are asked, the process's only when it matters. */
static void ask_comm(struct asking *ask)
{
	struct cg *cg = ask->cg;
	LLVMBasicBlockRef first = cg_block(cg, "first_thread"), other = cg_block(cg, "thread");
	LLVMBasicBlockRef done = cg_block(cg, "named"), more;
	size_t mark = cg_mark(cg);
	LLVMValueRef name = cg_memory(cg, NAME_BYTES), argv[] = { name, NULL };
	struct verdict own, process;

	if (!cg->name_sets)
		make_sets(cg);
	read_name(ask, name);
	own = match_name(cg, name);
	if (own.unwanted) {
		go_on_if(ask, own.unwanted, false);
	} else {
		more = cg_block(cg, "other_name");
		cg_branch(cg, own.wanted, done, more);
		cg_enter(cg, more);
	}
	cg_branch(cg, ask_runtime(ask, "jb_is_thread", "jb_task_is_thread", NULL), other, first);
	cg_enter(cg, first);
	end_name(ask, own.wanted, done);
	cg_enter(cg, other);
	argv[1] = task_of(ask);
	cg_rt(cg, "jb_task_leader_name", argv, 2);
	process = match_name(cg, name);
	if (process.unwanted)
		go_on_if(ask, process.unwanted, false);
	if (own.wanted)
		either(cg, &process.wanted, own.wanted);
	end_name(ask, process.wanted, done);
	cg_enter(cg, done);
	cg_release(cg, mark);
}

/* --- the whole question --- */

/* Goes on where the task is selected, else to `reject`. */
static void ask_all(struct asking *ask)
{
	/* clang-format off */
	static const struct { enum filter_kind kind; void (*ask)(struct asking *); } kinds[] = {
		{ FILTER_PID, ask_pid },   { FILTER_UID, ask_uid },	{ FILTER_CGROUP, ask_cgroup },
		{ FILTER_COMM, ask_comm }, { FILTER_PGID, ask_pgid },	{ FILTER_PIDNS, ask_pidns },
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (count_asked(ask, kinds[i].kind) ||
		    (kinds[i].kind == FILTER_PID && ask->cg->plan->follow))
			kinds[i].ask(ask);
}

static bool has_filters(const struct plan *plan)
{
	return plan->filters.n || plan->follow;
}

/* A few processes and users are asked with what every script has. */
bool cg_filter_needs_runtime(const struct codegen_input *input)
{
	const struct plan *plan = input->plan;
	const struct plan_filter *filter;
	bool asks = false;

	vec_each (filter, &plan->filters)
		if (filter->kind != FILTER_PID && filter->kind != FILTER_UID)
			return true;
	for (size_t i = 0; i < input->n_instances; i++)
		asks |= input->instances[i]->unfiltered;
	return plan->follow || (plan->filters.n && (asks || plan->pidns_ino)) ||
	       plan->filters.n > COMPARES_MAX;
}

void cg_filter(struct cg *cg)
{
	struct asking ask = { .cg = cg, .reject = cg->fn->leave };

	if (!(cg->instance->provider->flags & PROVIDER_FILTERED) || cg->instance->unfiltered)
		return;
	ask_all(&ask);
}

LLVMValueRef cg_selected(struct cg *cg, LLVMValueRef task)
{
	struct asking ask = { .cg = cg, .task = task };
	LLVMBasicBlockRef done;
	LLVMValueRef result;

	if (!has_filters(cg->plan))
		return cg_int(cg, 1);
	ask.reject = cg_block(cg, "rejected");
	done = cg_block(cg, "asked");
	result = cg_alloca(cg, cg->i64, "selected");
	ask_all(&ask);
	LLVMBuildStore(cg->b, cg_int(cg, 1), result);
	cg_jump(cg, done);
	cg_enter(cg, ask.reject);
	LLVMBuildStore(cg->b, cg_int(cg, 0), result);
	cg_jump(cg, done);
	cg_enter(cg, done);
	return LLVMBuildLoad2(cg->b, cg->i64, result, "");
}

/* --- --follow --- */

void cg_follow(struct cg *cg)
{
	static const struct {
		const char *function, *section;
	} programs[] = {
		{ "jb_follow_fork", "raw_tp" },
		{ "jb_follow_free", "raw_tp" },
		{ "jb_follow_scan", "iter/task" },
	};
	struct span nowhere = { 0, 0 };
	char text[128];

	if (!cg->plan->follow)
		return;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		LLVMValueRef fn = LLVMGetNamedFunction(cg->module, programs[i].function);

		LLVMSetLinkage(fn, LLVMExternalLinkage);
		LLVMSetSection(fn, programs[i].section);
	}
	snprintf(text, sizeof(text), "processes were not followed: there is room for %d at once",
		 JB_FOLLOW_MAX);
	cg_tunable(cg, "jb_follow_full",
		   plan_add_counter(cg->plan, COUNTER_RUNTIME, nowhere,
				    arena_strdup(cg->plan->arena, text)));
}
