using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.FileSystem.Tests.Model;
using Floe.Testing;
using Floe.Testing.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>One file on a mount, read, written, mapped, cut and reopened at random, and many processes at once.</summary>
public sealed class RandomAccessTests
{
    [Fact]
    public async Task RandomAccess_OnAMount_IsThatOfALocalFile()
    {
        using var scratch = new ScratchFolder();
        var buckets = new MemoryBuckets(Tree.Bucket);
        await using var mount = TestMount.Start(scratch, buckets);
        for (var seed = 1; seed <= 4 * Soak.Factor; seed++)
        {
            await CheckAsync(scratch, mount, $"file{seed}", seed, steps: 250, maxBytes: 2_000_000);
        }

        await mount.UnmountAsync();
        for (var seed = 1; seed <= 4 * Soak.Factor; seed++)
        {
            Content.ContentFixture.AssertSame(await File.ReadAllBytesAsync(scratch[$"file{seed}"]), buckets[Tree.Bucket].Content($"file{seed}"));
        }
    }

    [Fact]
    public async Task RandomAccess_ManyPartsSmallCacheAndAFaultyStore_IsThatOfALocalFile()
    {
        using var scratch = new ScratchFolder();
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        var random = new Random(1);
        foreach (var kind in (S3DoubleFaultKind[])[S3DoubleFaultKind.Error, S3DoubleFaultKind.ResetInRequest, S3DoubleFaultKind.ResetInAnswer, S3DoubleFaultKind.LoseAnswer, S3DoubleFaultKind.CorruptRequest])
        {
            // One request in thirty, but for those that begin an upload: one whose answer is lost stays, until floe gc finds it.
            server.Faults.Add(new(kind, 20) { AfterBytes = 10_000, Where = c => !c.Query.StartsWith("?uploads", StringComparison.Ordinal) && random.Next(30) == 0 });
        }

        await using var mount = TestMount.Start(scratch, buckets, new() { Root = new BucketFolder(S3Double.Bucket, "") }, maxCacheBytes: 24 << 20);
        for (var seed = 1; seed <= Soak.Factor; seed++)
        {
            await CheckAsync(scratch, mount, $"file{seed}", 100 + seed, steps: 150, maxBytes: 40_000_000, "full");
        }

        await mount.UnmountAsync();
        for (var seed = 1; seed <= Soak.Factor; seed++)
        {
            Content.ContentFixture.AssertSame(await File.ReadAllBytesAsync(scratch[$"file{seed}"]), server.Read($"file{seed}"));
        }

        Assert.Equal(0, server.OpenUploadCount);
    }

    [Fact]
    public async Task Append_FromManyProcesses_EveryLineIsWhole()
    {
        const int Processes = 6;
        const int Lines = 200;
        using var scratch = new ScratchFolder();
        var buckets = new MemoryBuckets(Tree.Bucket);
        await using var mount = TestMount.Start(scratch, buckets);
        var (isOk, output) = await Scripts.PythonAsync(scratch, "appenders.py", mount["log"], $"{Processes}", $"{Lines}");
        Assert.True(isOk, output);
        await mount.UnmountAsync();
        var lines = buckets[Tree.Bucket].Text("log").Split('\n')[..^1];
        Assert.Equal(Processes * Lines, lines.Length);
        foreach (var ofOne in lines.Select(l => l.Split(' ')).GroupBy(l => l[0]))
        {
            // Each process's own are in order, and none was written over.
            Assert.Equal(Enumerable.Range(0, Lines).Select(i => $"{i}"), ofOne.Select(l => l[1]));
            Assert.All(ofOne, l => Assert.Equal(((int.Parse(l[1]) * 37) + int.Parse(l[0])) % 300, l[2].Length));
        }
    }

    /// <summary>What is shown as "(deleted)" in /proc cannot be dumped, for as long as it is open.</summary>
    [Fact]
    public async Task Create_WhileOthersLookForTheName_OpenFileKeepsIt()
    {
        using var scratch = new ScratchFolder();
        await using var mount = TestMount.Start(scratch, new MemoryBuckets(Tree.Bucket));
        var (isOk, output) = await Scripts.PythonAsync(scratch, "lookers.py", mount.Path, "300");
        Assert.True(isOk, output);
        await mount.UnmountAsync();
    }

    [Fact]
    public async Task Tee_TwoOnSwappedDescriptors_LogsAreWhole()
    {
        using var scratch = new ScratchFolder();
        var buckets = new MemoryBuckets(Tree.Bucket);
        await using var mount = TestMount.Start(scratch, buckets);
        var (isOk, output) = await Scripts.ShellAsync(
            scratch,
            $"cd {mount.Path} && both() {{ for i in $(seq 500); do echo out $i; echo err $i >&2; done; }} && ((both | tee -a o) 3>&1 1>&2 2>&3 | tee -a e) >/dev/null 2>&1");
        Assert.True(isOk, output);
        await mount.UnmountAsync();
        Assert.Equal(string.Concat(Enumerable.Range(1, 500).Select(i => $"out {i}\n")), buckets[Tree.Bucket].Text("o"));
        Assert.Equal(string.Concat(Enumerable.Range(1, 500).Select(i => $"err {i}\n")), buckets[Tree.Bucket].Text("e"));
    }

    private static async Task CheckAsync(ScratchFolder scratch, TestMount mount, string name, int seed, int steps, int maxBytes, params string[] more)
    {
        var (isOk, output) = await Scripts.PythonAsync(scratch, "fsx.py", [mount[name], scratch[name], $"{seed}", $"{steps}", $"{maxBytes}", .. more]);
        Assert.True(isOk, output);
    }
}
