using Floe.Criu.Images;
using Floe.Criu.Streaming;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Criu;

public sealed class CaptureServerTests : IAsyncDisposable
{
    private readonly ScratchFolder _folder = new();
    private readonly MemorySink _sink = new();
    private readonly CaptureServer _server;

    public CaptureServerTests() => _server = new CaptureServer(_folder.Path, _sink);

    public async ValueTask DisposeAsync()
    {
        _server.Abort();
        await _server.Ended;
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Capture_FilesOpenAtOnce_EachGetsItsOwnBytes()
    {
        using var criu = Connect();
        using (var files = criu.Open("core-7.img"))
        using (var other = criu.Open("fs-7.img"))
        {
            files.Write("first"u8);
            other.Write("other"u8);
            files.Write(" and second"u8);
        }

        Finish(criu, 7);
        await _server.Complete;
        Assert.Equal("first and second"u8, _sink.Small["core-7.img"]);
        Assert.Equal("other"u8, _sink.Small["fs-7.img"]);
    }

    [Fact]
    public async Task Capture_PagesOfTask_AreDiscardedAndItsPagemapKnown()
    {
        using var criu = Connect();
        using (var pagemap = criu.Open("pagemap-7.img"))
        {
            criu.Send("pages-1.img", new byte[3 * 4096]);
            pagemap.Write(Images.PagemapImage(1, (0x10000, 1), (0x20000, 2)));
        }

        Finish(criu, 7);
        await _server.Complete;
        var found = Assert.Single(_sink.Memory);
        Assert.Equal((7, "pages-1.img", true), (found.Pid, found.Image, found.IsComplete));
        Assert.Equal([new PageRange(0x10000, 1), new PageRange(0x20000, 2)], found.Ranges);
        Assert.Equal(3 * 4096, _server.Catalog.MemoryBytes);
        Assert.False(_sink.Small.ContainsKey("pages-1.img"));
        Assert.True(_sink.Small.ContainsKey("pagemap-7.img"));
        Assert.Equal(7, Assert.Single(_server.Catalog.Processes).Pid);
    }

    [Fact]
    public async Task Capture_PagemapStillOpen_ItsPagesAreKnownAlready()
    {
        using var criu = Connect();
        var image = Images.PagemapImage(1, (0x10000, 1), (0x20000, 2));
        using (var pagemap = criu.Open("pagemap-7.img"))
        {
            pagemap.Write(image.AsSpan(0, image.Length - 1));
            while (_sink.Memory.FirstOrDefault() is not { Ranges.IsEmpty: false })
            {
                await Task.Yield();
            }

            Assert.Equal([new PageRange(0x10000, 1)], Assert.Single(_sink.Memory).Ranges);
            criu.Send("pages-1.img", new byte[3 * 4096]);
            pagemap.Write(image.AsSpan(image.Length - 1));
        }

        Finish(criu, 7);
        await _server.Complete;
        Assert.True(Assert.Single(_sink.Memory).IsComplete);
    }

    [Fact]
    public async Task Capture_PagesOfSharedMemory_AreKeptAsStream()
    {
        var content = new byte[(2 << 20) + 4096];
        Random.Shared.NextBytes(content);
        using var criu = Connect();
        using (var pagemap = criu.Open("pagemap-shmem-99.img"))
        {
            criu.Send("pages-2.img", content);
            pagemap.Write(Images.PagemapImage(2, (0, (ulong)content.Length / 4096)));
        }

        Finish(criu, 7);
        await _server.Complete;
        Assert.Equal(content, _sink.Streams["pages-2.img"].ToArray());
        Assert.Contains("pages-2.img", _sink.Completed);
    }

    [Fact]
    public async Task Capture_LargeImage_BecomesStreamAndSmallOneOfTheLimitDoesNot()
    {
        var small = new byte[ImageStreamLimits.MaxSmallImageBytes];
        var large = new byte[ImageStreamLimits.MaxSmallImageBytes + 1];
        Random.Shared.NextBytes(large);
        using var criu = Connect();
        criu.Send("ghost-file-1.img", large);
        criu.Send("ghost-file-2.img", small);
        Finish(criu, 7);
        await _server.Complete;
        Assert.Equal(large, _sink.Streams["ghost-file-1.img"].ToArray());
        Assert.Equal(small, _sink.Small["ghost-file-2.img"]);
    }

    /// <summary>A task with thousands of unlinked files must not take the agent's memory: beyond what small images may have together they are streams.</summary>
    [Fact]
    public async Task Capture_ManyImagesOfHundredsOfKiB_StaySmallUpToTheirBoundTogether()
    {
        const int Files = 60;
        var contents = Enumerable.Range(0, Files).Select(i => Content(i, 600 << 10)).ToArray();
        using var criu = Connect();
        for (var i = 0; i < Files; i++)
        {
            criu.Send($"ghost-file-{i}.img", contents[i]);
        }

        criu.Send("fs-7.img", Content(99, ImageStreamLimits.MinStreamBytes));
        Finish(criu, 7);
        await _server.Complete;

        Assert.InRange(_sink.Small.Values.Sum(c => (long)c.Length), ImageStreamLimits.MaxSmallImagesBytes - (1 << 20), ImageStreamLimits.MaxSmallImagesBytes + (64 << 10));
        Assert.True(_sink.Small.ContainsKey("fs-7.img"));
        Assert.True(_sink.Small.ContainsKey("pstree.img"));
        for (var i = 0; i < Files; i++)
        {
            var name = $"ghost-file-{i}.img";
            Assert.Equal(contents[i], _sink.Small.TryGetValue(name, out var small) ? small : _sink.Streams[name].ToArray());
            Assert.NotEqual(_sink.Small.ContainsKey(name), _sink.Completed.Contains(name));
        }
    }

    /// <summary>What is still arriving counts too, and becomes a stream in its middle.</summary>
    [Fact]
    public async Task Capture_ManyImagesOpenAtOnce_HoldNoMoreThanTheirBoundTogether()
    {
        const int Files = 60;
        var contents = Enumerable.Range(0, Files).Select(i => Content(i, 600 << 10)).ToArray();
        using var criu = Connect();
        var open = Enumerable.Range(0, Files).Select(i => criu.Open($"ghost-file-{i}.img")).ToList();
        for (var at = 0; at < contents[0].Length; at += 100 << 10)
        {
            for (var i = 0; i < Files; i++)
            {
                open[i].Write(contents[i].AsSpan(at, 100 << 10));
            }
        }

        open.ForEach(file => file.Dispose());
        Finish(criu, 7);
        await _server.Complete;

        Assert.InRange(_sink.Small.Values.Sum(c => (long)c.Length), 0, ImageStreamLimits.MaxSmallImagesBytes + (64 << 10));
        for (var i = 0; i < Files; i++)
        {
            var name = $"ghost-file-{i}.img";
            Assert.Equal(contents[i], _sink.Small.TryGetValue(name, out var small) ? small : _sink.Streams[name].ToArray());
        }
    }

    [Fact]
    public async Task Capture_ProcessTreeWhenThereIsNoRoomForSmallImages_IsSmallAllTheSame()
    {
        const int Processes = 4000;
        using var criu = Connect();
        for (var i = 0; i < 40; i++)
        {
            criu.Send($"ghost-file-{i}.img", Content(i, 600 << 10));
        }

        var tree = Images.PstreeImage([.. Enumerable.Range(7, Processes)]);
        Assert.True(tree.Length > ImageStreamLimits.MinStreamBytes);
        criu.Send("pstree.img", tree);
        criu.Send("inventory.img", [1]);
        await _server.Complete;
        Assert.Equal(tree, _sink.Small["pstree.img"]);
    }

    [Theory]
    [InlineData("../etc/passwd")]
    [InlineData("/etc/passwd")]
    [InlineData(".hidden")]
    [InlineData("a\0b")]
    [InlineData("")]
    public async Task Capture_BadName_Fails(string name)
    {
        using var criu = Connect();
        criu.SendRequest(name);
        await Assert.ThrowsAsync<ImageStreamException>(() => _server.Complete);
    }

    [Fact]
    public async Task Capture_OversizeName_Fails()
    {
        using var criu = Connect();
        criu.SendRequest(new string('a', ImageStreamLimits.MaxNameBytes + 1));
        await Assert.ThrowsAsync<ImageStreamException>(() => _server.Complete);
    }

    [Fact]
    public async Task Capture_OversizeFrame_Fails()
    {
        using var criu = Connect();
        criu.SendBytes(0xff, 0xff, 0xff, 0x7f);
        await Assert.ThrowsAsync<ImageStreamException>(() => _server.Complete);
    }

    [Fact]
    public async Task Capture_FrameThatIsNoRequest_Fails()
    {
        using var criu = Connect();
        criu.SendFrame([0x0a, 0x7f, (byte)'a']);
        await Assert.ThrowsAsync<ImageStreamException>(() => _server.Complete);
    }

    [Fact]
    public async Task Capture_RequestWithoutPipe_Fails()
    {
        using var criu = Connect();
        criu.SendRequest("core-7.img");
        criu.SendBytes(0);
        await Assert.ThrowsAsync<ImageStreamException>(() => _server.Complete);
    }

    [Fact]
    public async Task Capture_SameNameTwice_Fails()
    {
        using var criu = Connect();
        criu.Send("core-7.img", [1]);
        criu.Open("core-7.img").Dispose(); // refused at its name: what is written by then meets a closed pipe
        await Assert.ThrowsAsync<ImageStreamException>(() => _server.Complete);
    }

    [Fact]
    public async Task Capture_ConnectionEndsBeforeInventory_Fails()
    {
        using (var criu = Connect())
        {
            criu.Send("core-7.img", [1]);
        }

        await Assert.ThrowsAsync<ImageStreamException>(() => _server.Complete);
    }

    [Fact]
    public async Task Capture_InventoryWhileAnotherFileIsOpen_WaitsForIt()
    {
        using var criu = Connect();
        using (var late = criu.Open("core-7.img"))
        {
            Finish(criu, 7);
            while (!_sink.Small.ContainsKey("inventory.img"))
            {
                await Task.Yield();
            }

            Assert.False(_server.Complete.IsCompleted);
            late.Write("late"u8);
        }

        await _server.Complete;
        Assert.Equal("late"u8, _sink.Small["core-7.img"]);
    }

    [Fact]
    public async Task Capture_PagesFewerThanPagemapSays_Fails()
    {
        using var criu = Connect();
        using (var pagemap = criu.Open("pagemap-7.img"))
        {
            criu.Send("pages-1.img", new byte[4096]);
            pagemap.Write(Images.PagemapImage(1, (0x10000, 2)));
        }

        Finish(criu, 7);
        await Assert.ThrowsAsync<ImageStreamException>(() => _server.Complete);
    }

    [Fact]
    public async Task Capture_PagemapOfProcessOutsideTree_Fails()
    {
        using var criu = Connect();
        using (var pagemap = criu.Open("pagemap-8.img"))
        {
            criu.Send("pages-1.img", new byte[4096]);
            pagemap.Write(Images.PagemapImage(1, (0x10000, 1)));
        }

        Finish(criu, 7);
        await Assert.ThrowsAsync<ImageStreamException>(() => _server.Complete);
    }

    /// <summary>A stream of the sink holds memory that nobody else gives back.</summary>
    [Fact]
    public async Task Abort_WhileAStreamIsOpen_LetsGoOfIt()
    {
        using var criu = Connect();
        using var file = criu.Open("pages-shmem-1.img");
        file.Write(Content(1, ImageStreamLimits.MaxSmallImageBytes + 1));
        while (_sink.Streams.IsEmpty)
        {
            await Task.Yield();
        }

        _server.Abort();
        await _server.Ended;
        Assert.Equal(["pages-shmem-1.img"], _sink.Disposed);
        Assert.Empty(_sink.Completed);
    }

    [Fact]
    public async Task Abort_WhileFileIsOpen_BreaksItsPipe()
    {
        using var criu = Connect();
        using var file = criu.Open("core-7.img");
        file.Write("x"u8);
        _server.Abort();
        await _server.Ended;

        // A program that another test is just starting has a copy of every descriptor until it is executed.
        for (var i = 0; i < 500; i++)
        {
            try
            {
                file.Write(new byte[1]);
            }
            catch (IOException)
            {
                return;
            }

            await Task.Delay(10);
        }

        Assert.Fail("the pipe stayed open");
    }

    private CriuSimulator Connect() => new(_folder[StreamListener.CaptureSocket]);

    private static byte[] Content(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static void Finish(CriuSimulator criu, int pid)
    {
        criu.Send("pstree.img", Images.PstreeImage(pid));
        criu.Send("inventory.img", [1]);
    }
}
