#ifndef JB_CLI_CONFIG_H
#define JB_CLI_CONFIG_H
/*
 * The configuration file (YAML): what it may say (config_rows.c), whether it is right (config_check.c), and its values
 * (config.c). What becomes of them is in setup.c.
 *
 * Switches are signed chars: -1 is "not said". Texts that are not given are NULL. Times and sizes are texts that were
 * checked. Paths are absolute or relative to the current folder, whatever they were relative to in the file.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef signed char config_switch;

struct config_texts {
	char **list;
	unsigned n;
	bool given; /* be it empty */
	char *one;  /* written without a list; then it is in the list, too */
};

/* Names that the user chose, with what stands behind each. */
struct config_map {
	void **loaded; /* libcyaml's */
	void **values;
	const char **names;
	unsigned n;
};

struct config_filters {
	struct config_texts pid, comm, uid, cgroup, pidns, pgid;
	struct config_texts not_pid, not_comm, not_uid, not_cgroup, not_pidns, not_pgid;
	config_switch follow;
};

struct config_rotation {
	config_switch daily;
	char *size;
};

struct config_retention {
	char *age, *size;
};

struct config_output {
	char *format, *file, *folder, *delimiter;
	struct config_rotation *rotation;
	struct config_retention *retention;
	config_switch gzip, header;
};

struct config_auth {
	char *user, *password_file;
};

struct config_tls {
	char *certificate, *key;
};

struct config_listen {
	char *address;
	uint64_t port, max_series;
	char *expire;
	struct config_auth *auth;
	struct config_tls *tls;
};

struct config_log {
	char *level, *target, *file;
	struct config_rotation *rotation;
	uint64_t keep;
};

struct config_service {
	char *name, *pid_file, *retry;
	config_switch watchdog, keep_running;
};

/* What a script is run with; `defaults` has it for all. */
struct config_settings {
	struct config_map params; /* values are char * */
	config_switch unsafe, warnings, verbose;
	char *duration;
};

struct config_script {
	struct config_settings settings;
	config_switch enabled;
	char *script, *program;
	struct config_texts args;
	struct config_filters *filters;
	struct config_output *output;
};

struct config_values {
	struct config_map scripts;	  /* values are struct config_script *, never NULL */
	struct config_texts script_names; /* the short form; then it is in `scripts`, too */
	struct config_settings *defaults;
	struct config_filters *filters;
	struct config_output *output;
	struct config_listen *listen;
	struct config_log *log;
	struct config_service *service;
	bool has_listen;       /* the section was there: serving is wanted */
	struct config *origin; /* for mistakes that show when scripts are read */
};

struct config;

/*
 * Read and check. NULL after errors on `messages`, all that were found, each with its place and line. Sections are never
 * NULL.
 */
struct config *config_load(const char *path, FILE *messages);
/* The same from a text; `name` is for messages, and paths are relative to its folder. For tests. */
struct config *config_parse(const char *name, const char *text, size_t len, FILE *messages);
const struct config_values *config_values(const struct config *config);
void config_free(struct config *config);
/*
 * The same, but what is said well is there beside mistakes, whose number is in *n_mistakes. NULL: nothing can be made of it.
 */
struct config *config_load_all(const char *path, FILE *messages, unsigned *n_mistakes);
/* The script does not declare this parameter, but those (a list of `n`). To `messages`, at its line. */
void config_tell_param(struct config *config, const char *script, const char *param,
		       const char *const *declared, size_t n, FILE *messages);
/* Every key, what it wants, and what it is for. */
void config_help(FILE *out);

#endif
