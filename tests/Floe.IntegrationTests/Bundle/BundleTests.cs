using Floe.Testing;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Bundle;

/// <summary>The bundle runs unchanged from any path of any Linux root file system.</summary>
public sealed class BundleTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> RootsAndPlaces => new()
    {
        { "debian", "/opt/floe" },
        { "debian", "/a place/with spaces/floe-1.0" },
        { "busybox", "/fusion" },
        { "empty", "/x" },
    };

    [Theory]
    [MemberData(nameof(RootsAndPlaces))]
    public async Task Version_AnyRootAnyPath_IsPrinted(string root, string place)
    {
        using var scratch = new ScratchFolder();
        await using var machine = await CreateAsync(root, place, scratch);
        var result = await machine.RunAsync([$"{place}/bin/floe", "--version"], cancellationToken: Token);
        Assert.True(result.Status.Success, $"{result.Status}: {result.Errors}");
        Assert.Matches(@"\d+\.\d+\.\d+", result.Text);
        Assert.True(File.Exists($"{machine.RootPath}{place}/bin/fusion"));
    }

    [Theory]
    [MemberData(nameof(RootsAndPlaces))]
    public async Task Help_AnyRootAnyPath_NamesTheVerbs(string root, string place)
    {
        using var scratch = new ScratchFolder();
        await using var machine = await CreateAsync(root, place, scratch);
        var result = await machine.RunAsync([$"{place}/bin/floe", "--help"], cancellationToken: Token);
        Assert.True(result.Status.Success, $"{result.Status}: {result.Errors}");
        Assert.Contains("snapshot", result.Text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(RootsAndPlaces))]
    public async Task Criu_AnyRootAnyPath_StartsThroughItsOwnLoader(string root, string place)
    {
        using var scratch = new ScratchFolder();
        await using var machine = await CreateAsync(root, place, scratch);
        var criu = $"{place}/lib/floe/criu";
        var loader = Path.GetFileName(Directory.EnumerateFiles(Path.Combine(Repository.RequireBundle(), "lib/floe/criu/lib"), "ld-linux-*").Single());
        var result = await machine.RunAsync([$"{criu}/lib/{loader}", "--library-path", $"{criu}/lib", $"{criu}/bin/criu", "--version"], cancellationToken: Token);
        Assert.True(result.Status.Success, $"{result.Status}: {result.Errors}");
        Assert.StartsWith("Version: 4.", result.Text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(RootsAndPlaces))]
    public async Task Tini_AnyRootAnyPath_RunsAProgram(string root, string place)
    {
        using var scratch = new ScratchFolder();
        await using var machine = await CreateAsync(root, place, scratch);
        var result = await machine.RunAsync([$"{place}/lib/floe/tini", "-s", "--", $"{place}/bin/floe", "--version"], cancellationToken: Token);
        Assert.True(result.Status.Success, $"{result.Status}: {result.Errors}");
    }

    [Fact]
    public void Licences_EveryShippedPackage_HasOne()
    {
        var share = Path.Combine(Repository.RequireBundle(), "share/floe");
        var packages = File.ReadAllLines(Path.Combine(share, "packages.txt")).Select(line => line.Split(' ')[0]).ToList();
        Assert.Contains("criu", packages);
        Assert.Contains("libssl-dev", packages);
        Assert.All(packages, package => Assert.True(
            Path.Exists(Path.Combine(share, "licenses", package)) || package.StartsWith("libc6", StringComparison.Ordinal), $"no licence for {package}"));
    }

    private static Task<Machine> CreateAsync(string root, string place, ScratchFolder scratch) =>
        Machine.CreateAsync(new() { RootFileSystem = Roots.Make(root, scratch), BundleAt = place, HostName = root }, Token);
}
