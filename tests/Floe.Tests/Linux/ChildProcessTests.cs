using System.Text;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Floe.Tests.Linux;

public sealed class ChildProcessTests
{
    private static ChildProcessOptions Shell(string script) => new()
    {
        Path = "/bin/sh"u8.ToArray(),
        Arguments = ["sh"u8.ToArray(), "-c"u8.ToArray(), Encoding.UTF8.GetBytes(script)],
    };

    [Theory]
    [InlineData("exit 7", 7)]
    [InlineData("kill -TERM $$", 128 + 15)]
    public async Task Exited_ProgramEnds_GivesItsStatus(string script, int expected)
    {
        var status = await ChildProcess.Start(Shell(script)).Exited;
        Assert.Equal(expected, status.ShellCode);
    }

    [Fact]
    public void Start_NoSuchProgram_Throws()
    {
        var options = Shell("") with { Path = "/no/such/program"u8.ToArray() };
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => ChildProcess.Start(options)).Errno);
    }

    [Fact]
    public async Task Start_Descriptors_OnlyThoseAreOpen()
    {
        var path = Path.GetTempFileName();
        try
        {
            using (var output = File.OpenHandle(path, FileMode.Create, FileAccess.Write))
            {
                var child = ChildProcess.Start(Shell("ls /proc/self/fd | tr '\\n' ' '; echo to three >&3") with { Descriptors = [(output, 1), (output, 3)] });
                Assert.True((await child.Exited).Success);
            }

            // 4 is the listing's own descriptor.
            Assert.Equal("0 1 2 3 4 to three\n", File.ReadAllText(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task Start_InvalidUtf8Argument_ArrivesUnchanged()
    {
        var path = Path.GetTempFileName();
        try
        {
            using (var output = File.OpenHandle(path, FileMode.Create, FileAccess.Write))
            {
                var options = Shell("printf %s \"$1\"");
                var child = ChildProcess.Start(options with
                {
                    Arguments = [.. options.Arguments, "sh"u8.ToArray(), new byte[] { 0xff, 0xfe, (byte)'x' }],
                    Descriptors = [(output, 1)],
                });
                Assert.True((await child.Exited).Success);
            }

            Assert.Equal(new byte[] { 0xff, 0xfe, (byte)'x' }, File.ReadAllBytes(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task Signal_RunningChild_EndsIt()
    {
        var child = ChildProcess.Start(Shell("exec sleep 60"));
        Assert.True(child.Signal(Interop.SIGTERM));
        Assert.Equal(Interop.SIGTERM, (await child.Exited).Signal);
        Assert.False(child.Signal(Interop.SIGTERM));
    }
}
