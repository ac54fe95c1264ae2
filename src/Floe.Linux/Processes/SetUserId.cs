namespace Floe.Linux.Processes;

/// <param name="Uid">Not root's.</param>
public readonly record struct UserIds(uint Uid, uint Gid);

/// <summary>
/// What the program does with root that it got from its file's set-user-id bit, rather than from whoever started it: a security boundary.
///
/// Only process 1 of a pid namespace keeps it, the entrypoint of a container: it was started by the container's engine, with the arguments and
/// variables that were chosen for the container. A process inside cannot become one: a new pid namespace takes CAP_SYS_ADMIN, or a user
/// namespace, and in a user namespace that does not map the file's owner the kernel ignores the bit (bprm_fill_uid in fs/exec.c). All others, that is
/// every user of the image who starts the program, lose it for good. In the shipped program Native/before_the_runtime.c has done that before
/// .NET's runtime read its first variable; here it is done for a program that was built without.
/// </summary>
public static unsafe class SetUserId
{
    /// <summary>The program's first act, before anything is read from the command line or the environment.</summary>
    /// <returns>
    /// The user that the container's processes run as, who is to run the task; the program itself is wholly root then. Null: the program has no other
    /// rights than whoever started it.
    /// </returns>
    /// <exception cref="LinuxException">The ids cannot be set: the program must end.</exception>
    public static UserIds? Settle()
    {
        var starter = new UserIds(Interop.getuid(), Interop.getgid());
        if (starter.Uid == Interop.geteuid() && starter.Gid == Interop.getegid())
        {
            return null;
        }

        if (starter.Uid == 0 || Interop.geteuid() != 0 || Interop.getpid() != 1)
        {
            GiveUp(starter);
            return null;
        }

        // The supplementary groups stay as they are: they give root nothing, and the task inherits them.
        Set(new UserIds(0, 0));
        return starter;
    }

    /// <summary>Makes the whole process the user's, with no way back. All capabilities go with root: capabilities(7), "Effect of user ID changes".</summary>
    /// <exception cref="LinuxException">The ids cannot be set: the program must end.</exception>
    public static void GiveUp(UserIds user)
    {
        Set(user);
        // /proc/self belongs to root for as long as the kernel takes the process for one with secrets.
        _ = Interop.prctl(Interop.PR_SET_DUMPABLE, 1, 0, 0, 0);
    }

    /// <summary>
    /// Makes only the calling thread the user's, and what it starts from now on. The thread must end soon: it shares its memory with the others, and
    /// must do nothing for them.
    /// </summary>
    /// <exception cref="LinuxException">The ids cannot be set.</exception>
    public static void BecomeOnThisThread(UserIds user)
    {
        if (!Interop.TrySetIdsOfThisThread(user.Uid, user.Gid))
        {
            throw LinuxException.Last($"becoming user {user.Uid}");
        }
    }

    private static void Set(UserIds ids)
    {
        if (Interop.setresgid(ids.Gid, ids.Gid, ids.Gid) != 0 || Interop.setresuid(ids.Uid, ids.Uid, ids.Uid) != 0)
        {
            throw LinuxException.Last($"becoming user {ids.Uid}");
        }

        uint real, effective, saved, realGroup, effectiveGroup, savedGroup;
        if (Interop.getresuid(&real, &effective, &saved) != 0 || Interop.getresgid(&realGroup, &effectiveGroup, &savedGroup) != 0
            || (real, effective, saved) != (ids.Uid, ids.Uid, ids.Uid) || (realGroup, effectiveGroup, savedGroup) != (ids.Gid, ids.Gid, ids.Gid))
        {
            throw new LinuxException($"becoming user {ids.Uid}", Errno.EPERM);
        }
    }
}
