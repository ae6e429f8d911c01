/*
 * Parameters whose places C++ and the ABI make difficult: classes that are passed by their address, empty ones, vectors of
 * floats, complex numbers, wide integers that leave a register to the next. Waits for a line on stdin, then makes each
 * call once.
 */
#include <complex>
#include <cstdio>
#include <string>

#define NOIPA __attribute__((noipa))

namespace media
{
struct Base {
	int b;
	virtual ~Base()
	{
	}
};
struct Derived : Base {
	long d;
};
struct Empty {
};
/* A copy of it is a call. */
struct Handle {
	long v;
	explicit Handle(long value) : v(value)
	{
	}
	Handle(const Handle &other) : v(other.v)
	{
	}
	~Handle()
	{
		v = 0;
	}
};
struct Floats {
	float x, y;
};
struct Mixed {
	int i;
	float f;
	long l;
};

NOIPA long classes(const std::string &text, Derived *derived, Empty, Handle handle, int after)
{
	return (long)text.size() + derived->d + handle.v + after;
}

NOIPA Handle hidden(long first)
{
	return Handle(first);
}

NOIPA long spilled(Floats floats, Mixed mixed, int after, __int128 wide, short last,
		   long double real, char seventh, __int128 second, int eighth)
{
	return (long)floats.x + mixed.l + after + (long)wide + last + (long)real + seventh +
	       (long)second + eighth;
}

NOIPA long complexes(std::complex<double> number, float eight[2], int &reference,
		     int (*function)(int), bool yes, int e5, int e6, long e7)
{
	return (long)number.real() + (long)eight[0] + reference + function(1) + yes + e5 + e6 + e7;
}
} // namespace media

static int same(int x)
{
	return x;
}

int main()
{
	media::Derived derived;
	float eight[2] = { 1, 2 };
	int number = -12;

	printf("pid 0\n");
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	derived.b = 5;
	derived.d = 6;
	media::classes("hello", &derived, media::Empty(), media::Handle(42), -7);
	media::hidden(99);
	media::spilled({ 1, 2 }, { 3, 4, 5 }, -8, 1, -9, 1.5L, -10, 2, -11);
	media::complexes({ 1, 2 }, eight, number, same, true, -13, -14, -15);
	return 0;
}
