using Floe.Agent.Export;
using Floe.Agent.Snapshots;
using Floe.Testing;
using Floe.Tests.Files.Doubles;
using Xunit;

namespace Floe.Tests.Snapshots;

/// <summary>An image of CRIU is found whether it travelled as a small image or as a stream.</summary>
public sealed class ImageFormsTests
{
    private static readonly byte[] s_small = [.. Enumerable.Range(0, 20_000).Select(i => (byte)i)];
    private static readonly byte[] s_streamed = [.. Enumerable.Range(0, 20_001).Select(i => (byte)(i * 7))];

    [Fact]
    public async Task Exists_SmallImageOrStream_IsTrue()
    {
        var source = await StoredImageSource.OpenAsync(Snapshot(), CancellationToken.None);

        Assert.True(source.Exists("ghost-file-1.img"));
        Assert.True(source.Exists("ghost-file-2.img"));
        Assert.False(source.Exists("ghost-file-3.img"));
        Assert.True(source.TryGetSmall("ghost-file-1.img", out var content));
        Assert.Equal(s_small, content.ToArray());
        Assert.False(source.TryGetSmall("ghost-file-2.img", out _));
    }

    [Fact]
    public async Task RunAsync_SmallImageAndStream_ExportsBothAsFiles()
    {
        using var folder = new ScratchFolder();

        var result = await SnapshotExport.RunAsync(Snapshot(), folder["out"], CancellationToken.None);

        Assert.Equal(2, result.Images);
        Assert.Equal(s_small, await File.ReadAllBytesAsync(Path.Combine(result.ImagesFolder, "ghost-file-1.img")));
        Assert.Equal(s_streamed, await File.ReadAllBytesAsync(Path.Combine(result.ImagesFolder, "ghost-file-2.img")));
    }

    private static MemorySnapshot Snapshot()
    {
        var snapshot = new MemorySnapshot();
        var sink = new ContentImageSink(snapshot, null!);
        sink.AddSmallImage("ghost-file-1.img", s_small);
        var stream = sink.OpenStream("ghost-file-2.img");
        stream.Append(s_streamed.AsSpan(0, 777));
        stream.Append(s_streamed.AsSpan(777));
        stream.Complete();
        return snapshot;
    }
}
