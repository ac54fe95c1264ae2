using System.Formats.Tar;
using System.IO.Compression;
using Floe.Operations.Layers;
using Floe.Testing;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Nextflow;

/// <summary>The layer of the bundle under test, and what a container's engine does with it.</summary>
internal static class TestLayer
{
    public static async Task<string> BuildAsync(ScratchFolder scratch) =>
        (await LayerBuild.BuildAsync(Repository.RequireBundle(), "amd64", scratch.Folder("layer"), null, BatchJob.Token)).Layer;

    public static void Unpack(string layer, Machine machine)
    {
        using (var tar = new GZipStream(File.OpenRead(layer), CompressionMode.Decompress))
        {
            TarFile.ExtractToDirectory(tar, machine.RootPath, overwriteFiles: true);
        }

        // .NET leaves the set-user-id bit out, engines do not.
        using var again = new GZipStream(File.OpenRead(layer), CompressionMode.Decompress);
        using var reader = new TarReader(again);
        while (reader.GetNextEntry() is { } entry)
        {
            if (entry.EntryType == TarEntryType.RegularFile)
            {
                File.SetUnixFileMode(Path.Combine(machine.RootPath, entry.Name), entry.Mode);
            }
        }
    }
}

/// <summary>One layer for all tests of a class.</summary>
public sealed class BuiltLayer : IAsyncLifetime
{
    private readonly ScratchFolder _scratch = new();

    public string File { get; private set; } = "";

    public async ValueTask InitializeAsync() => File = await TestLayer.BuildAsync(_scratch);

    public ValueTask DisposeAsync()
    {
        _scratch.Dispose();
        return ValueTask.CompletedTask;
    }
}
