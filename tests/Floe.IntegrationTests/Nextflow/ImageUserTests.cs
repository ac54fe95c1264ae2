using Floe.IntegrationTests.Workloads;
using Floe.Testing;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Nextflow;

/// <summary>An image with USER 1000: the layer's program is set-user-id root there, the task is not root and cannot become it by that program.</summary>
public sealed class ImageUserTests(BuiltLayer layer) : IClassFixture<BuiltLayer>, IDisposable
{
    // As `docker run --user 1000:1001 --group-add 2000 --privileged`: no capabilities, all in the bounding set.
    private static readonly string[] s_asUser = ["/usr/bin/setpriv", "--reuid=1000", "--regid=1001", "--groups=1001,2000", "--inh-caps=-all"];

    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    /// <summary>/tmp of the image, and a disk of the machine that anybody may write to.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Launch_UserOfTheImage_TaskRunsAsThatUserToItsEnd(bool hasDisk)
    {
        var disk = _scratch.Folder("nvme");
        File.SetUnixFileMode(disk, (UnixFileMode)0x1FF);
        await using var server = await S3Double.StartAsync();
        await using var job = JobIn(server, hasDisk ? [new MachineBind(disk, "/tmp")] : []);
        job.Environment["HOME"] = "/home/someone";
        job.Environment["TMPDIR"] = "/tmp/../tmp";
        job.Environment["LD_LIBRARY_PATH"] = "/nowhere";
        await job.SubmitAsync("""
            id -u; id -g; id -G
            grep -E '^(Uid|CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs)' /proc/self/status
            echo $HOME $TMPDIR $LD_LIBRARY_PATH
            echo by name > /dev/stdout; echo error > /dev/stderr
            mkdir folder; echo text > folder/a; mv folder/a folder/b; stat -c '%u:%g' folder folder/b . given; rm folder/b; rmdir folder
            ln -s given link; cat link; echo more >> given; echo mine > /tmp/mine; echo mine > /dev/shm/mine; stat -c %u /tmp/mine
            echo result > result
            """, false, "/etc/hostname");
        await job.WriteAsync("given", "given\n");
        var ended = await (await job.StartAsync()).EndAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.Equal("0", await job.TextAsync(".exitcode"));
        Assert.Equal("result\n", await job.TextAsync("result"));
        Assert.Equal("given\nmore\n", await job.TextAsync("given"));
        const string None = "\t0000000000000000\n";
        Assert.Equal(
            "1000\n1001\n1001 2000\n"
            + $"Uid:\t1000\t1000\t1000\t1000\nCapInh:{None}CapPrm:{None}CapEff:{None}CapAmb:{None}NoNewPrivs:\t0\n"
            + "/home/someone /tmp/../tmp /nowhere\nby name\n1000:1001\n1000:1001\n1000:1001\n1000:1001\ngiven\n1000\n",
            await job.TextAsync(".command.out"));
        Assert.Equal("error\n", await job.TextAsync(".command.err"));
        Assert.Contains("by name\n", await job.TextAsync(".command.log"), StringComparison.Ordinal);
        Assert.Contains(".floe/trace.json", await job.OwnAsync());
        Assert.Empty(Directory.GetFileSystemEntries(disk));
    }

    /// <summary>What root restores, runs or reads must not be the task's to change.</summary>
    [Fact]
    public async Task Launch_UserOfTheImage_WhatIsTheAgentsIsOutOfReach()
    {
        await using var server = await S3Double.StartAsync();
        await using var job = JobIn(server);
        string[] attempts =
        [
            "touch .floe/new", "echo x > .floe/floe.json", "rm -f .floe/floe.json", "mv .floe away", "rm -rf .floe", "chmod 777 .floe", "mkdir -p sub/.floe",
            "mkdir sub2 && mv sub2 .floe", "ln -s /tmp other/.floe", "touch /run/floe/x", "ls /run/floe/*/", "mv /run/floe /run/gone", "ls /run/floe/cache",
            "cat /proc/1/environ", "ls /proc/1/fd/", "cat /proc/1/mem", "kill -0 1", "touch /opt/floe/bin/x", "echo x >> /opt/floe/bin/floe",
            "/usr/bin/floe nextflow check /root/secret", "bash -c 'exec -a fusion /usr/bin/fusion cat /root/secret'",
        ];
        job.Prepare += machine => File.WriteAllText($"{machine.RootPath}/root/secret", "TOP\n");
        await job.SubmitAsync(
            "mkdir other\n" + string.Concat(attempts.Select((line, i) => $"if ({line}) > said 2>&1; then echo 'done: {line.Replace('\'', '"')}'; fi; if grep -q TOP said; then echo told; fi; echo '{i}:' >> all; cat said >> all\n"))
            + "cat .floe/floe.json > /dev/null; echo end", false);
        var ended = await (await job.StartAsync()).EndAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.Equal("end\n", await job.TextAsync(".command.out"));
        // Each was refused, and not for want of a program.
        var refusals = (await job.TextAsync("all")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(refusals.Where(line => !line.EndsWith(':')), line => Assert.Matches("denied|not permitted|may not mount", line));
        Assert.True(refusals.Length >= 2 * attempts.Length, string.Join('\n', refusals));
    }

    [Fact]
    public async Task Snapshot_AskedForByTheTasksUser_IsTakenToTheAgent()
    {
        await using var server = await S3Double.StartAsync();
        await using var job = JobIn(server);
        await job.SubmitAsync("echo ready; until [ -e /tmp/go ]; do sleep 0.05; done", false);
        var attempt = await job.StartAsync();
        await attempt.UntilPrintedAsync("ready\n");
        var owner = await RunBesideAsync(attempt, [.. s_asUser, "/usr/bin/floe", "top", "--json", "--once"]);
        Assert.Contains("\"state\":\"running\"", owner.Text, StringComparison.Ordinal);
        var other = await RunBesideAsync(attempt, ["/usr/bin/setpriv", "--reuid=1005", "--regid=1001", "--clear-groups", "/usr/bin/floe", "top", "--json", "--once"]);
        Assert.NotEqual(0, other.Status.ShellCode);
        Assert.DoesNotContain("running", other.Text, StringComparison.Ordinal);
        await RunBesideAsync(attempt, [.. s_asUser, "/usr/bin/touch", "/tmp/go"]);
        var ended = await attempt.EndAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
    }

    [Fact]
    public async Task Launch_UserOfTheImageAndAReclaim_TaskGoesOnAsThatUser()
    {
        if (Workload.ObstacleToOtherUsers("a task of another user") is { } obstacle)
        {
            Assert.Skip(obstacle);
        }

        await using var server = await S3Double.StartAsync();
        await using var job = JobIn(server);
        await job.SubmitAsync(
            "for i in $(seq 1 40); do echo line $i; echo $i >> numbers; sleep 0.15; done; id -u; id -G; grep -E '^Cap(Prm|Eff)' /proc/self/status; echo by name > /dev/stdout; stat -c %u numbers", false);
        var ended = await job.RunAsync(a => a.UntilPrintedAsync("line 5\n"));
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.True(ended.Errors.Contains("Restored snapshot", StringComparison.Ordinal), ended.Errors);
        Assert.Equal(
            string.Concat(Enumerable.Range(1, 40).Select(i => $"line {i}\n"))
            + "1000\n1001 2000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nby name\n1000\n", await job.TextAsync(".command.out"));
        Assert.Equal(string.Concat(Enumerable.Range(1, 40).Select(i => $"{i}\n")), await job.TextAsync("numbers"));
        Assert.Equal("0", await job.TextAsync(".exitcode"));
    }

    /// <summary>Beside the container's process 1, and as process 1 without a task to launch.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Verb_ByAUserOfTheImage_HasNoRoot(bool isFirstProcess)
    {
        await using var machine = await ImageAsync();
        await RunAsync(["/usr/bin/floe", "nextflow", "check", "/root/secret"], "Access to the path '/root/secret' is denied");
        // What any user may do works: that user's folders, own /proc.
        await RunAsync(["/usr/bin/floe", "list", "--store", "file:///tmp/store"], "file:///tmp/store");

        async Task RunAsync(string[] command, string expected)
        {
            var init = isFirstProcess ? null : await machine.StartAsync(["/bin/sleep", "60"]);
            string[] line = [.. s_asUser, .. command];
            var process = init is null ? await machine.StartAsync(line) : await machine.StartBesideAsync(init, line);
            var ended = await process.WaitAsync(BatchJob.Token);
            init?.Signal(9);
            Assert.Contains(expected, ended.Errors + ended.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("TOP", ended.Errors + ended.Text, StringComparison.Ordinal);
        }
    }

    /// <summary>A user's own namespaces have a process 1 as well; the kernel gives it no bit.</summary>
    [Fact]
    public async Task Launch_ProcessOneOfAUsersOwnNamespace_HasNoRoot()
    {
        await using var machine = await ImageAsync();
        string[] own = [.. s_asUser, "/usr/bin/unshare", "--user", "--pid", "--fork", "--kill-child"];
        if ((await machine.RunAsync([.. own, "/bin/true"], cancellationToken: BatchJob.Token)).Status.ShellCode != 0)
        {
            Assert.Skip("this machine gives users no namespaces of their own");
        }

        var ended = await machine.RunAsync([.. own, "/usr/bin/fusion", "cat", "/root/secret"], cancellationToken: BatchJob.Token);
        Assert.Equal(174, ended.Status.ShellCode);
        Assert.Contains("its owner is not the root of this user namespace", ended.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no bit", "does not carry the set-user-id bit")]
    [InlineData("no_new_privs", "the container has no_new_privs")]
    [InlineData("nosuid", "is on a file system mounted nosuid")]
    [InlineData("--init", "only the container's process 1 keeps it")]
    public async Task Launch_BitHasNoEffect_OneLineSaysWhyAndWhatToDo(string why, string expected)
    {
        await using var machine = await ImageAsync();
        const string Program = "/opt/floe/bin/floe";
        if (why == "no bit")
        {
            File.SetUnixFileMode(machine.RootPath + Program, (UnixFileMode)0b111_101_101);
        }

        var prepare = why == "nosuid" ? "mount --bind /opt/floe /opt/floe && mount -o remount,bind,nosuid /opt/floe && " : "";
        var flags = why == "no_new_privs" ? "--no-new-privs " : "";
        var line = $"{prepare}{(why == "--init" ? "" : "exec ")}{string.Join(' ', s_asUser)} {flags}/usr/bin/fusion true{(why == "--init" ? "; exit $?" : "")}";
        var ended = await machine.RunAsync(["/bin/sh", "-c", line], cancellationToken: BatchJob.Token);
        Assert.Equal(174, ended.Status.ShellCode);
        Assert.Contains("the container runs as user 1000", ended.Errors, StringComparison.Ordinal);
        Assert.Contains(expected, ended.Errors, StringComparison.Ordinal);
        Assert.Contains("--user root", ended.Errors, StringComparison.Ordinal);
        Assert.Single(ended.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Launch_FolderOfTheBundleIsTheUsers_IsRefused()
    {
        await using var machine = await ImageAsync();
        File.SetUnixFileMode($"{machine.RootPath}/opt", (UnixFileMode)0x1FF);
        var ended = await machine.RunAsync([.. s_asUser, "/usr/bin/fusion", "true"], cancellationToken: BatchJob.Token);
        Assert.Equal(174, ended.Status.ShellCode);
        Assert.Contains("/opt is writable by others", ended.Errors, StringComparison.Ordinal);
    }

    private BatchJob JobIn(S3Double server, IReadOnlyList<MachineBind>? binds = null)
    {
        var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket)
        {
            BundleAt = null,
            Binds = binds ?? [],
            Prepare = machine => TestLayer.Unpack(layer.File, machine),
        };
        job.Line = [.. s_asUser, "/usr/bin/fusion", "bash", $"{job.WorkDirectory}/.command.run"];
        return job;
    }

    /// <summary>A machine with the layer and a file that only root reads.</summary>
    private async Task<Machine> ImageAsync()
    {
        var machine = await Machine.CreateAsync(new MachineOptions { BundleAt = null }, BatchJob.Token);
        TestLayer.Unpack(layer.File, machine);
        File.WriteAllText($"{machine.RootPath}/root/secret", "TOP\n");
        return machine;
    }

    private static async Task<MachineResult> RunBesideAsync(BatchAttempt attempt, IReadOnlyList<string> command) =>
        await (await attempt.Machine.StartBesideAsync(attempt.Process, command, cancellationToken: BatchJob.Token)).WaitAsync(BatchJob.Token);
}
