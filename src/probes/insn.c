/*
 * Lengths of x86_64 instructions, from the opcode maps of the architecture's manual: prefixes, opcode map, ModRM with
 * its displacement, immediate. It decides whether a probe at FUNCTION+OFFSET hits the start of an instruction.
 */
#include "probes/insn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

/* What follows an opcode. IMM_Z is 2 bytes with an operand size prefix, else 4. */
enum operand {
	NONE = 0,
	MODRM = 1,
	IMM_8 = 2,
	IMM_16 = 4,
	IMM_32 = 8,
	IMM_Z = 16,
	IMM_V = 32,    /* as IMM_Z, 8 bytes with REX.W: mov $imm64 */
	OFFSET = 64,   /* an absolute address, 8 bytes, 4 with an address size prefix */
	GROUP_3 = 128, /* immediate only for the first two of the group: test */
	BAD = 256,
};

struct insn {
	const uint8_t *code;
	size_t len, at;
	bool short_operand, short_address, wide;
};

/* clang-format off */
/* 0x40..0xff of the one-byte map; 0x00..0x3f is a regular pattern. Prefixes and escapes never get here. */
static const uint16_t one_byte[192] = {
#define R4(x) x, x, x, x
#define R8(x) R4(x), R4(x)
	/* 40 */ R8(BAD), R8(BAD),
	/* 50 */ R8(NONE), R8(NONE),
	/* 60 */ BAD, BAD, BAD, MODRM, R4(BAD),
	/* 68 */ IMM_Z, MODRM | IMM_Z, IMM_8, MODRM | IMM_8, R4(NONE),
	/* 70 */ R8(IMM_8), R8(IMM_8),
	/* 80 */ MODRM | IMM_8, MODRM | IMM_Z, BAD, MODRM | IMM_8, R4(MODRM), R8(MODRM),
	/* 90 */ R8(NONE), NONE, NONE, BAD, NONE, R4(NONE),
	/* a0 */ R4(OFFSET), R4(NONE), IMM_8, IMM_Z, NONE, NONE, R4(NONE),
	/* b0 */ R8(IMM_8), R8(IMM_V),
	/* c0 */ MODRM | IMM_8, MODRM | IMM_8, IMM_16, NONE, BAD, BAD, MODRM | IMM_8, MODRM | IMM_Z,
	/* c8 */ IMM_16 | IMM_8, NONE, IMM_16, NONE, NONE, IMM_8, BAD, NONE,
	/* d0 */ R4(MODRM), BAD, BAD, BAD, NONE, R8(MODRM),
	/* e0 */ R8(IMM_8), IMM_32, IMM_32, BAD, IMM_8, R4(NONE),
	/* f0 */ BAD, NONE, BAD, BAD, NONE, NONE, MODRM | GROUP_3 | IMM_8, MODRM | GROUP_3 | IMM_Z,
	/* f8 */ R4(NONE), NONE, NONE, MODRM, MODRM,
#undef R8
#undef R4
};
/* clang-format on */

static unsigned operands_one(uint8_t opcode)
{
	if (opcode >= 0x40)
		return one_byte[opcode - 0x40];
	if ((opcode & 7) < 4)
		return MODRM;
	return (opcode & 7) == 4 ? IMM_8 : (opcode & 7) == 5 ? IMM_Z : BAD;
}

static bool in_range(uint8_t value, uint8_t first, uint8_t last)
{
	return value >= first && value <= last;
}

/* The map behind 0x0f, also that of VEX and EVEX map 1. */
static unsigned operands_two(uint8_t opcode)
{
	if (in_range(opcode, 0x70, 0x73) || opcode == 0xa4 || opcode == 0xac || opcode == 0xba ||
	    opcode == 0xc2 || in_range(opcode, 0xc4, 0xc6) || opcode == 0x0f)
		return MODRM | IMM_8;
	if (in_range(opcode, 0x80, 0x8f))
		return IMM_32;
	if (in_range(opcode, 0x05, 0x09) || opcode == 0x0b || opcode == 0x0e ||
	    in_range(opcode, 0x30, 0x37) || opcode == 0x77 || in_range(opcode, 0xa0, 0xa2) ||
	    in_range(opcode, 0xa8, 0xaa) || in_range(opcode, 0xc8, 0xcf))
		return NONE;
	if (opcode == 0x04 || opcode == 0x0a || opcode == 0x0c || in_range(opcode, 0x24, 0x27))
		return BAD;
	return MODRM;
}

/* Maps of VEX, EVEX and XOP by number: 1 is 0x0f, 2 is 0x0f38, 3 is 0x0f3a, 5 and 6 half precision. */
static unsigned operands_map(unsigned map, uint8_t opcode)
{
	switch (map) {
	case 1:
		return operands_two(opcode);
	case 2:
	case 5:
	case 6:
		return MODRM;
	case 3:
	case 8: /* XOP of old AMD processors, maps 8 to 10 */
		return MODRM | IMM_8;
	case 9:
		return MODRM;
	case 10:
		return MODRM | IMM_32;
	default:
		return BAD;
	}
}

/* Bytes beyond the end read as 0; the length is compared with the end once, when it is known. */
static uint8_t insn_byte(struct insn *insn)
{
	uint8_t byte = insn->at < insn->len ? insn->code[insn->at] : 0;

	insn->at++;
	return byte;
}

static uint8_t read_prefixes(struct insn *insn)
{
	for (;;) {
		uint8_t byte = insn_byte(insn);

		switch (byte) {
		case 0x66:
			insn->short_operand = true;
			break;
		case 0x67:
			insn->short_address = true;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65: /* segments, branch hints */
		case 0xf0:
		case 0xf2:
		case 0xf3:
			break;
		default:
			if (in_range(byte, 0x40, 0x4f)) { /* REX stands right before the opcode */
				insn->wide = byte & 8;
				byte = insn_byte(insn);
			}
			return byte;
		}
		if (insn->at > INSN_MAX)
			return byte;
	}
}

static unsigned read_opcode(struct insn *insn)
{
	uint8_t byte = read_prefixes(insn), payload;

	switch (byte) {
	case 0x0f:
		byte = insn_byte(insn);
		if (byte != 0x38 && byte != 0x3a)
			return operands_two(byte);
		insn_byte(insn);
		return byte == 0x38 ? MODRM : MODRM | IMM_8;
	case 0xc5: /* VEX of two bytes */
		insn_byte(insn);
		return operands_two(insn_byte(insn));
	case 0xc4: /* VEX of three bytes */
		payload = insn_byte(insn);
		insn_byte(insn);
		return operands_map(payload & 0x1f, insn_byte(insn));
	case 0x8f: /* pop, or XOP when a map stands where its ModRM has 0 */
		if (insn->at >= insn->len || !(insn->code[insn->at] & 0x38))
			return MODRM;
		payload = insn_byte(insn);
		insn_byte(insn);
		return operands_map(payload & 0x1f, insn_byte(insn));
	case 0x62: /* EVEX */
		payload = insn_byte(insn);
		insn_byte(insn);
		insn_byte(insn);
		return operands_map(payload & 7, insn_byte(insn));
	default:
		return operands_one(byte);
	}
}

/* Returns the `reg` field, which extends the opcode of a group. */
static unsigned read_modrm(struct insn *insn)
{
	uint8_t modrm = insn_byte(insn);
	unsigned mod = modrm >> 6, rm = modrm & 7;

	if (mod == 3)
		return modrm >> 3 & 7;
	if (rm == 4 && (insn_byte(insn) & 7) == 5 && mod == 0)
		insn->at += 4;
	if (mod == 1)
		insn->at += 1;
	if (mod == 2 || (mod == 0 && rm == 5))
		insn->at += 4;
	return modrm >> 3 & 7;
}

static void skip_immediates(struct insn *insn, unsigned operands)
{
	if (operands & IMM_8)
		insn->at += 1;
	if (operands & IMM_16)
		insn->at += 2;
	if (operands & IMM_32)
		insn->at += 4;
	if (operands & IMM_V)
		insn->at += insn->wide ? 8 : insn->short_operand ? 2 : 4;
	if (operands & IMM_Z)
		insn->at += insn->short_operand && !insn->wide ? 2 : 4;
	if (operands & OFFSET)
		insn->at += insn->short_address ? 4 : 8;
}

size_t insn_length(const uint8_t *code, size_t len)
{
	struct insn insn = { .code = code, .len = len };
	unsigned operands = read_opcode(&insn);
	unsigned reg = operands & MODRM ? read_modrm(&insn) : 0;

	if (operands & BAD)
		return 0;
	if ((operands & GROUP_3) && reg > 1)
		operands &= ~(unsigned)(IMM_8 | IMM_Z);
	skip_immediates(&insn, operands);
	return insn.at <= len && insn.at <= INSN_MAX ? insn.at : 0;
}

int insn_begins_at(const uint8_t *code, size_t len, size_t distance)
{
	size_t at = 0;

	while (at < distance) {
		size_t step = insn_length(code + at, len - at);

		if (!step)
			return -EILSEQ;
		at += step;
	}
	return at == distance;
}

int insn_read(const char *path, uint64_t offset, uint8_t *code, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), result;
	size_t n = 0;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	while (n < len && got > 0) {
		got = pread(fd, code + n, len - n, (off_t)(offset + n));
		if (got > 0)
			n += (size_t)got;
	}
	result = got < 0 ? -errno : (int)n;
	close(fd);
	return result;
}
