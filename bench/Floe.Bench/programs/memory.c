// memory MIB SEED: fills so much memory with bytes that do not compress, says "ready", and stays.
// On SIGUSR1 it writes 1 % of the pages, chosen at random, anew and says "changed". After it stood still for a tenth of a second
// (a dump, a restore) it says "resumed" and the time, nanoseconds since the epoch: after a restore, when it ran again.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static volatile sig_atomic_t asked;
static uint64_t state;

static void ask(int signal) { (void)signal; asked = 1; }

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int count, char **words)
{
    if (count != 3) return 2;
    const size_t words_per_page = 4096 / sizeof(uint64_t);
    size_t pages = strtoull(words[1], 0, 10) * 256;
    state = strtoull(words[2], 0, 10) * 0x9E3779B97F4A7C15ULL | 1;
    uint64_t *memory = mmap(0, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) { perror("mmap"); return 1; }
    for (size_t i = 0; i < pages * words_per_page; i++) memory[i] = next();

    signal(SIGUSR1, ask);
    setvbuf(stdout, 0, _IOLBF, 0);
    puts("ready");
    for (int64_t before = now();;) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, 0);
        int64_t after = now();
        if (after - before > 100000000) printf("resumed %lld\n", (long long)after);
        if (asked) {
            asked = 0;
            // Without replacement, by Floyd's walk over a bitmap: exactly 1 % of the pages.
            unsigned char *taken = calloc(pages, 1);
            for (size_t i = pages - pages / 100; i < pages; i++) {
                size_t page = next() % (i + 1);
                if (taken[page]) page = i;
                taken[page] = 1;
                for (size_t word = 0; word < words_per_page; word++) memory[page * words_per_page + word] = next();
            }
            free(taken);
            puts("changed");
            after = now();
        }
        before = after;
    }
}
