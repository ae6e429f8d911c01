/*
 * Debug information: functions and lines for the kernel's verifier log and `bpftool prog`, and the BTF by which
 * libbpf learns of maps. Every instruction gets the line of the node it comes from.
 */
#include "codegen/internal.h"

#include <string.h>

#include "base/strmap.h"

#define DW_ATE_signed 5

static LLVMMetadataRef di_file_of(struct cg *cg, const char *name)
{
	LLVMMetadataRef file = strmap_get(cg->di_files, name);

	if (!file) {
		file = LLVMDIBuilderCreateFile(cg->di, name, strlen(name), ".", 1);
		strmap_put(cg->di_files, name, file);
	}
	return file;
}

void cg_debug_init(struct cg *cg)
{
	static const char producer[] = "jbtrace";

	cg->di = LLVMCreateDIBuilder(cg->module);
	cg->di_files = strmap_new(cg->arena);
	cg->di_file = di_file_of(cg, "script");
	cg->di_unit = LLVMDIBuilderCreateCompileUnit(
		cg->di, LLVMDWARFSourceLanguageC99, cg->di_file, producer, strlen(producer), 1, "",
		0, 0, "", 0, LLVMDWARFEmissionFull, 0, 0, 0, "", 0, "", 0);
	cg->di_int = LLVMDIBuilderCreateBasicType(cg->di, "int", 3, 32, DW_ATE_signed, 0);
	cg->di_long = LLVMDIBuilderCreateBasicType(cg->di, "long", 4, 64, DW_ATE_signed, 0);
	cg->di_void_ptr = LLVMDIBuilderCreatePointerType(cg->di, NULL, 64, 64, 0, "", 0);
}

/* Programs take a context; loop bodies (more parameters) take bpf_loop's index or three pointers, then the frame. */
void cg_debug_function(struct cg *cg, struct cg_fn *fn, const char *name, struct span span,
		       unsigned n_params)
{
	static const char *const names[] = { "ctx", "key", "value", "frame" };
	struct location at = diag_locate(cg->diags, span.begin);
	LLVMMetadataRef file = at.source ? di_file_of(cg, at.source->name) : cg->di_file;
	LLVMMetadataRef sig[5] = { cg->di_long, cg->di_void_ptr, cg->di_void_ptr, cg->di_void_ptr,
				   cg->di_void_ptr };

	if (n_params == 2)
		sig[1] = cg->di_long;
	LLVMMetadataRef type =
		LLVMDIBuilderCreateSubroutineType(cg->di, file, sig, n_params + 1, 0);
	fn->subprogram = LLVMDIBuilderCreateFunction(cg->di, file, name, strlen(name), "", 0, file,
						     at.line, type, n_params > 1, 1, at.line, 0, 1);
	LLVMSetSubprogram(fn->fn, fn->subprogram);
	for (unsigned i = 0; i < n_params; i++)
		LLVMDIBuilderCreateParameterVariable(cg->di, fn->subprogram, names[i],
						     strlen(names[i]), i + 1, file, at.line,
						     sig[i + 1], 1, 0);
}

void cg_debug_at(struct cg *cg, struct span span)
{
	struct location at = diag_locate(cg->diags, span.begin);

	cg->span = span;
	LLVMSetCurrentDebugLocation2(cg->b,
				     LLVMDIBuilderCreateDebugLocation(cg->llvm, at.line, at.column,
								      cg->fn->subprogram, NULL));
}

/* `int (*)[n]`: how the BTF of a map definition spells a number. */
static LLVMMetadataRef di_number(struct cg *cg, unsigned n)
{
	LLVMMetadataRef range = LLVMDIBuilderGetOrCreateSubrange(cg->di, 0, n);
	LLVMMetadataRef array =
		LLVMDIBuilderCreateArrayType(cg->di, 32ull * n, 32, cg->di_int, &range, 1);

	return LLVMDIBuilderCreatePointerType(cg->di, array, 64, 64, 0, "", 0);
}

static LLVMValueRef define_map(struct cg *cg, const struct plan_map *map)
{
	const struct {
		const char *name;
		unsigned value;
	} item[] = {
		{ "type", map->bpf_type },	   { "key_size", plan_key_size(map) },
		{ "value_size", map->value_size }, { "max_entries", map->max_entries },
		{ "map_flags", map->flags },
	};
	const unsigned n = map->flags ? 5 : 4;
	LLVMTypeRef members[5] = { cg->ptr, cg->ptr, cg->ptr, cg->ptr, cg->ptr };
	LLVMMetadataRef di[5];

	for (unsigned i = 0; i < n; i++)
		di[i] = LLVMDIBuilderCreateMemberType(cg->di, cg->di_file, item[i].name,
						      strlen(item[i].name), cg->di_file, 0, 64, 64,
						      64ull * i, 0, di_number(cg, item[i].value));
	LLVMTypeRef type = LLVMStructTypeInContext(cg->llvm, members, n, 0);
	LLVMMetadataRef di_type =
		LLVMDIBuilderCreateStructType(cg->di, cg->di_file, "", 0, cg->di_file, 0, 64ull * n,
					      64, 0, NULL, di, n, 0, NULL, "", 0);
	LLVMValueRef global = LLVMAddGlobal(cg->module, type, map->symbol);

	LLVMSetInitializer(global, LLVMConstNull(type));
	LLVMSetSection(global, ".maps");
	LLVMSetAlignment(global, 8);
	LLVMMetadataRef variable = LLVMDIBuilderCreateGlobalVariableExpression(
		cg->di, cg->di_unit, map->symbol, strlen(map->symbol), "", 0, cg->di_file, 0,
		di_type, 0, LLVMDIBuilderCreateExpression(cg->di, NULL, 0), NULL, 64);
	LLVMGlobalSetMetadata(global, LLVMGetMDKindIDInContext(cg->llvm, "dbg", 3), variable);
	return global;
}

LLVMValueRef cg_map_global(struct cg *cg, const struct plan_map *map)
{
	LLVMValueRef global = LLVMGetNamedGlobal(cg->module, map->symbol);

	return global ? global : define_map(cg, map);
}
