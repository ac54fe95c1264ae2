using System.Runtime.ExceptionServices;
using Floe.Linux;

namespace Floe.Agent.Namespaces;

/// <summary>
/// Runs a few system calls on a thread that has left some of the program's namespaces; the thread then ends, and only the
/// processes that it started stay in the new ones.
/// </summary>
internal static class NamespaceThread
{
    /// <summary>
    /// Blocks until <paramref name="body"/> has returned. The body must not touch the thread pool or start threads: a thread
    /// inherits the namespaces of the one that starts it, and pool threads are started by whoever queues work.
    /// </summary>
    /// <exception cref="LinuxException">The namespaces may not be made, or whatever the body throws.</exception>
    public static T Run<T>(int flags, Func<T> body)
    {
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                if (Interop.unshare(flags) != 0)
                {
                    throw LinuxException.Last("unshare (namespaces of its own need root or CAP_SYS_ADMIN)");
                }

                result = body();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        })
        { IsBackground = true, Name = "namespaces" };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }
}
