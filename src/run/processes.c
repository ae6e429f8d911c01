/*
 * Which processes have gone. One that has is remembered with the time at which that was noticed; a number that was
 * given to another process since is noticed by the time of its start, of some processes per collect, because that takes a
 * file of /proc to be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/series.h"

#define LOOKS_MAX 256u /* files of /proc read per collect, besides those of new processes */

struct process {
	int pid; /* 0: a free slot */
	uint64_t start;
	int64_t gone_ns; /* 0: it is there */
	uint64_t looked; /* the collect that read its start last */
	uint64_t asked;	 /* the collect that asked last */
};

struct processes {
	struct process *slots;
	size_t n, n_slots; /* a power of two */
	uint64_t expire_ns;
	int64_t now_ns;
	uint64_t tick;
	unsigned n_looks; /* left in this collect */
};

struct processes *processes_new(uint64_t expire_ns)
{
	struct processes *processes = mem_alloc(sizeof(*processes));

	*processes = (struct processes){ .expire_ns = expire_ns };
	return processes;
}

void processes_free(struct processes *processes)
{
	free(processes->slots);
	free(processes);
}

void processes_begin(struct processes *processes, int64_t now_ns)
{
	processes->now_ns = now_ns;
	processes->tick++;
	processes->n_looks = LOOKS_MAX;
}

/* Field 22 of /proc/PID/stat: when it started, in ticks since boot. 0: it is gone, or not ours to see. */
static uint64_t start_of(int pid)
{
	unsigned long long start = 0;
	char path[32], text[1024], *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')'); /* the name before it may hold anything */
	if (at)
		sscanf(at + 1,
		       " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		       "%*s %*s %*s %llu",
		       &start);
	return start;
}

static struct process *find(struct processes *processes, int pid)
{
	size_t i = (uint32_t)pid * 2654435761u & (processes->n_slots - 1);

	while (processes->slots[i].pid && processes->slots[i].pid != pid)
		i = (i + 1) & (processes->n_slots - 1);
	return &processes->slots[i];
}

/* A new table of slots, with those that were asked for since `tick`. */
static void rebuild(struct processes *processes, size_t n_slots, uint64_t tick)
{
	struct process *old = processes->slots;
	size_t n_old = processes->n_slots;

	processes->n_slots = n_slots;
	processes->slots = mem_alloc(n_slots * sizeof(*processes->slots));
	memset(processes->slots, 0, n_slots * sizeof(*processes->slots));
	processes->n = 0;
	for (size_t i = 0; i < n_old; i++)
		if (old[i].pid && old[i].asked >= tick) {
			*find(processes, old[i].pid) = old[i];
			processes->n++;
		}
	free(old);
}

static bool is_gone(int pid)
{
	return kill(pid, 0) && errno == ESRCH;
}

/* Is it another process than the one that had this number before? */
static bool is_another(struct processes *processes, struct process *process)
{
	uint64_t start;

	if (!processes->n_looks || processes->tick - process->looked <= processes->n / LOOKS_MAX)
		return false;
	processes->n_looks--;
	process->looked = processes->tick;
	start = start_of(process->pid);
	return start && start != process->start;
}

static void look(struct processes *processes, struct process *process)
{
	if (process->gone_ns)
		return;
	if (is_gone(process->pid)) {
		process->gone_ns = processes->now_ns;
	} else if (!process->start) {
		process->start = start_of(process->pid);
		process->looked = processes->tick;
	} else if (is_another(processes, process)) {
		process->gone_ns = processes->now_ns;
	}
}

bool processes_expired(struct processes *processes, int pid)
{
	struct process *process;

	if (pid <= 0) /* of the kernel itself, or no process */
		return false;
	if (processes->n * 2 >= processes->n_slots)
		rebuild(processes, processes->n_slots ? processes->n_slots * 2 : 64, 0);
	process = find(processes, pid);
	processes->n += !process->pid;
	process->pid = pid;
	if (process->asked != processes->tick) {
		process->asked = processes->tick;
		look(processes, process);
	}
	return process->gone_ns &&
	       (uint64_t)(processes->now_ns - process->gone_ns) >= processes->expire_ns;
}

void processes_end(struct processes *processes)
{
	size_t n = 0;

	for (size_t i = 0; i < processes->n_slots; i++)
		n += processes->slots[i].pid && processes->slots[i].asked == processes->tick;
	if (n < processes->n)
		rebuild(processes, processes->n_slots, processes->tick);
}
