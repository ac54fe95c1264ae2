/* What the file system benchmarks do to files, without a shell in between. Prints nanoseconds.
 *   files read FILE              reads it from start to end in pieces of 1 MiB
 *   files write FILE MIB         writes so many MiB that do not repeat in pieces of 1 MiB, then fsync
 *   files change FILE            writes 4 KiB into every 8 MiB of it, then fsync
 *   files random FILE COUNT      reads 4 KiB at COUNT random places
 *   files list FOLDER COUNT      reads the folder and stops when there are not COUNT names
 *   files small FOLDER COUNT     makes COUNT files of 4 KiB and closes each
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static uint64_t state = 88172645463325252ull;
static uint64_t next(void) { state ^= state << 13; state ^= state >> 7; state ^= state << 17; return state; }
static int fail(const char *what) { perror(what); return 1; }
static long long now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ll + t.tv_nsec; }
enum { MIB = 1 << 20 };

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    const char *what = argv[1], *path = argv[2];
    long count = argc > 3 ? atol(argv[3]) : 0;
    char *buffer = aligned_alloc(4096, 2 * MIB);
    for (int i = 0; i < 2 * MIB / 8; i++) ((uint64_t *)buffer)[i] = next();
    long long start = now();
    if (!strcmp(what, "read")) {
        int file = open(path, O_RDONLY);
        ssize_t got = 0;
        if (file < 0) return fail(path);
        while ((got = read(file, buffer, MIB)) > 0) { }
        if (got < 0) return fail(path);
    } else if (!strcmp(what, "write")) {
        int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (file < 0) return fail(path);
        for (long i = 0; i < count; i++) {
            *(uint64_t *)(buffer + (i * 8) % MIB) = i;
            if (write(file, buffer, MIB) != MIB) return fail(path);
        }
        if (fsync(file) != 0) return fail(path);
        if (close(file) != 0) return fail(path);
    } else if (!strcmp(what, "change")) {
        struct stat status;
        int file = open(path, O_WRONLY);
        if (file < 0 || fstat(file, &status) != 0) return fail(path);
        for (off_t at = 0; at < status.st_size; at += 8 * MIB)
            if (pwrite(file, buffer, 4096, at) != 4096) return fail(path);
        if (fsync(file) != 0) return fail(path);
    } else if (!strcmp(what, "random")) {
        struct stat status;
        int file = open(path, O_RDONLY);
        if (file < 0 || fstat(file, &status) != 0) return fail(path);
        start = now();
        for (long i = 0; i < count; i++)
            if (pread(file, buffer, 4096, next() % (status.st_size / 4096) * 4096) != 4096) return fail(path);
    } else if (!strcmp(what, "list")) {
        DIR *folder = opendir(path);
        long names = 0;
        if (!folder) return fail(path);
        for (struct dirent *entry; (entry = readdir(folder)); ) names += entry->d_name[0] != '.';
        if (names != count) { fprintf(stderr, "%ld names\n", names); return 1; }
    } else if (!strcmp(what, "small")) {
        char name[4096];
        for (long i = 0; i < count; i++) {
            snprintf(name, sizeof name, "%s/%ld", path, i);
            int file = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
            if (file < 0 || write(file, buffer + i % 4096, 4096) != 4096 || close(file) != 0) return fail(name);
        }
    } else {
        return 2;
    }
    printf("%lld\n", now() - start);
    return 0;
}
