using System.Collections.Concurrent;
using Floe.Criu.Images;
using Floe.Criu.Streaming;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Floe.Tests.Criu;

/// <summary>Images in memory.</summary>
internal sealed class MemorySink : IImageSink
{
    public ConcurrentDictionary<string, byte[]> Small { get; } = new();

    public ConcurrentDictionary<string, MemoryStream> Streams { get; } = new();

    public ConcurrentBag<string> Completed { get; } = [];

    public ConcurrentBag<string> Disposed { get; } = [];

    public ConcurrentBag<Pages> Memory { get; } = [];

    public void AddSmallImage(string name, byte[] content) => Assert.True(Small.TryAdd(name, content));

    public IImageStream OpenStream(string name) => new Stream(this, name, Streams.GetOrAdd(name, _ => new MemoryStream()));

    public IPageStream OpenPages(int pid, string name)
    {
        var pages = new Pages(pid, name);
        Memory.Add(pages);
        return pages;
    }

    public sealed class Pages(int pid, string image) : IPageStream
    {
        public int Pid => pid;

        public string Image => image;

        public ConcurrentQueue<PageRange> Ranges { get; } = [];

        public bool IsComplete { get; private set; }

        public void Add(PageRange range) => Ranges.Enqueue(range);

        public void Complete() => IsComplete = true;
    }

    private sealed class Stream(MemorySink sink, string name, MemoryStream content) : IImageStream
    {
        public void Append(ReadOnlySpan<byte> data) => content.Write(data);

        public void Complete() => sink.Completed.Add(name);

        public void Dispose() => sink.Disposed.Add(name);
    }
}

/// <summary>Images in memory, the streams written piece by piece.</summary>
internal sealed class MemorySource : IImageSource
{
    public Dictionary<string, byte[]> Small { get; } = [];

    public Dictionary<string, Func<ImagePipe, CancellationToken, Task>> Streams { get; } = [];

    public bool Exists(string name) => Small.ContainsKey(name) || Streams.ContainsKey(name);

    public bool TryGetSmall(string name, out ReadOnlyMemory<byte> content)
    {
        var found = Small.TryGetValue(name, out var bytes);
        content = bytes;
        return found;
    }

    public Task WriteStreamAsync(string name, ImagePipe pipe, CancellationToken cancellationToken) => Streams[name](pipe, cancellationToken);
}
