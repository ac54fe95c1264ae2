using System.Globalization;
using Floe.Testing;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Bundle;

/// <summary>The main job where there is no glibc, no shell, nothing that Floe could borrow from the root file system.</summary>
public sealed class BareRootRunTests
{
    private const string Count = "i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.05; done; echo end";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("busybox", "/fusion")]
    [InlineData("empty", "/x/y")]
    public async Task Run_BareRoot_FreezesAndThaws(string root, string place)
    {
        using var scratch = new ScratchFolder();
        var store = scratch.Folder("store");
        // The task's own program: static, so that it runs in an empty root too.
        string[] run = [$"{place}/bin/floe", "run", "--store", "file:///store", "--key", "bare", "--notices=none", "--", "/busybox", "sh", "-c", Count];

        var rootFolder = Roots.Make(root, scratch);
        string before;
        await using (var a = await CreateAsync(rootFolder, place, store, "machine-a"))
        {
            var process = await a.StartAsync(run, cancellationToken: Token);
            while (!System.Text.Encoding.UTF8.GetString(process.Output).Contains("line 10\n", StringComparison.Ordinal))
            {
                Assert.False(process.HasExited, process.Errors);
                await Task.Delay(20, Token);
            }

            var snapshot = await a.StartBesideAsync(process, [$"{place}/bin/floe", "snapshot", "--key", "bare"], cancellationToken: Token);
            var asked = await snapshot.WaitAsync(Token);
            Assert.True(asked.Status.Success, $"{asked.Errors}\n{process.Errors}");
            var frozen = await process.WaitAsync(Token);
            Assert.True(frozen.Status.ShellCode == 75, $"{frozen.Status}: {frozen.Errors}");
            before = frozen.Text;
        }

        await using var b = await CreateAsync(rootFolder, place, store, "machine-b");
        var finished = await b.RunAsync(run, cancellationToken: Token);
        Assert.True(finished.Status.Success, $"{finished.Status}: {finished.Errors}");
        Assert.DoesNotContain("line 0\n", finished.Text, StringComparison.Ordinal);
        Assert.Equal([.. Enumerable.Range(0, 60).Select(i => string.Create(CultureInfo.InvariantCulture, $"line {i}")), "end", ""], (before + finished.Text).Split('\n'));
    }

    private static Task<Machine> CreateAsync(string? rootFolder, string place, string store, string name) =>
        Machine.CreateAsync(
            new() { RootFileSystem = rootFolder, BundleAt = place, HostName = name, Store = store, Binds = [new("/bin/busybox", "/busybox", ReadOnly: true)] }, Token);
}
