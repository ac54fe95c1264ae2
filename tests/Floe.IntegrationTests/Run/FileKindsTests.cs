using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>What files have beside their bytes, in a container of its own: sockets, extended attributes, times.</summary>
public sealed class FileKindsTests
{
    private const string Task = """
        import os, socket, struct, time
        os.mkdir('/srv-data')
        listening = socket.socket(socket.AF_UNIX); listening.bind('/srv-data/listening'); listening.listen()
        stale = socket.socket(socket.AF_UNIX); stale.bind('/srv-data/stale'); stale.close()
        def acl(*entries): return struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *e) for e in entries)
        entries = (1, 6, 0xffffffff), (2, 4, 1234), (4, 4, 0xffffffff), (16, 6, 0xffffffff), (32, 0, 0xffffffff)
        os.mkdir('/srv-data/shared'); os.setxattr('/srv-data/shared', 'system.posix_acl_default', acl(*entries))
        open('/srv-data/tool', 'w').write('x'); os.chown('/srv-data/tool', 1234, 4321); os.chmod('/srv-data/tool', 0o4750)
        # cap_net_raw, permitted and effective; a change of the owner takes it away.
        os.setxattr('/srv-data/tool', 'security.capability', struct.pack('<5I', 0x02000001, 1 << 13, 0, 0, 0))
        os.setxattr('/srv-data/tool', 'system.posix_acl_access', acl(*entries))
        os.setxattr('/srv-data/tool', 'trusted.note', b'\x00\xff')
        os.utime('/srv-data/tool', ns=(1012703696123456789, 981173106987654321))
        print('ready', flush=True)
        while not os.path.exists('/run/go'): time.sleep(0.01)
        caller = socket.socket(socket.AF_UNIX); caller.connect('/srv-data/listening'); caller.send(b'heard\n')
        print(listening.accept()[0].recv(10).decode(), end='')
        print(os.listdir('/srv-data/shared') == [], os.path.lexists('/srv-data/stale'))
        """;

    private const string Describe = """
        import os
        for name in 'tool', 'shared':
            path = '/srv-data/' + name
            s = os.lstat(path)
            print(name, oct(s.st_mode), s.st_uid, s.st_gid, *((s.st_atime_ns, s.st_mtime_ns) if name == 'tool' else ()))
            for attribute in sorted(os.listxattr(path)): print(attribute, os.getxattr(path, attribute).hex())
        """;

    [Fact]
    public async Task Run_SocketsAttributesAndTimes_AreThereOnTheNextMachine()
    {
        await using var fleet = new Fleet();
        string[] task = ["/usr/bin/python3", "-c", Task];
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunAsync(a, [], task);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(a, run);
        var before = await DescribeAsync(a);
        Assert.StartsWith("tool 0o104660 1234 4321 1012703696123456789 981173106987654321\nsecurity.capability 0100000200200000", before, StringComparison.Ordinal);
        Assert.All((string[])["system.posix_acl_access", "trusted.note 00ff", "system.posix_acl_default"], name => Assert.Contains(name, before, StringComparison.Ordinal));
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        run = await fleet.RunAsync(b, [], task);
        await Fleet.UntilLoggedAsync(run, "Restored snapshot");
        Assert.Equal(before.Split('\n'), (await DescribeAsync(b)).Split('\n'));
        Fleet.Open(b, "/run/go");
        var result = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, result);
        Assert.Equal("heard\nTrue False\n", result.Text);
    }

    private static async Task<string> DescribeAsync(Machine machine)
    {
        var result = await machine.RunAsync(["/usr/bin/python3", "-c", Describe], null, Fleet.Token);
        Fleet.AssertStatus(0, result);
        return result.Text;
    }
}
