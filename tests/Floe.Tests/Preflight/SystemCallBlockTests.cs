using System.Runtime.InteropServices;
using System.Text;
using Floe.Agent.Preflight;
using Floe.Linux;
using Floe.Linux.Processes;
using Xunit;

namespace Floe.Tests.Preflight;

/// <summary>Each on a thread of its own that ends with the test: a filter is never taken off again.</summary>
public sealed class SystemCallBlockTests
{
    private static void OnOwnThread(Action action)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
        {
            throw new AggregateException(failure);
        }
    }

    private static void RequireSysAdmin() => Assert.SkipUnless(
        ProcessStatus.TryRead("/proc/self")!.EffectiveCapabilities.Has(Capability.SysAdmin), "needs CAP_SYS_ADMIN");

    private static int IoUringErrno(int call)
    {
        // No parameter block: where io_uring is there the answer is EFAULT or EINVAL, where it is switched off EPERM.
        return Interop.syscall(call, -1, 0, 0) < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    [Fact]
    public void TryInstall_OnThisThread_IoUringIsNotThere()
    {
        RequireSysAdmin();
        OnOwnThread(() =>
        {
            Assert.True(SystemCallBlock.TryInstallOnThisThread());

            Assert.Equal(Errno.ENOSYS, IoUringErrno(425));
            Assert.Equal(Errno.ENOSYS, IoUringErrno(426));
            Assert.Equal(Errno.ENOSYS, IoUringErrno(427));
            // The neighbours 424 (pidfd_send_signal) and 428 (open_tree) are untouched.
            Assert.NotEqual(Errno.ENOSYS, IoUringErrno(424));
            Assert.NotEqual(Errno.ENOSYS, IoUringErrno(428));
        });
    }

    [Fact]
    public void TryInstall_OtherThreads_KeepIoUring()
    {
        RequireSysAdmin();
        var before = IoUringErrno(425);
        OnOwnThread(() => Assert.True(SystemCallBlock.TryInstallOnThisThread()));

        Assert.Equal(before, IoUringErrno(425));
    }

    [Fact]
    public async Task TryInstall_ChildOfThatThread_HasTheFilterAndWorks()
    {
        RequireSysAdmin();
        var output = Path.GetTempFileName();
        try
        {
            ChildProcess? child = null;
            OnOwnThread(() =>
            {
                Assert.True(SystemCallBlock.TryInstallOnThisThread());
                child = ChildProcess.Start(new ChildProcessOptions
                {
                    Path = "/bin/sh"u8.ToArray(),
                    Arguments =
                    [
                        "sh"u8.ToArray(), "-c"u8.ToArray(),
                        Encoding.UTF8.GetBytes(
                            $"grep ^Seccomp: /proc/self/status >{output}; "
                            + $"perl -e 'print syscall(425, 1, 0) == -1 ? $!+0 : 0' >>{output} 2>/dev/null || echo no perl >>{output}"),
                    ],
                    NewSession = true,
                });
            });

            Assert.Equal(0, (await child!.Exited).ShellCode);
            var lines = await File.ReadAllLinesAsync(output);
            Assert.Equal("Seccomp:\t2", lines[0]);
            Assert.Contains(lines[1], (string[])["38", "no perl"]);
        }
        finally
        {
            File.Delete(output);
        }
    }
}
