/* threads200 THREADS STEPS: threads that meet at a barrier, hand values around a ring and keep some in thread-local storage. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <errno.h>

static int threads, steps;
static pthread_barrier_t barrier;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t *ring, total;
static __thread uint64_t own;

static void nap(long milliseconds)
{
    struct timespec left = { 0, milliseconds * 1000000 };
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

static void *work(void *argument)
{
    uintptr_t number = (uintptr_t)argument;
    own = number * 2654435761u + 1;
    for (int step = 0; step < steps; step++) {
        own = own * 6364136223846793005u + ring[(number + threads - 1) % threads];
        pthread_barrier_wait(&barrier);
        ring[number] = own >> 11;
        pthread_mutex_lock(&lock);
        total += own;
        pthread_mutex_unlock(&lock);
        pthread_barrier_wait(&barrier);
        nap(90);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    threads = atoi(argv[1]);
    steps = atoi(argv[2]);
    ring = calloc(threads, sizeof *ring);
    pthread_t *all = calloc(threads, sizeof *all);
    pthread_barrier_init(&barrier, NULL, threads);
    for (uintptr_t number = 0; number < (uintptr_t)threads; number++)
        if (pthread_create(&all[number], NULL, work, (void *)number))
            return 3;
    for (int number = 0; number < threads; number++)
        pthread_join(all[number], NULL);
    uint64_t sum = 0;
    for (int number = 0; number < threads; number++)
        sum = sum * 31 + ring[number];
    printf("%llu %llu\n", (unsigned long long)total, (unsigned long long)sum);
    return 0;
}
