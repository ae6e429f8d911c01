/*
 * C++ names for user probes: namespaced class methods, an overload, a template and a static method, each called a
 * known number of times. Usage: cppfuncs N [wait].
 */
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

#define NOIPA __attribute__((noipa))

namespace media
{
class RingBuffer
{
      public:
	NOIPA int set(int at, int value);
	NOIPA int set(int at);
	NOIPA static int size();

      private:
	int slots[16] = {};
};

int RingBuffer::set(int at, int value)
{
	slots[at & 15] = value;
	return value;
}

int RingBuffer::set(int at)
{
	return slots[at & 15];
}

int RingBuffer::size()
{
	return 16;
}

template <typename T> NOIPA T twice(T value)
{
	return value + value;
}
} // namespace media

int main(int argc, char **argv)
{
	char line[16];
	long n = argc > 1 ? atol(argv[1]) : 1;
	media::RingBuffer ring;

	printf("pid %d\n", getpid());
	fflush(stdout);
	if (argc > 2 && !fgets(line, sizeof(line), stdin))
		return 1;
	for (long i = 0; i < n; i++) {
		ring.set(static_cast<int>(i), 7);
		ring.set(static_cast<int>(i));
		media::RingBuffer::size();
		media::twice<int>(static_cast<int>(i));
	}
	printf("set %ld\nsize %ld\ntwice %ld\n", 2 * n, n, n);
	return 0;
}
