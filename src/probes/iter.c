/*
 * iter: the kernel's iterators over tasks, files, sockets and so on. Which there are, and what each is given, BTF tells:
 * struct bpf_iter__NAME is the context. The iterator is read once, when everything else is attached.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lookup/lookup.h"
#include "probes/bpfsys.h"
#include "probes/modes.h"
#include "probes/point.h"
#include "probes/probes.h"
#include "run/run.h"

#define STRUCT "struct bpf_iter__"
#define ITER   "iter:"
#define PINS   "/sys/fs/bpf/"

/* They go over the elements of one map, which jbtrace would have to be given. */
static bool needs_map(const char *name)
{
	return !strcmp(name, "bpf_map_elem") || !strcmp(name, "bpf_sk_storage_map") ||
	       !strcmp(name, "sockmap");
}

/* The iterator's name in the spelling of a type, NULL: it is another type. */
static const char *iterator_of(const char *spelling)
{
	const char *name = spelling + strlen(STRUCT);

	if (strncmp(spelling, STRUCT, strlen(STRUCT)) != 0 || strstr(name, "__"))
		return NULL;
	return name;
}

static const struct type *context(struct lookup *lookup, const char *name)
{
	struct arena *arena = lookup_arena(lookup);
	const char *spelling = arena_printf(arena, STRUCT "%s", name);

	return iterator_of(spelling) ? lookup_kernel_type(lookup, spelling) : NULL;
}

/* --- the attach point --- */

struct names {
	struct arena *arena;
	struct nearest nearest;
	const char *all;
};

static void add_name(void *arg, const char *spelling)
{
	struct names *names = arg;
	const char *name = iterator_of(spelling);

	if (!name || needs_map(name))
		return;
	name = arena_strdup(names->arena, name);
	nearest_try(&names->nearest, name);
	names->all = names->all ? arena_printf(names->arena, "%s, %s", names->all, name) : name;
}

static bool no_iterator(struct resolve *resolve, const char *name)
{
	struct names names = { .arena = resolve->arena };

	if (!lookup_has_btf(resolve->lookup)) {
		resolve_error(
			resolve, -1,
			"iter needs the kernel's type information (BTF), which cannot be read");
		return false;
	}
	nearest_init(&names.nearest, name);
	lookup_each_type(resolve->lookup, add_name, &names);
	resolve_error(resolve, 0, "this kernel has no iterator '%s'", name);
	if (names.nearest.best)
		point_hint(resolve, &names.nearest, "");
	else
		resolve_hint(resolve, "it has %s", names.all ? names.all : "none");
	return false;
}

static const char *pin_path(struct arena *arena, const char *name)
{
	return *name == '/' ? arena_strdup(arena, name) : arena_printf(arena, PINS "%s", name);
}

static bool iter_expand(struct resolve *resolve, const struct spec *spec)
{
	const char *name = spec->n_parts ? spec->part[0] : "";
	struct target *target;

	if (!*name || spec->n_parts > 2) {
		resolve_error(resolve, -1, "iter takes the name of an iterator");
		resolve_hint(resolve, "for example iter:task; jbtrace -l 'iter:*' lists them");
		return false;
	}
	if (spec->n_parts == 2 && !*spec->part[1]) {
		resolve_error(resolve, -1,
			      "the name of the file to pin the iterator to is missing");
		return false;
	}
	if (glob_is(name)) {
		resolve_error(resolve, 0, "iter takes one iterator, not a pattern");
		return false;
	}
	if (needs_map(name)) {
		resolve_error(resolve, 0,
			      "not supported yet: iterators over the elements of a map");
		return false;
	}
	if (!context(resolve->lookup, name))
		return no_iterator(resolve, name);
	target = point_target(resolve, arena_printf(resolve->arena, ITER "%s", name), NULL);
	if (spec->n_parts == 2)
		target->own = pin_path(resolve->arena, spec->part[1]);
	return true;
}

static const struct type *iter_ctx(struct lookup *lookup, const struct target *target)
{
	return context(lookup, target->name + strlen(ITER));
}

static bool iter_plan(struct resolve *resolve, struct instance *instance)
{
	instance->section = arena_printf(resolve->arena, "iter/%s",
					 instance->targets.data[0]->name + strlen(ITER));
	instance->mode = instance->targets.data[0]->own ? PROBE_MODE_ITER_FILE : PROBE_MODE_DEFAULT;
	return true;
}

/* --- running --- */

/* The kernel itself knows the tasks of a process. */
static int iter_link(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	bool of_tasks = !strncmp(probe->targets[0]->name, ITER "task", strlen(ITER "task"));

	return bpfsys_iter_link(prog_fd, of_tasks && !probe->unfiltered ? run_plan(run)->pid : 0);
}

static int pin(struct run *run, const struct target *target, int link)
{
	const struct run_options *options = run_options_of(run);
	const char *path = target->own;
	int err = bpfsys_pin(link, path);

	if (err == -EEXIST)
		run_error(run, target->span, "cannot pin %s to %s: there is such a file; remove it",
			  target->name, path);
	else if (err)
		run_error(run, target->span,
			  "cannot pin %s to %s: %s (it must be in a mounted BPF file system)",
			  target->name, path, strerror(-err));
	else if (!options->quiet)
		fprintf(options->messages, "Program pinned to %s\n", path);
	return err;
}

/* A link is made to see that it can be; unless it is pinned, it is of no use until the iterator is read. */
static int iter_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	const struct target *target = probe->targets[0];
	int link = iter_link(run, probe, prog_fd), err = 0;

	if (link < 0) {
		run_error(run, target->span, "cannot attach %s: %s", target->name, strerror(-link));
		return link;
	}
	if (target->own)
		err = pin(run, target, link);
	close(link);
	return err;
}

/* The program writes nothing into the file; it ends after the last object, and now and then for the scheduler's sake. */
static int iter_once(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	bool pinned = probe->mode == PROBE_MODE_ITER_FILE;
	int link = pinned ? -1 : iter_link(run, probe, prog_fd);
	int fd = link < 0 ? link : bpfsys_iter_create(link);
	char bytes[64];
	ssize_t n;

	if (pinned)
		return 0; /* it runs for those who read the file */

	if (link >= 0)
		close(link);
	if (fd < 0)
		return fd;
	do
		n = read(fd, bytes, sizeof(bytes));
	while (!run_interrupted(run) && (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))));
	n = n < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
	close(fd);
	return (int)n;
}

/* --- listing --- */

struct listing {
	struct lookup *lookup;
	const char *pattern;
	void (*emit)(void *, const char *, const struct type *);
	void *arg;
};

static void list_one(void *arg, const char *spelling)
{
	struct listing *listing = arg;
	const char *name = iterator_of(spelling);

	if (name && !needs_map(name) && glob_match(listing->pattern, name))
		listing->emit(listing->arg,
			      arena_printf(lookup_arena(listing->lookup), ITER "%s", name), NULL);
}

static void iter_list(struct lookup *lookup, const char *pattern,
		      void (*emit)(void *, const char *, const struct type *), void *arg)
{
	struct listing listing = { lookup, pattern, emit, arg };

	lookup_each_type(lookup, list_one, &listing);
}

/*
 * The second word of every iterator's context is its object, which is NULL in the call after the last one: there is
 * nothing to look at then.
 */
/* clang-format off */
const struct provider providers_iter[] = {
	{ .name = "iter", .alias = "it", .syntax = "iter:NAME[:PIN]",
	  .doc = "once for each task, file, socket, ... that there is: ctx.FIELD", .flags = PROVIDER_ONCE,
	  .expand = iter_expand, .ctx = iter_ctx, .present = { .kind = CTX_RAW_ARG, .size = 8, .index = 1 },
	  .plan = iter_plan, .attach = iter_attach, .once = iter_once, .list = iter_list },
	{ 0 },
};
/* clang-format on */
