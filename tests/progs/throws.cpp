/*
 * A C++ target that prints its pid, waits for a line on stdin, throws N exceptions, catches them, and prints how many: libstdc++'s own
 * static probes should have seen the same.
 */
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <unistd.h>

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1, caught = 0;
	char go;

	printf("pid %d\n", getpid());
	fflush(stdout);
	if (read(0, &go, 1) < 0)
		return 1;
	for (int i = 0; i < n; i++) {
		try {
			throw std::runtime_error("jbtrace");
		} catch (const std::exception &) {
			caught++;
		}
	}
	printf("thrown %d\ncaught %d\n", n, caught);
	return 0;
}
