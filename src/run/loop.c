/*
 * The life of a run in its order: load, begin probes, attach, read the rings until something ends it, detach, end
 * probes, what is left in the rings, losses, maps.
 *
 * Reading works in two gears. Idle, the reader has given back all room, and the kernel wakes it for the next record.
 * Once records flow it lags one record behind, which keeps the kernel from waking it, and looks again after short
 * naps; so a stream of events costs the traced programs no wake-ups.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lookup/sym.h"
#include "run/internal.h"

#define NS_PER_MS 1000000ll
#define NS_PER_S  1000000000ll
#define LOOK_NS	  NS_PER_S /* how often counters are read */
/* How long processes that were there before us are looked at before events have their turn again. */
#define LOOK_AROUND_MS 10
/* A nap is over before this share of the ring can fill at RING_BYTES_PER_US, which is faster than any CPU fills it. */
#define NAP_SHARE	  8
#define RING_BYTES_PER_US 160
#define NAP_MIN_NS	  (50 * 1000ll)
#define NAP_MAX_NS	  (4 * NS_PER_MS)

int64_t run_monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int64_t boot_to_wall_ns(void)
{
	struct timespec boot, wall;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	return (wall.tv_sec - boot.tv_sec) * NS_PER_S + wall.tv_nsec - boot.tv_nsec;
}

/* --- opening --- */

static int watch(struct run *run, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return fd < 0 || epoll_ctl(run->poll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int open_polling(struct run *run)
{
	int err;

	run->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (run->poll_fd < 0)
		return -errno;
	/* Edge-triggered: in the fast gear a record is always left in the ring. */
	err = watch(run, run_map_fd(run, "jb_ring"), EPOLLIN | EPOLLET);
	if (!err)
		err = watch(run, run_map_fd(run, "jb_ctl"), EPOLLIN | EPOLLET);
	return err ? err : filter_open(run);
}

static int start_timer(struct run *run)
{
	uint64_t ns = run->options.duration_ns;
	struct itimerspec when = { .it_value = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) } };

	if (!ns)
		return 0;
	run->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (run->timer_fd < 0 || timerfd_settime(run->timer_fd, 0, &when, NULL))
		return -errno;
	return watch(run, run->timer_fd, EPOLLIN);
}

static unsigned widest_record(const struct plan *plan)
{
	const struct plan_site *site;
	unsigned n = 1;

	vec_each (site, &plan->sites)
		if (site->record && site->record->n_fields > n)
			n = site->record->n_fields;
	return n;
}

static struct run *run_new(const struct plan *plan, struct lookup *lookup,
			   const struct run_options *options)
{
	struct arena *arena = arena_new();
	struct run *run = arena_new_of(arena, struct run);
	int cpus = libbpf_num_possible_cpus();

	run->arena = arena;
	run->scratch = arena_new();
	run->plan = plan;
	run->lookup = lookup;
	run->options = *options;
	run->n_cpus = cpus > 0 ? (unsigned)cpus : 1;
	run->per_cpu = arena_alloc(arena, run->n_cpus * sizeof(*run->per_cpu));
	run->counters = arena_alloc(arena, (plan->counters.n + 1) * sizeof(*run->counters));
	run->site_failed = arena_alloc(arena, plan->sites.n + 1);
	run->site_events = arena_alloc(arena, (plan->sites.n + 1) * sizeof(*run->site_events));
	run->left_out = arena_alloc(arena, plan->targets.n + 1);
	run->argv = arena_alloc(arena, widest_record(plan) * sizeof(*run->argv));
	run->poll_fd = run->timer_fd = run->child_fd = run->counters_fd = -1;
	run->mappings_fd = -1;
	run->generations_fd = run->wait_fd = run->wait_inner_fd = -1;
	run->decode = (struct decode){
		.arena = run->scratch,
		.plan = plan,
		.sym = sym_new(),
		.boot_to_wall_ns = boot_to_wall_ns(),
	};
	return run;
}

/* Said even with --no-warnings: it is about what the user will not get. */
static void tell_output(void *arg, enum diag_level level, const char *text)
{
	struct run *run = arg;

	fprintf(run->options.messages, "jbtrace: %s: %s\n",
		level == DIAG_ERROR ? "error" : "warning", text);
	fflush(run->options.messages);
}

static int open_output(struct run *run)
{
	struct out_options options = run->options.out;

	options.tell = tell_output;
	options.tell_arg = run;
	return out_open(&run->out, &options);
}

static void run_free(struct run *run)
{
	int fds[] = { run->poll_fd, run->timer_fd };

	filter_close(run);
	exposition_close(run);
	if (run->out.scratch)
		out_fini(&run->out);
	maps_close(run);
	ring_close(&run->data);
	ring_close(&run->control);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	bpf_object__close(run->object);
	if (run->log)
		munmap(run->log, run->log_len);
	sym_free(run->decode.sym);
	arena_free(run->scratch);
	arena_free(run->arena);
}

int run_open(struct run **made, const struct plan *plan, const void *elf, size_t elf_len,
	     struct lookup *lookup, const struct run_options *options)
{
	struct run *run = run_new(plan, lookup, options);
	int err = open_output(run);

	if (!err)
		err = load_open(run, elf, elf_len);
	if (!err)
		err = maps_open(run);
	if (!err)
		err = open_polling(run);
	if (!err)
		err = exposition_open(run);
	if (err) {
		run_free(run);
		run = NULL;
	}
	*made = run;
	return err;
}

/* --- begin and attach --- */

static bool is_special(const struct plan_probe *probe, const char *name)
{
	return (probe->provider->flags & (PROVIDER_SPECIAL | PROVIDER_SIGNAL | PROVIDER_ONCE)) &&
	       strcmp(probe->provider->name, name) == 0;
}

/* Empties the rings while begin or end probes run. */
struct pumping {
	struct run *run;
	bool finished; /* the probes have run */
};

static void *pump_until_finished(void *arg)
{
	struct pumping *pumping = arg;
	struct timespec nap = { 0, 50 * 1000 };
	bool finished;

	do {
		finished = __atomic_load_n(&pumping->finished, __ATOMIC_ACQUIRE);
		if (!events_pump(pumping->run) && !finished)
			nanosleep(&nap, NULL);
		ring_release_all(&pumping->run->data);
	} while (!finished);
	return NULL;
}

static bool has_special(const struct run *run, const char *name)
{
	const struct plan_probe *probe;

	vec_each (probe, &run->plan->probes)
		if (is_special(probe, name))
			return true;
	return false;
}

static int run_program(struct run *run, const struct plan_probe *probe)
{
	if (probe->provider->once)
		return probe->provider->once(run, probe, run_program_fd(run, probe->program));
	return load_run_once(run, probe);
}

static int run_special_probes(struct run *run, const char *name, const struct plan_probe **failed)
{
	const struct plan_probe *probe;

	vec_each (probe, &run->plan->probes) {
		int err = is_special(probe, name) ? run_program(run, probe) : 0;

		*failed = probe;
		if (err)
			return err;
	}
	return 0;
}

/*
 * begin, end, self or iter probes, in the order of the script. They run in this thread (so that their tid is our pid) while
 * another one empties the rings: a loop in them may write more than fits. When this returns all of their output has been
 * handled.
 */
static int run_special(struct run *run, const char *name)
{
	struct pumping pumping = { .run = run };
	const struct plan_probe *failed;
	pthread_t thread;
	bool threaded;
	int err;

	if (!has_special(run, name))
		return 0;
	threaded = run->plan->ring_bytes &&
		   pthread_create(&thread, NULL, pump_until_finished, &pumping) == 0;
	err = run_special_probes(run, name, &failed);
	__atomic_store_n(&pumping.finished, true, __ATOMIC_RELEASE);
	if (threaded)
		pthread_join(thread, NULL);
	else
		pump_until_finished(&pumping);
	if (err)
		report_error(run, failed->span, "cannot run %s: %s", name, strerror(-err));
	return err;
}

static void count_attached(struct run *run, const struct plan_probe *probe)
{
	unsigned places = 0; /* that are counted with another one */

	for (unsigned i = 0; i < probe->n_targets; i++)
		places += probe->targets[i]->place_of && !run->left_out[probe->targets[i]->id];
	run->n_attached += probe->n_targets ? probe->n_targets - run->n_skipped - places : 1;
	if (run->n_skipped)
		report_warning(
			run, probe->span,
			"%u of the %u functions are left out: the kernel cannot probe them%s",
			run->n_skipped, probe->n_targets,
			run->options.verbose ? "" : " (-v names them)");
}

/* A probe of which nothing is attached; the targets that run_skip names are marked there. */
static void leave_out(struct run *run, const struct plan_probe *probe)
{
	for (unsigned i = 0; i < probe->n_targets; i++)
		run->left_out[probe->targets[i]->id] = true;
}

static int attach_probe(struct run *run, const struct plan_probe *probe)
{
	size_t links = run->links.n;
	int fd = run_program_fd(run, probe->program), err;

	if (fd < 0) {
		run_error(run, probe->span, "program %s is missing", probe->program);
		return fd;
	}
	run->n_skipped = 0;
	err = probe->provider->attach(run, probe, fd);
	if (!err && run->n_skipped && run->n_skipped == probe->n_targets) {
		run_error(run, probe->span, "the kernel cannot probe any of the %u functions",
			  probe->n_targets);
		return -ENOTSUP;
	}
	if (!err && probe->role == 0)
		count_attached(run, probe);
	if (run->options.verbose && !err)
		fprintf(run->options.messages, "attached %s (%s): %u target%s, %zu link%s\n",
			probe->program, probe->section, probe->n_targets,
			probe->n_targets == 1 ? "" : "s", run->links.n - links,
			run->links.n - links == 1 ? "" : "s");
	if (run->options.verbose && !err && probe->why)
		report_choice(run, probe);
	return err;
}

static int attach_all(struct run *run)
{
	const struct plan_probe *probe;

	vec_each (probe, &run->plan->probes) {
		int err;

		if (run_interrupted(run))
			return -EINTR;
		if (probe->provider->flags & PROVIDER_SPECIAL) {
			run->n_attached += probe->n_targets ? probe->n_targets : 1;
			continue;
		}
		err = attach_probe(run, probe);
		if (err)
			leave_out(run, probe);
		/* With the process gone, no other probe can be attached either, so that one message is enough. */
		if (err == -EINTR || err == -ESRCH || (err && run->plan->missing_probes == 0))
			return err;
	}
	return 0;
}

static void tell_attached(struct run *run)
{
	report_attached(run);
	out_flush(&run->out);
	if (getenv("__BPFTRACE_NOTIFY_PROBES_ATTACHED")) {
		puts("__BPFTRACE_NOTIFY_PROBES_ATTACHED");
		fflush(stdout);
	}
}

static void release_child(struct run *run)
{
	ssize_t n;

	if (!run->options.child || run->options.child_go_fd < 0)
		return;
	do
		n = write(run->options.child_go_fd, "g", 1);
	while (n < 0 && errno == EINTR);
}

/*
 * What a process maps must be known when its addresses are printed, which may be long after its end. Where the kernel
 * does not tell, processes are known from the first look at them.
 */
static int watch_mappings(struct run *run)
{
	if (run->options.dry_run || !plan_has_user_addresses(run->plan))
		return 0;
	run->mappings_fd = sym_watch(run->decode.sym);
	if (run->mappings_fd >= 0) {
		/* Most machines are looked through now; on large ones it goes on between events. */
		run->looking_around = sym_look_around(run->decode.sym, LOOK_AROUND_MS);
		return watch(run, run->mappings_fd, EPOLLIN);
	}
	if (run->options.verbose)
		fprintf(run->options.messages,
			"mappings of processes are not told by the kernel (%s): those that end at "
			"once have no symbols\n",
			strerror(-run->mappings_fd));
	return 0;
}

int run_begin(struct run *run)
{
	int err = run_interrupted(run) ? -EINTR : 0;

	if (!err && !run->options.dry_run)
		err = run_special(run, "begin");
	if (!err)
		err = filter_attach(run);
	if (!err)
		err = watch_mappings(run);
	if (!err)
		err = attach_all(run);
	if (!err)
		err = start_timer(run);
	if (err)
		return err;
	tell_attached(run);
	if (run->options.dry_run) {
		run->done = true;
		return 0;
	}
	run->armed = true;
	run->signals = run->options.signals ? *run->options.signals : 0;
	run->next_look_ns = run_monotonic_ns() + LOOK_NS;
	release_child(run);
	return run_special(run, "iter");
}

/* --- reading --- */

static int64_t nap_ns(const struct run *run)
{
	uint64_t ring = ring_is_open(&run->data) ? run->data.mask + 1 : 0;
	int64_t ns = (int64_t)(ring / NAP_SHARE / RING_BYTES_PER_US * 1000);

	return ns < NAP_MIN_NS ? NAP_MIN_NS : ns > NAP_MAX_NS ? NAP_MAX_NS : ns;
}

/* Everything read is given back, so that the next record wakes us. true: one came just before that. */
static bool go_idle(struct run *run)
{
	const void *bytes;
	uint32_t len;

	out_flush(&run->out);
	ring_release_all(&run->data);
	ring_release_all(&run->control);
	return ring_peek(&run->data, ring_produced(&run->data), &bytes, &len) ||
	       ring_peek(&run->control, ring_produced(&run->control), &bytes, &len);
}

static void look_at_counters(struct run *run, int64_t now)
{
	if (now < run->next_look_ns)
		return;
	run->next_look_ns = now + LOOK_NS;
	report_counters(run);
}

/* What woke us besides the rings: the end of a process or of the time. */
static void take_wakeups(struct run *run)
{
	struct epoll_event events[8];
	int n = epoll_wait(run->poll_fd, events, 8, 0);

	/* The kernel tells only once that there is something, and that was what woke us. */
	sym_catch_up(run->decode.sym);
	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		if (fd == run->timer_fd || filter_ended(run, fd))
			run_ask_exit(run, run->exit_code);
	}
}

/* Sleep until one of them has something, or `wake_fd` is readable. false: that, or a signal. */
static bool sleep_ns(struct run *const *runs, size_t n, int wake_fd, int64_t ns)
{
	struct timespec time = { ns / NS_PER_S, ns % NS_PER_S };
	struct pollfd fds[RUNS_MAX + 1];
	int woken;

	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = runs[i]->poll_fd, .events = POLLIN };
	fds[n] = (struct pollfd){ .fd = wake_fd, .events = POLLIN }; /* -1 is ignored */
	woken = ppoll(fds, n + 1, &time, NULL);
	if (woken < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (fds[i].revents)
			take_wakeups(runs[i]);
	return !fds[n].revents;
}

/* One run of the self probes for each signal. An error has been told; the script goes on. */
static void take_signals(struct run *run)
{
	while (run->options.signals && run->signals != *run->options.signals && !run->done) {
		run->signals++;
		run_special(run, "self");
		out_flush(&run->out);
	}
}

/* Handle what one run's rings hold now. true: there was something, and *nap is how long it may be left alone. */
static bool turn(struct run *run, int64_t *nap)
{
	bool busy;

	take_signals(run);
	busy = events_pump(run);
	if (!run->done && run->plan->only_begin_end && !busy)
		run->done = true;
	if (run->looking_around) {
		run->looking_around = sym_look_around(run->decode.sym, LOOK_AROUND_MS);
		*nap = 0;
	}
	look_at_counters(run, run_monotonic_ns());
	exposition_turn(run, run_monotonic_ns());
	if (busy) {
		out_flush(&run->out);
		ring_release(&run->data);
		if (nap_ns(run) < *nap)
			*nap = nap_ns(run);
	}
	if (out_error(&run->out) == EPIPE)
		run->done = true; /* nobody reads any more */
	return busy;
}

static bool any_done(struct run *const *runs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (runs[i]->done)
			return true;
	return false;
}

/* A run with events naps in the fast gear; while it does, the others are idle, so that the kernel wakes us for them. */
int run_step_all(struct run *const *runs, size_t n, int wake_fd, int timeout_ms)
{
	int64_t end = run_monotonic_ns() + timeout_ms * NS_PER_MS;

	for (;;) {
		int64_t left, nap = INT64_MAX;
		bool again = false;

		for (size_t i = 0; i < n; i++)
			if (!turn(runs[i], &nap))
				again |= go_idle(runs[i]);
		left = end - run_monotonic_ns();
		if (any_done(runs, n) || left <= 0)
			break;
		if (again)
			nap = 0; /* who else wants something is looked at all the same */
		if (!sleep_ns(runs, n, wake_fd, nap < left ? nap : left))
			break;
	}
	for (size_t i = 0; i < n; i++)
		go_idle(runs[i]);
	return any_done(runs, n) ? 0 : 1;
}

int run_step(struct run *run, int timeout_ms)
{
	return run_step_all(&run, 1, -1, timeout_ms);
}

bool run_is_done(const struct run *run)
{
	return run->done;
}

void run_ask_exit(struct run *run, int code)
{
	run->done = true;
	run->exit_code = code;
	run->done_by_script |= run->acting;
}

/* --- closing --- */

/* All that is in the rings; no program writes into them any more, except one that is just ending. */
static void drain(struct run *run)
{
	while (events_pump(run))
		ring_release_all(&run->data);
}

static void finish(struct run *run)
{
	if (run->done_by_script) {
		/* What came after exit() is not the script's output. */
		ring_skip(&run->data);
		ring_skip(&run->control);
		run->done_by_script = false;
	}
	drain(run);
	run_special(run, "end");
	drain(run);
	out_flush(&run->out);
	report_totals(run);
	out_before_maps(&run->out);
	if (run->exposition)
		exposition_finish(run);
	else if (run->plan->print_maps_on_exit)
		maps_print_all(run);
}

static void stop_child(struct run *run)
{
	if (run->child_fd >= 0 && run->options.child_go_fd >= 0)
		syscall(SYS_pidfd_send_signal, run->child_fd, SIGTERM, NULL, 0);
}

static void tell_lines_left_out(struct run *run)
{
	unsigned long n = sym_lines_left_out(run->decode.sym);

	if (n)
		report_warning(
			run, (struct span){ 0, 0 },
			"%lu frames are shown without source lines: reading debug information took "
			"too long (config show_debug_info = false leaves all of them out)",
			n);
}

int run_close(struct run *run)
{
	int code;

	links_close(run);
	stop_child(run);
	if (run->armed)
		finish(run);
	tell_lines_left_out(run);
	code = run->exit_code;
	if (out_end(&run->out) && !code)
		code = 1;
	run_free(run);
	return code;
}

/* --- for rows --- */

const struct run_options *run_options_of(const struct run *run)
{
	return &run->options;
}

const struct plan *run_plan(const struct run *run)
{
	return run->plan;
}

void run_skip(struct run *run, const struct plan_probe *probe, const struct target *target,
	      const char *why)
{
	run->n_skipped++;
	run->left_out[target->id] = true;
	if (run->options.verbose && probe->role == 0)
		fprintf(run->options.messages, "left out %s: %s\n", target->name, why);
}

bool run_interrupted(const struct run *run)
{
	return run->options.interrupt && *run->options.interrupt;
}

int run_fd(const struct run *run)
{
	return run->poll_fd;
}

bool run_share_output(struct run *run, const struct run *other)
{
	return out_join(&run->out, &other->out);
}

struct out *run_out(struct run *run)
{
	return &run->out;
}

struct arena *run_scratch(struct run *run)
{
	return run->scratch;
}

int64_t run_wall_ns(struct run *run)
{
	struct timespec now;

	(void)run;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}
