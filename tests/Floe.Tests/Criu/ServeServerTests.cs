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
        Assert.NotNull(_server.Failure); // when the pipe ends CRIU may go on
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

    /// <summary>CRIU's processes die where they are when one of them fails: that is no failure of the images.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Serve_CriuBreaksOffInsideARequest_IsNoFailureOfTheImages(int where)
    {
        _source.Small["core-7.img"] = [1];
        using (var criu = Connect())
        {
            BeginRequest(criu, where);
        }

        await Assert.ThrowsAsync<ImageStreamException>(() => _server.Failed);
        Assert.Null(_server.Failure);
        Assert.NotNull(_server.BrokenOff);
    }

    /// <summary>The other processes keep the connection open.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Stop_RequestThatNobodyGoesOnWith_Ends(int where)
    {
        _source.Small["core-7.img"] = [1];
        using var criu = Connect();
        BeginRequest(criu, where);
        await _server.StopAsync().WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        Assert.Null(_server.Failure);
        Assert.Null(_server.BrokenOff);
    }

    /// <param name="where">1: in the length; 2: in the name; 3: before the pipe, the reply read; 4: the reply unread.</param>
    private static void BeginRequest(CriuSimulator criu, int where)
    {
        switch (where)
        {
            case 1:
                criu.SendBytes(14, 0);
                break;
            case 2:
                criu.SendBytes(14, 0, 0, 0, 0x0a);
                break;
            default:
                criu.SendRequest("core-7.img");
                criu.AwaitReply(andRead: where == 3);
                break;
        }
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
