#ifndef JB_LOOKUP_LIBDW_H
#define JB_LOOKUP_LIBDW_H
/*
 * elfutils' libdw, loaded when the first source line or call frame is wanted: it brings more libraries along, and most
 * runs never need it. Its functions are called through this table, under their own names: dw->dwarf_end(...).
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

#define LIBDW_LIBRARY "libdw.so.1"
#define LIBDW_PACKAGE "libdw1"

/* clang-format off */
#define LIBDW_FUNCTIONS(F) \
	F(dwarf_begin_elf) F(dwarf_end) F(dwarf_addrdie) F(dwarf_nextcu) F(dwarf_offdie) F(dwarf_ranges) \
	F(dwarf_child) F(dwarf_siblingof) F(dwarf_haspc) F(dwarf_getsrclines) F(dwarf_getsrc_die) F(dwarf_lineno) \
	F(dwarf_linesrc) F(dwarf_getsrcfiles) F(dwarf_filesrc) F(dwarf_attr) F(dwarf_attr_integrate) \
	F(dwarf_formudata) F(dwarf_formsdata) F(dwarf_formref_die) F(dwarf_whatform) \
	F(dwarf_getlocation) F(dwarf_entrypc) F(dwarf_formstring) F(dwarf_diename) F(dwarf_dieoffset) F(dwarf_tag) \
	F(dwfl_begin) F(dwfl_end) F(dwfl_report_begin_add) F(dwfl_report_module) F(dwfl_report_end) \
	F(dwfl_module_info) F(dwfl_attach_state) F(dwfl_thread_state_registers) F(dwfl_thread_state_register_pc) \
	F(dwfl_getthread_frames) F(dwfl_frame_pc)
/* clang-format on */

struct libdw {
#define LIBDW_MEMBER(name) __typeof__(name) *(name);
	LIBDW_FUNCTIONS(LIBDW_MEMBER)
#undef LIBDW_MEMBER
};

/* NULL: the library is not there, or too old. It stays loaded; asking again is cheap. */
const struct libdw *libdw_load(void);

#endif
