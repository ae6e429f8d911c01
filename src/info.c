/* --info: what this machine supports, feature by feature, and what is used instead of what is missing. */
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "jbtrace.h"
#include "lookup/lookup.h"
#include "registry.h"

static const char *yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

/* lookup mounts tracefs for itself where nobody has; that mount has no place in the file system. */
static const char *tracefs_place(struct lookup *lookup)
{
	const char *path = lookup_tracefs(lookup);

	return path && !strncmp(path, "/proc/self/fd/", 14) ? "" : path;
}

static void print_tracefs(struct lookup *lookup, FILE *out)
{
	const char *place = tracefs_place(lookup);

	if (!place)
		place = lookup_error(lookup);
	else if (!*place)
		place = "not mounted on this machine; mounted privately by jbtrace";
	fprintf(out, "tracefs: %s\n", place);
}

static void print_machine(struct lookup *lookup, const struct utsname *name, FILE *out)
{
	fprintf(out, "jbtrace %s\n", jb_version());
	fprintf(out, "kernel: %s %s\n", name->release, name->machine);
	fprintf(out, "processors: %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
	fprintf(out, "kernel BTF: %s\n", yes_no(lookup_has_btf(lookup)));
	print_tracefs(lookup, out);
}

static void print_text(struct lookup *lookup, const struct utsname *name, FILE *out)
{
	const struct provider *const *family, *row;

	print_machine(lookup, name, out);
	fprintf(out, "\nkernel features\n");
	for (int i = 0; i < FEATURE_COUNT; i++) {
		bool has = lookup_feature(lookup, (enum kernel_feature)i);
		const char *instead = lookup_feature_instead((enum kernel_feature)i);

		fprintf(out, "  %-26s %s", lookup_feature_name((enum kernel_feature)i),
			yes_no(has));
		if (!has && instead)
			fprintf(out, " (%s)", instead);
		fputc('\n', out);
	}
	fprintf(out, "\nprobe types\n");
	for (family = jb_registry.providers; *family; family++)
		row_each (row, *family)
			fprintf(out, "  %-26s %s\n", row->name, row->doc);
}

static void print_json(struct lookup *lookup, const struct utsname *name, FILE *out)
{
	const char *tracefs = tracefs_place(lookup);

	fprintf(out,
		"{\"version\": \"%s\", \"kernel\": \"%s\", \"machine\": \"%s\", \"processors\": "
		"%ld, ",
		jb_version(), name->release, name->machine, sysconf(_SC_NPROCESSORS_ONLN));
	fprintf(out, "\"btf\": %s, \"tracefs\": ", lookup_has_btf(lookup) ? "true" : "false");
	if (tracefs)
		fprintf(out, "\"%s\"", *tracefs ? tracefs : "private mount");
	else
		fputs("null", out);
	fprintf(out, ", \"features\": {");
	for (int i = 0; i < FEATURE_COUNT; i++)
		fprintf(out, "%s\"%s\": %s", i ? ", " : "",
			lookup_feature_name((enum kernel_feature)i),
			lookup_feature(lookup, (enum kernel_feature)i) ? "true" : "false");
	fprintf(out, "}}\n");
}

void jb_info(bool json, FILE *out)
{
	struct arena *arena = arena_new();
	struct lookup *lookup = lookup_new(types_new(arena));
	struct utsname name;

	uname(&name);
	if (json)
		print_json(lookup, &name, out);
	else
		print_text(lookup, &name, out);
	lookup_free(lookup);
	arena_free(arena);
}
