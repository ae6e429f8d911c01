#ifndef JB_PROBES_KERNFUNC_H
#define JB_PROBES_KERNFUNC_H
/* Functions of the kernel as targets: found in kernfunc.c, explained in kernmiss.c, attached to in kernlink.c. */
#include "base/strmap.h"
#include "parser/resolve.h"
#include "run/run.h"

enum kernfunc_flags {
	KERNFUNC_RETURN = 1, /* the return is traced: only whole functions will do */
	KERNFUNC_BTF = 2,    /* for fentry: what BTF knows, and no two functions of one name */
	KERNFUNC_PROTO = 4,  /* arguments and result are typed by BTF where it knows the function */
	KERNFUNC_FEW =
		8, /* each function costs its own program or event: there must not be too many */
};

/* target->own */
struct kernfunc {
	const char *name;   /* "f", "f.isra.0"; NULL: an address without a symbol */
	const char *module; /* NULL: the kernel itself */
	uint64_t address;   /* where to attach; 0: not known, so by name and distance */
	uint64_t distance;  /* from the function's start */
	bool any;	    /* found by a pattern: may be left out where the kernel refuses it */
	bool proto_known;   /* proto was looked up */
	const struct kernel_proto *proto; /* NULL: BTF does not have it */
};

/* An attach point while it is read. */
struct kernwant {
	struct resolve *resolve;
	const struct spec *spec;
	unsigned flags;
	const char *module; /* NULL: any; "vmlinux": the kernel itself; or a glob */
	int func_part;
	const char *func; /* name or glob; NULL: `address` */
	uint64_t address, distance;
	bool has_distance;
	VEC(struct kernel_symbol) found, clones, parts;
	const char *gone;      /* a function of this name that ran at boot */
	const char *elsewhere; /* a module that has the function when another one was named */
	bool is_data;
};

/*
 * Expand FUNCTION, MODULE:FUNCTION, FUNCTION+OFFSET, ADDRESS, globs in module and function. `otherwise`: the row that
 * serves a function that BTF does not have, by kprobes; NULL: none can. false after a diagnostic.
 */
bool kernfunc_expand(struct resolve *resolve, const struct spec *spec, unsigned flags,
		     const struct provider *otherwise);
/* Is this the kernel itself, for an attach point that names `module`? */
bool kernfunc_is_vmlinux(const char *module);
const struct kernfunc *kernfunc_of(const struct target *target);
/* The prototype, looked up at the first question. NULL: BTF does not have it. */
const struct kernel_proto *kernfunc_proto(struct resolve *resolve, const struct target *target);
/* args of a kernel function; for provider rows. */
const struct type *kernfunc_args(struct resolve *resolve, const struct target *target);
/* The scalar at a function's return, by its prototype: fills size and sign of the item and *type. */
struct ctx_item kernfunc_result(const struct target *target, struct ctx_item item,
				const struct type **type);
/* Targets whose result has another type than the first one's get an instance of their own. */
void kernfunc_split_results(struct resolve *resolve, struct instance *instance);
void kernfunc_list(struct lookup *lookup, const char *provider, const char *pattern, bool btf_only,
		   void (*emit)(void *, const char *, const struct type *), void *arg);

/* --- what to say when there is none (kernmiss.c); all return false --- */
bool kernmiss_function(struct kernwant *want);
bool kernmiss_ambiguous(struct kernwant *want);
bool kernmiss_blacklisted(struct kernwant *want, const char *name);
/* The kernel has neither kprobes nor fentry. */
bool kernmiss_kernel(struct resolve *resolve, const struct spec *spec);

/* --- attaching (kernlink.c) --- */
struct kernlink {
	uint32_t mode; /* PROBE_MODE_KPROBE_MULTI, PROBE_MODE_KPROBE_PERF or PROBE_MODE_FENTRY */
	uint32_t attach_type; /* multi only */
	bool at_return;
};
int kernlink_attach(struct run *run, const struct plan_probe *probe, int prog_fd,
		    const struct kernlink *how);

/* Rows that serve another provider's targets: by kprobes, by fentry. */
extern const struct provider kprobe_serves_fentry, kprobe_serves_fexit, kprobe_serves_span;
extern const struct provider fentry_serves_kprobe, fexit_serves_kretprobe, fexit_serves_span;
/* span of a kernel function: expands, and chooses who serves it. */
bool kernspan_expand(struct resolve *resolve, const struct spec *spec);

#endif
