using Floe.Criu.Streaming;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Criu;

public sealed class ServeServerTests : IAsyncDisposable
{
    private readonly ScratchFolder _folder = new();
    private readonly MemorySource _source = new();
    private readonly ServeServer _server;

    public ServeServerTests() => _server = new ServeServer(_folder.Path, _source);

    public async ValueTask DisposeAsync()
    {
        await _server.StopAsync();
        _server.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Serve_MissingImage_IsReportedAndServiceGoesOn()
    {
        _source.Small["core-7.img"] = [1, 2, 3];
        using var criu = Connect();
        Assert.Null(criu.Ask("nothing.img"));
        Assert.Equal([1, 2, 3], ReadAll(criu.Ask("core-7.img")));
    }

    [Fact]
    public void Serve_SameSmallImageTwice_IsGivenTwice()
    {
        _source.Small["files.img"] = [5];
        using var criu = Connect();
        Assert.Equal([5], ReadAll(criu.Ask("files.img")));
        Assert.Equal([5], ReadAll(criu.Ask("files.img")));
    }

    [Fact]
    public void Serve_TwoStreams_SecondFlowsWhileFirstIsUnread()
    {
        var first = Stream("pages-1.img", 8 << 20);
        var second = Stream("pages-2.img", 8 << 20);
        using var criu = Connect();
        var unread = criu.Ask("pages-1.img");
        Assert.Equal(second, ReadAll(criu.Ask("pages-2.img")));
        Assert.Equal(first, ReadAll(unread));
    }

    [Fact]
    public void Serve_PipeClosedEarly_IsNoFailure()
    {
        Stream("pages-1.img", 8 << 20);
        _source.Small["core-7.img"] = [1];
        using var criu = Connect();
        using (var pages = criu.Ask("pages-1.img")!)
        {
            Assert.Equal(1, pages.Read(new byte[1]));
        }

        Assert.Equal([1], ReadAll(criu.Ask("core-7.img")));
        Assert.Null(_server.Failure);
    }

    [Fact]
    public async Task Serve_SourceThrows_ItsExceptionIsTheFailureAndThePipeEnds()
    {
        _source.Streams["pages-1.img"] = async (pipe, token) =>
        {
            await pipe.WriteAsync(new byte[100], token);
            throw new InvalidDataException("packs/1: damaged");
        };
        using var criu = Connect();
        Assert.Equal(100, ReadAll(criu.Ask("pages-1.img")).Length);
        var error = await Assert.ThrowsAsync<InvalidDataException>(() => _server.Failed);
        Assert.Equal("packs/1: damaged", error.Message);
    }

    [Fact]
    public async Task Serve_BadName_Fails()
    {
        using var criu = Connect();
        criu.SendRequest("../x");
        await Assert.ThrowsAsync<ImageStreamException>(() => _server.Failed);
    }

    [Fact]
    public async Task Stop_StreamBlockedOnFullPipe_Ends()
    {
        Stream("pages-1.img", 8 << 20);
        using var criu = Connect();
        using var pages = criu.Ask("pages-1.img")!;
        Assert.Equal(1, pages.Read(new byte[1]));
        await _server.StopAsync();
        Assert.True(ReadAll(pages).Length < 8 << 20);
        Assert.Null(_server.Failure);
    }

    private CriuSimulator Connect() => new(_folder[StreamListener.ServeSocket]);

    private byte[] Stream(string name, int bytes)
    {
        var content = new byte[bytes];
        Random.Shared.NextBytes(content);
        _source.Streams[name] = async (pipe, token) =>
        {
            for (var offset = 0; offset < content.Length; offset += 100_000)
            {
                if (!await pipe.WriteAsync(content.AsMemory(offset, Math.Min(100_000, content.Length - offset)), token))
                {
                    return;
                }
            }
        };
        return content;
    }

    private static byte[] ReadAll(FileStream? pipe)
    {
        Assert.NotNull(pipe);
        using (pipe)
        {
            var content = new MemoryStream();
            pipe.CopyTo(content);
            return content.ToArray();
        }
    }
}
