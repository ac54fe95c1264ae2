using Floe.Testing;
using Xunit;

namespace Floe.Operations.Tests.Cli;

public sealed class LayerCommandTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    [Fact]
    public async Task Build_ThenVerify_IsSoundUntilAByteChanges()
    {
        MakeBundle();
        var built = await FloeProgram.RunAsync(["layer", "build", "--bundle", _folder["bundle"], "--out", _folder["out"], "--url-base", "https://h.example/floe/", "--json"]);
        Assert.Equal((0, ""), (built.Status, built.Error));
        Assert.Equal("https://h.example/floe/floe-amd64.json", built.Json.GetProperty("configUrl").GetString());

        var sound = await FloeProgram.RunAsync(["layer", "verify", _folder["out/floe-amd64.json"], "--json"]);
        Assert.Equal((0, true), (sound.Status, sound.Json.GetProperty("isSound").GetBoolean()));

        var configuration = await File.ReadAllTextAsync(_folder["out/floe-amd64.json"]);
        await File.WriteAllTextAsync(_folder["out/floe-amd64.json"], configuration.Replace("\"gzipSize\": ", "\"gzipSize\": 1", StringComparison.Ordinal));
        var spoiled = await FloeProgram.RunAsync(["layer", "verify", _folder["out/floe-amd64.json"], "--json"]);
        Assert.Equal((1, false), (spoiled.Status, spoiled.Json.GetProperty("isSound").GetBoolean()));
        Assert.Contains("gzipSize", Assert.Single(spoiled.Json.GetProperty("problems").EnumerateArray()).GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("layer build --bundle {0}/bundle --out /proc/nothing", "cannot write the layer")]
    [InlineData("layer build --bundle {0}/bundle --out {0}/x --arch arm64", "is for amd64, not arm64")]
    [InlineData("layer build --bundle {0}/bundle --out {0}/x --url-base ftp://x", "--url-base takes")]
    [InlineData("layer build --bundle {0}/none --out {0}/x", "no bundle of floe")]
    [InlineData("layer build", "--out")]
    [InlineData("layer verify {0}/none", "there is no file")]
    [InlineData("image add-layer {0}/none --layer {0}/none", "there is no file")]
    public async Task Layer_BadInput_IsOneClearLine(string line, string expected)
    {
        MakeBundle();
        var said = await FloeProgram.RunAsync(line.Replace("{0}", _folder.Path, StringComparison.Ordinal).Split(' '));
        Assert.Equal((2, ""), (said.Status, said.Out));
        Assert.Contains(expected, said.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", said.Error, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>What a bundle is known by: the programs' places, and an ELF header of x86-64.</summary>
    private void MakeBundle()
    {
        foreach (var (name, mode) in ((string, UnixFileMode)[])[("bin/floe", UnixFileMode.UserRead | UnixFileMode.UserExecute), ("lib/floe/tini", UnixFileMode.UserRead), ("lib/floe/criu/bin/criu", UnixFileMode.UserRead)])
        {
            var path = _folder[$"bundle/{name}"];
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 62, 0, 1, 2, 3]);
            File.SetUnixFileMode(path, mode);
        }

        File.CreateSymbolicLink(_folder["bundle/bin/fusion"], "floe");
    }
}
