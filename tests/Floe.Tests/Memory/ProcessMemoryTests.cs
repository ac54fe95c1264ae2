using System.Globalization;
using System.Text;
using Floe.Agent.Memory;
using Floe.Agent.Snapshots;
using Floe.Linux;
using Floe.Linux.Processes;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Memory;

public sealed class ProcessMemoryTests
{
    private const int Bytes = 16 << 20;

    /// <summary>Reading a forked tree must not take as many times its memory as it has processes.</summary>
    [Fact]
    public async Task Read_PagesThatAForkShares_StayShared()
    {
        const string program = """
            import ctypes, os, sys, time
            heap = ctypes.create_string_buffer(b'\x07' * (16 << 20))
            child = os.fork()
            if child == 0: time.sleep(1000)
            with open(sys.argv[1] + '.new', 'w') as f: f.write(f'{child} {ctypes.addressof(heap)}')
            os.rename(sys.argv[1] + '.new', sys.argv[1])
            time.sleep(1000)
            """;
        using var folder = new ScratchFolder();
        var parent = ChildProcess.Start(new ChildProcessOptions
        {
            Path = "/usr/bin/python3"u8.ToArray(),
            Arguments = [.. ((string[])["python3", "-c", program, folder["said"]]).Select(Encoding.UTF8.GetBytes)],
        });
        var child = 0;
        try
        {
            while (!File.Exists(folder["said"]))
            {
                Assert.False(parent.HasExited);
                await Task.Delay(10, TestContext.Current.CancellationToken);
            }

            var said = (await File.ReadAllTextAsync(folder["said"], TestContext.Current.CancellationToken)).Split(' ');
            child = int.Parse(said[0], CultureInfo.InvariantCulture);
            var start = (ulong.Parse(said[1], CultureInfo.InvariantCulture) + 4095) / 4096 * 4096;
            var before = ResidentMemory.Bytes([parent.Pid, child]);
            using var memory = new ProcessMemory(child, mayShare: true);
            var read = new byte[Bytes - 4096];
            memory.Read([new PagePiece(start, read.Length)], read);

            Assert.InRange(ResidentMemory.Bytes([parent.Pid, child]), 0, before + (Bytes / 4));
            Assert.False(read.AsSpan().ContainsAnyExcept((byte)7));
        }
        finally
        {
            parent.Signal(Interop.SIGKILL);
            if (child > 0)
            {
                _ = Interop.kill(child, Interop.SIGKILL);
            }

            await parent.Exited;
        }
    }
}
