#ifndef JB_SCRIPTS_H
#define JB_SCRIPTS_H
/* The bundled scripts as they were when the program was built; the table is made by cmake/embed.cmake. */

struct jb_script {
	const char *name; /* without folder and suffix; NULL ends the table */
	const char *text; /* NUL after len bytes */
	unsigned len;
};

extern const struct jb_script jb_scripts[];

#endif
