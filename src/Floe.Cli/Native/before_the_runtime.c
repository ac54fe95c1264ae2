/*
 * Runs in bin/floe before everything else in it, .NET's runtime included.
 *
 * In a container layer the program carries the set-user-id bit, so that a container whose image names another user can mount and
 * freeze (docs/decisions/0043-images-with-a-user.md). Whoever else starts that file there must not get anything by it. The runtime
 * reads DOTNET_* variables, can write dumps and run a dump tool, all of it before the first line of C#; therefore root is given up
 * here, where only libc's own start has run, which knows set-user-id programs (AT_SECURE).
 *
 * Process 1 of a pid namespace is the container's entrypoint, whose variables are those that the container was started with:
 * Floe.Linux.Processes.SetUserId decides about it, and does here the same once more.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void give_up_root(void)
{
    uid_t uid = getuid();
    gid_t gid = getgid();
    if ((uid == geteuid() && gid == getegid()) || getpid() == 1)
        return;

    /* One thread so far: libc's functions act on the whole process. A uid that is not 0 loses all capabilities with root. */
    if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0 || (uid != 0 && seteuid(0) == 0))
        _exit(126);

    /* /proc/self is the user's again; nothing was read as root that could be looked for in memory. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/*
 * CRIU runs the program as its action script a dozen times in a dump, while the task stands still, and the agent wants to hear of one or two of them
 * (Floe.Criu.Hook.ActionHook): the others need not wait for the runtime to start.
 */
static void leave_when_not_asked(void)
{
    const char *action = getenv("CRTOOLS_SCRIPT_ACTION");
    const char *socket = getenv("FLOE_HOOK_SOCKET");
    if (action && *action && socket && *socket && strcmp(action, "post-dump") != 0 && strcmp(action, "post-restore") != 0 && strcmp(action, "pre-resume") != 0)
        _exit(0);
}

/* The first file that the runtime opens would else be standard error, and its own messages would go into it. */
static void open_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            return;
}

/*
 * Children are waited for one by one (Floe.Linux.Processes.ChildProcess). Two things would take their exit status away before: a parent that ignores
 * SIGCHLD, as that is inherited; and the runtime, which in process 1 reaps whatever has ended once it handles SIGCHLD, and it does so as soon as its console
 * is a terminal. All threads have this one's mask, so it never hears of any; what is started gets an empty one.
 */
static void keep_exit_statuses(void)
{
    sigset_t set;
    signal(SIGCHLD, SIG_DFL);
    if (getpid() != 1)
        return;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

static void before_the_runtime(void)
{
    give_up_root();
    keep_exit_statuses();
    open_standard_descriptors();
    leave_when_not_asked();
}

__attribute__((section(".preinit_array"), used)) static void (*const s_first)(void) = before_the_runtime;
