/*
 * From the runtime's bitcode and the instances to ELF bytes: parse, generate, throw away what nothing uses, optimise
 * once, emit. The only place that knows LLVM's targets and passes.
 */
#include "codegen/internal.h"

#include <errno.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/BitReader.h>
#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"

extern const unsigned char jb_runtime_bitcode[];
extern const unsigned int jb_runtime_bitcode_len;
/* The same with what filters need besides. */
extern const unsigned char jb_filter_bitcode[];
extern const unsigned int jb_filter_bitcode_len;

/* LLVM's own complaints are bugs of ours: they go where the user can report them from. */
static int internal_error(struct cg *cg, const char *what, const char *detail)
{
	diag_error(cg->diags, cg->span, "internal error: %s: %s", what, detail);
	diag_hint(cg->diags, "this is a bug in jbtrace, please report it with the script");
	return -EINVAL;
}

static void quiet(LLVMDiagnosticInfoRef info, void *unused)
{
	(void)info;
	(void)unused;
}

static LLVMMemoryBufferRef runtime_bytes(bool filters)
{
	const unsigned char *bytes = filters ? jb_filter_bitcode : jb_runtime_bitcode;
	size_t len = filters ? jb_filter_bitcode_len : jb_runtime_bitcode_len;

	return LLVMCreateMemoryBufferWithMemoryRange((const char *)bytes, len, "runtime", 0);
}

static int open_module(struct cg *cg, const struct codegen_input *input)
{
	LLVMMemoryBufferRef bytes = runtime_bytes(cg_filter_needs_runtime(input));

	cg->llvm = LLVMContextCreate();
	LLVMContextSetDiagnosticHandler(cg->llvm, quiet, NULL);
	int failed = LLVMParseBitcodeInContext2(cg->llvm, bytes, &cg->module);
	LLVMDisposeMemoryBuffer(bytes);
	if (failed)
		return internal_error(cg, "runtime bitcode", "cannot be parsed");
	cg->b = LLVMCreateBuilderInContext(cg->llvm);
	cg->i1 = LLVMInt1TypeInContext(cg->llvm);
	cg->i8 = LLVMInt8TypeInContext(cg->llvm);
	cg->i16 = LLVMInt16TypeInContext(cg->llvm);
	cg->i32 = LLVMInt32TypeInContext(cg->llvm);
	cg->i64 = LLVMInt64TypeInContext(cg->llvm);
	cg->ptr = LLVMPointerTypeInContext(cg->llvm, 0);
	cg_debug_init(cg);
	return 0;
}

static void close_module(struct cg *cg)
{
	if (cg->machine)
		LLVMDisposeTargetMachine(cg->machine);
	if (cg->di)
		LLVMDisposeDIBuilder(cg->di);
	if (cg->b)
		LLVMDisposeBuilder(cg->b);
	if (cg->module)
		LLVMDisposeModule(cg->module);
	if (cg->llvm)
		LLVMContextDispose(cg->llvm);
}

static int open_machine(struct cg *cg)
{
	LLVMTargetRef target;
	char *error = NULL;

	LLVMInitializeBPFTargetInfo();
	LLVMInitializeBPFTarget();
	LLVMInitializeBPFTargetMC();
	LLVMInitializeBPFAsmPrinter();
	if (LLVMGetTargetFromTriple("bpf", &target, &error)) {
		int err = internal_error(cg, "BPF target", error);
		LLVMDisposeMessage(error);
		return err;
	}
	cg->machine = LLVMCreateTargetMachine(target, "bpf", "v3", "", LLVMCodeGenLevelDefault,
					      LLVMRelocDefault, LLVMCodeModelDefault);
	return 0;
}

void cg_tunable(struct cg *cg, const char *name, uint64_t value)
{
	LLVMValueRef global = LLVMGetNamedGlobal(cg->module, name);

	if (global)
		LLVMSetInitializer(global, LLVMConstInt(LLVMGlobalGetValueType(global), value, 0));
}

static bool in_section(LLVMValueRef value, const char *section)
{
	const char *have = LLVMGetSection(value);

	return have && strcmp(have, section) == 0;
}

static void delete_global(struct cg *cg, const char *name)
{
	LLVMValueRef global = LLVMGetNamedGlobal(cg->module, name);

	if (global)
		LLVMDeleteGlobal(global);
}

static int run_passes(struct cg *cg, const char *passes)
{
	LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
	LLVMErrorRef error = LLVMRunPasses(cg->module, passes, cg->machine, options);

	LLVMDisposePassBuilderOptions(options);
	if (!error)
		return 0;
	char *text = LLVMGetErrorMessage(error);
	int err = internal_error(cg, "optimiser", text);
	LLVMDisposeErrorMessage(text);
	return err;
}

/* The runtime's inline functions were left alone when it was built: there are fewer of them now. */
static void force_inline(struct cg *cg)
{
	unsigned hint = LLVMGetEnumAttributeKindForName("inlinehint", strlen("inlinehint"));
	unsigned always = LLVMGetEnumAttributeKindForName("alwaysinline", strlen("alwaysinline"));
	LLVMAttributeRef attribute = LLVMCreateEnumAttribute(cg->llvm, always, 0);

	for (LLVMValueRef fn = LLVMGetFirstFunction(cg->module); fn; fn = LLVMGetNextFunction(fn))
		if (LLVMGetEnumAttributeAtIndex(fn, LLVMAttributeFunctionIndex, hint))
			LLVMAddAttributeAtIndex(fn, LLVMAttributeFunctionIndex, attribute);
}

/*
 * Only programs, maps and the licence are visible from outside. SEC() marks maps as used for ever; without that mark
 * the runtime's maps that no program refers to are taken out, so that the kernel never sees them.
 */
static int strip_runtime(struct cg *cg)
{
	LLVMValueRef next;

	delete_global(cg, "llvm.used");
	delete_global(cg, "llvm.compiler.used");
	for (LLVMValueRef fn = LLVMGetFirstFunction(cg->module); fn; fn = LLVMGetNextFunction(fn))
		if (!LLVMIsDeclaration(fn) && !LLVMGetSection(fn))
			LLVMSetLinkage(fn, LLVMInternalLinkage);
	for (LLVMValueRef g = LLVMGetFirstGlobal(cg->module); g; g = LLVMGetNextGlobal(g))
		if (!LLVMIsDeclaration(g) && !in_section(g, ".maps") && !in_section(g, "license"))
			LLVMSetLinkage(g, LLVMInternalLinkage);
	int err = run_passes(cg, "globaldce");
	force_inline(cg);
	for (LLVMValueRef g = LLVMGetFirstGlobal(cg->module); g; g = next) {
		next = LLVMGetNextGlobal(g);
		if (in_section(g, ".maps") && !LLVMGetFirstUse(g) &&
		    strncmp(LLVMGetValueName2(g, &(size_t){ 0 }), "jb_", 3) == 0)
			LLVMDeleteGlobal(g);
	}
	return err;
}

static int verify(struct cg *cg)
{
	char *text = NULL;
	int err = 0;

	if (LLVMVerifyModule(cg->module, LLVMReturnStatusAction, &text))
		err = internal_error(cg, "generated code", text);
	LLVMDisposeMessage(text);
	return err;
}

static int emit(struct cg *cg, struct blob *elf)
{
	LLVMMemoryBufferRef buffer;
	char *text = NULL;

	if (LLVMTargetMachineEmitToMemoryBuffer(cg->machine, cg->module, LLVMObjectFile, &text,
						&buffer)) {
		int err = internal_error(cg, "code generator", text);
		LLVMDisposeMessage(text);
		return err;
	}
	elf->len = LLVMGetBufferSize(buffer);
	elf->data = mem_alloc(elf->len);
	memcpy(elf->data, LLVMGetBufferStart(buffer), elf->len);
	LLVMDisposeMemoryBuffer(buffer);
	return 0;
}

static void print_ir(struct cg *cg, FILE *out)
{
	char *text = LLVMPrintModuleToString(cg->module);

	fputs(text, out);
	LLVMDisposeMessage(text);
}

static int generate(struct cg *cg, const struct codegen_input *input)
{
	struct plan_map **map;

	cg_tunable(cg, "jb_pidns_dev", cg->plan->pidns_dev);
	cg_tunable(cg, "jb_pidns_ino", cg->plan->pidns_ino);
	cg_tunable(cg, "jb_start_ns", cg->plan->start_ns);
	for (size_t i = 0; i < input->n_instances; i++)
		if (!cg_instance_program(cg, input->instances[i], i))
			return -EINVAL;
	cg_follow(cg);
	/* Maps that are only printed or cleared have no use in the code, but user space reads them. */
	vec_each (map, &cg->plan->maps)
		cg_map_global(cg, *map);
	LLVMDIBuilderFinalize(cg->di);
	return 0;
}

int codegen(const struct codegen_input *input, struct blob *elf, FILE *ir)
{
	struct cg cg = { .arena = input->arena,
			 .diags = input->diags,
			 .plan = input->plan,
			 .registry = input->registry };
	int err = open_module(&cg, input);

	if (!err)
		err = open_machine(&cg);
	if (!err)
		err = generate(&cg, input);
	if (!err)
		err = verify(&cg);
	if (!err)
		err = strip_runtime(&cg);
	if (!err && input->optimise)
		err = run_passes(&cg, "default<O2>");
	if (!err && ir)
		print_ir(&cg, ir);
	if (!err)
		err = emit(&cg, elf);
	close_module(&cg);
	return err;
}
