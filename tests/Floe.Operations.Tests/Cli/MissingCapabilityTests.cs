using Floe.Linux;
using Floe.Testing;
using Xunit;

namespace Floe.Operations.Tests.Cli;

/// <summary>In a container that is not privileged, or without root: one line that says what is missing, and a status that is documented.</summary>
public sealed class MissingCapabilityTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    [Fact]
    public async Task Run_WithoutCapSysAdmin_SaysWhatIsMissingAndExits2()
    {
        var said = await RunAsync("run", "--store", "file://" + _folder["store"], "--", "true");
        Assert.Equal((2, ""), (said.Status, said.Out));
        Assert.Contains("CAP_SYS_ADMIN is missing", said.Error, StringComparison.Ordinal);
        Assert.Contains("'floe check'", said.Error, StringComparison.Ordinal);
        Assert.Single(said.Error.TrimEnd().Split('\n'));
        Assert.False(Directory.Exists(_folder["store"]));
    }

    [Fact]
    public async Task Mount_WithoutCapSysAdmin_SaysWhatIsMissingAndExits174()
    {
        var said = await RunAsync("mount", "--cache-folder", _folder["cache"], _folder.Folder("mount"));
        Assert.Equal((174, ""), (said.Status, said.Out));
        Assert.Contains("'floe check'", said.Error, StringComparison.Ordinal);
        Assert.Single(said.Error.TrimEnd().Split('\n'));
    }

    public void Dispose() => _folder.Dispose();

    private static Task<Said> RunAsync(params string[] arguments)
    {
        Assert.SkipUnless(Interop.geteuid() == 0, "taking a capability away needs root");
        return FloeProgram.RunAsync(arguments, through: ["/usr/bin/setpriv", "--bounding-set=-sys_admin", "--"]);
    }
}
