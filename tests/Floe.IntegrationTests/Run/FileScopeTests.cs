using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>In a container of its own all that the task changed on the root file system, /tmp and /dev/shm travels with it.</summary>
public sealed class FileScopeTests
{
    /// <summary>Everything about the files that the task touched, one line a name; missing names are told too.</summary>
    private const string Describe = """
        import hashlib, os, stat, sys
        def tell(path):
            try: s = os.lstat(path)
            except FileNotFoundError: print(path, 'missing'); return
            what = [oct(s.st_mode), s.st_uid, s.st_gid, s.st_nlink if not stat.S_ISDIR(s.st_mode) else '', s.st_mtime_ns]
            if stat.S_ISREG(s.st_mode): what += [s.st_size, s.st_blocks * 512 < s.st_size // 2, hashlib.sha256(open(path, 'rb').read()).hexdigest()[:16]]
            if stat.S_ISLNK(s.st_mode): what.append(os.readlink(path))
            what += [(n, os.getxattr(path, n, follow_symlinks=False)) for n in sorted(os.listxattr(path, follow_symlinks=False)) if n.startswith('user.') or n.startswith('trusted.floe')]
            print(path, *what)
            if stat.S_ISDIR(s.st_mode):
                for name in sorted(os.listdir(path)): tell(os.path.join(path, name))
        for path in sys.argv[1:]: tell(path)
        """;

    private static readonly string[] s_touched =
    [
        "/srv-data", "/var/tmp/d", "/tmp/d", "/dev/shm/d", "/etc/profile", "/etc/issue", "/usr/share/common-licenses",
        "/etc/skel", "/root",
    ];

    [Fact]
    public async Task Run_EveryKindOfChange_IsThereOnTheNextMachine()
    {
        await using var fleet = new Fleet();
        fleet.Environment.Remove(Fleet.Exclude);
        const string script = Fleet.Gate + """
            set -e
            mkdir -p /srv-data/deep/er /var/tmp/d /tmp/d /dev/shm/d
            head -c 100000 /dev/urandom >/srv-data/deep/er/created; chmod 640 /srv-data/deep/er/created; chown 1234:4321 /srv-data/deep/er/created
            echo tail >>/etc/profile
            rm /usr/share/common-licenses/BSD
            mv /usr/share/common-licenses/Artistic /usr/share/common-licenses/Renamed
            chmod 600 /etc/issue
            rm -r /etc/skel; mkdir /etc/skel; echo new >/etc/skel/only
            ln -s ../nowhere /var/tmp/d/link
            echo twice >/var/tmp/d/one; ln /var/tmp/d/one /var/tmp/d/two
            truncate -s 50M /tmp/d/sparse; echo middle | dd of=/tmp/d/sparse bs=1 seek=20000000 conv=notrunc status=none
            mkfifo -m 622 /tmp/d/fifo
            echo shared >/dev/shm/d/segment
            : >/tmp/d/empty; mkdir -m 1777 /tmp/d/sticky
            echo old >/root/old; touch -d '2001-02-03 04:05:06.789012345' /root/old
            python3 -c "import os; os.setxattr('/root/old', 'user.note', b'\x00\xff'); open(b'/root/na\xffme', 'w').write('x')"
            echo ready; gate /run/go; echo done
            """;
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, script);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(a, run);
        var before = await DescribeAsync(a);
        Assert.Contains("/usr/share/common-licenses/Renamed", before, StringComparison.Ordinal);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        var second = await fleet.RunScriptAsync(b, script);
        await Fleet.UntilLoggedAsync(second, "Restored snapshot");
        Assert.Equal(before.Split('\n'), (await DescribeAsync(b)).Split('\n'));
        Fleet.Open(b, "/run/go");
        Fleet.AssertStatus(0, await Fleet.EndAsync(second));
    }

    /// <summary>What a log gained on the old machine after the snapshot is done again on the new one, and must not be there twice.</summary>
    [Fact]
    public async Task Run_LogGrewAfterTheSnapshot_NothingOfItLeaks()
    {
        await using var fleet = new Fleet();
        fleet.Environment.Remove(Fleet.Exclude);
        fleet.Environment["AWS_BATCH_JOB_ID"] = "job-log";
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "1";
        const string script = Fleet.Gate + "exec 3>>/var/tmp/log; for i in {1..500}; do echo $i >&3; [ $i -ne 100 ] || { echo hundred; gate /run/one; }; [ $i -ne 200 ] || { echo two hundred; gate /run/two; }; done";
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, script);
        await Fleet.UntilPrintedAsync(run, "hundred\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        Fleet.Open(a, "/run/one");
        await Fleet.UntilPrintedAsync(run, "two hundred\n");
        await a.DestroyAsync();

        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "2";
        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/one");
        Fleet.Open(b, "/run/two");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, script));
        Fleet.AssertStatus(0, second);
        Assert.Contains("Restored snapshot", second.Errors, StringComparison.Ordinal);
        Assert.Equal(string.Concat(Enumerable.Range(1, 500).Select(i => $"{i}\n")), await File.ReadAllTextAsync(b.RootPath + "/var/tmp/log", Fleet.Token));
    }

    [Theory]
    [InlineData(MachineKind.Container)]
    [InlineData(MachineKind.Host)]
    public async Task Run_IncludeAndExclude_DecideWhatTravels(MachineKind kind)
    {
        await using var fleet = new Fleet { Kind = kind };
        fleet.Environment.Remove(Fleet.Exclude);
        const string script = Fleet.Gate + """
            cd /tmp
            echo kept >/data/kept; rm /data/removed; mkdir /data/scratch /tmp/cache; echo left >/data/scratch/left; echo left >/tmp/cache/left; echo kept >/tmp/kept
            exec 3>>/data/log; echo one >&3
            echo ready; gate /run/go; echo two >&3; cat /data/kept /tmp/kept; ls /data/removed /data/scratch/left /tmp/cache/left 2>/dev/null; echo done
            """;
        string[] options = ["--include", "/data", "--exclude", "/data/scratch", "--exclude", "/tmp/cache"];
        string firstData = fleet.Folder("data-a"), secondData = fleet.Folder("data-b");
        await File.WriteAllTextAsync(Path.Combine(firstData, "removed"), "x", Fleet.Token);
        await File.WriteAllTextAsync(Path.Combine(secondData, "removed"), "x", Fleet.Token);
        var a = await fleet.MachineAsync("machine-a", new MachineBind(firstData, "/data"));
        var run = await fleet.RunScriptAsync(a, script, options);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b", new MachineBind(secondData, "/data"));
        Fleet.Open(b, "/run/go");
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, script, options));
        Fleet.AssertStatus(0, second);
        Assert.Equal("kept\nkept\ndone\n", second.Text);
        Assert.Equal("one\ntwo\n", await File.ReadAllTextAsync(Path.Combine(secondData, "log"), Fleet.Token));
    }

    /// <summary>The bundle in /usr/local, the agent's state in /tmp, the store in a folder of the task's: Floe's own stays, the task's beside it travels.</summary>
    [Fact]
    public async Task Run_FloesFilesBesideTheTasks_OnlyTheTasksTravel()
    {
        await using var fleet = new Fleet();
        fleet.Environment["FLOE_STATE_DIR"] = "/tmp";
        fleet.Environment["FLOE_BUNDLE"] = "/usr/local";
        const string script = Fleet.Gate + """
            set -e
            mkdir -p /usr/local/lib/python/new; echo module >/usr/local/lib/python/new/module; echo scratch >/tmp/scratch; echo result >/store/result
            echo ready; gate /run/go; cat /usr/local/lib/python/new/module /tmp/scratch /store/result; ls /usr/local/lib/floe/tini /usr/local/bin/fusion /store/floe.json; echo done
            """;
        var a = await BundledInUsrLocalAsync("machine-a");
        var run = await StartAsync(a);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();
        File.Delete(Path.Combine(fleet.StoreFolder, "result"));

        var b = await BundledInUsrLocalAsync("machine-b");
        Fleet.AssertStatus(0, await fleet.FloeAsync(b, "export", Fleet.Key, "/root/out", "--store", fleet.StoreUrl));
        var exported = await fleet.ShellAsync(b, "tar tf /root/out/files.tar; cat /root/out/deleted.txt; rm -r /root/out");
        Assert.Contains("usr/local/lib/python/new/module", exported.Text, StringComparison.Ordinal);
        Assert.DoesNotMatch("floe|fusion|store/tasks|tmp/[0-9a-f]{16}", exported.Text);
        Fleet.Open(b, "/run/go");
        var second = await Fleet.EndAsync(await StartAsync(b));
        Fleet.AssertStatus(0, second);
        Assert.Equal("module\nscratch\nresult\n/store/floe.json\n/usr/local/bin/fusion\n/usr/local/lib/floe/tini\ndone\n", second.Text);
        Assert.Contains("Restored snapshot", second.Errors, StringComparison.Ordinal);

        async Task<Machine> BundledInUsrLocalAsync(string name)
        {
            var machine = await fleet.MachineAsync(name);
            Fleet.AssertStatus(0, await fleet.ShellAsync(machine, "cp -a /opt/floe/. /usr/local"));
            return machine;
        }

        Task<MachineProcess> StartAsync(Machine machine) => machine.StartAsync(
            ["/usr/local/bin/floe", "run", "--store", fleet.StoreUrl, "--key", Fleet.Key, "--notices=none", "--include", "/store", "--", "/bin/bash", "-c", script],
            fleet.Environment, Fleet.Token);
    }

    private static async Task<string> DescribeAsync(Machine machine)
    {
        var result = await machine.RunAsync(["/usr/bin/python3", "-c", Describe, .. s_touched], null, Fleet.Token);
        Fleet.AssertStatus(0, result);
        return result.Text;
    }
}
