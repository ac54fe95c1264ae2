using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class UnlinkedFileTests
{
    /// <summary>Room that is taken and not written counts in full, and takes no time to make.</summary>
    [Fact]
    public async Task Run_UnlinkedFileOfMoreThanAGiB_GoesAlong()
    {
        const string task = Fleet.Gate + """
            exec 3<>/var/tmp/large; fallocate -l 1100M /var/tmp/large; printf tail | dd of=/var/tmp/large bs=1M seek=1090 conv=notrunc status=none; rm /var/tmp/large
            echo ready; gate /run/go; stat -L -c %s /proc/self/fd/3; dd if=/proc/self/fd/3 bs=1M skip=1090 count=1 status=none | head -c 4
            """;
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, task);
        await Fleet.UntilPrintedAsync(run, "ready");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        run = await fleet.RunScriptAsync(b, task);
        Fleet.Open(b, "/run/go");
        var ended = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, ended);
        Assert.Equal($"{1100 << 20}\ntail", ended.Text);
    }

    /// <summary>More than small images may have together: most of them travel as streams, and CRIU is given each in the form that it has.</summary>
    [Fact]
    public async Task Run_ManyUnlinkedFiles_AllGoAlong()
    {
        const string script = """
            import hashlib, os, random, resource, tempfile, time
            resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
            random.seed(7)
            files = [tempfile.TemporaryFile(dir='/var/tmp') for _ in range(300)]
            for f in files: f.write(random.randbytes(600 << 10)); f.flush()
            def digest():
                whole = hashlib.sha256()
                for f in files: f.seek(0); whole.update(f.read())
                return whole.hexdigest()
            before = digest()
            print('ready', flush=True)
            while not os.path.exists('/run/go'): time.sleep(0.02)
            print(digest() == before)
            """;
        string[] task = ["/usr/bin/python3", "-c", script];
        await using var fleet = new Fleet();

        var ended = await fleet.MoveAsync(task);

        Fleet.AssertStatus(0, ended);
        Assert.Contains("Restored snapshot", ended.Errors, StringComparison.Ordinal);
        Assert.Equal("True\n", ended.Text);
    }
}
