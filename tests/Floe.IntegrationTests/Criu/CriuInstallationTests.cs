using Floe.Criu;
using Floe.Criu.Errors;
using Floe.Testing;

using Xunit;

namespace Floe.IntegrationTests.Criu;

public sealed class CriuInstallationTests
{
    [Fact]
    public async Task At_PrefixMovedElsewhere_Works()
    {
        using var folder = new ScratchFolder();
        var moved = folder["a prefix with spaces"];
        CopyTree(await TestMachine.CriuPrefixAsync(), moved);
        var criu = await CriuInstallation.AtAsync(moved, CancellationToken.None);
        Assert.True(criu.Version >= CriuInstallation.Preferred);
        Assert.StartsWith(moved, criu.LoaderPath);
    }

    [Fact]
    public async Task At_NothingThere_SaysWhatToDo()
    {
        var error = await Assert.ThrowsAsync<CriuException>(() => CriuInstallation.AtAsync("/nonexistent", CancellationToken.None));
        Assert.Contains(CriuInstallation.Variable, error.Message);
    }

    [Fact]
    public async Task At_ProgramThatIsNoCriu_Fails() =>
        await Assert.ThrowsAsync<CriuException>(() => CriuInstallation.AtAsync("/bin/true", CancellationToken.None));

    [Fact]
    public async Task Check_ThisMachine_KnowsTimeNamespaces()
    {
        var criu = await CriuInstallation.AtAsync(await TestMachine.CriuPrefixAsync(), CancellationToken.None);
        var results = await CriuCheck.RunAsync(criu, CancellationToken.None);
        Assert.Contains(results, r => r is { Name: "criu check", Available: true });
        Assert.Contains(results, r => r is { Name: "timens", Available: true, Reason: null });
    }

    private static void CopyTree(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }

        foreach (var folder in Directory.EnumerateDirectories(from))
        {
            CopyTree(folder, Path.Combine(to, Path.GetFileName(folder)));
        }
    }
}
