using Floe.Agent.Files;
using Floe.Tests.Files.Doubles;
using Xunit;

namespace Floe.Tests.Files;

public sealed class FileListHostileTests
{
    public static TheoryData<string> PathsOutside => ["../escaped", "a/../../escaped", "a//b", "./a", "a/", "a\0b"];

    [Theory]
    [MemberData(nameof(PathsOutside))]
    public async Task RunAsync_PathIsNoPlainPath_RefusesUntouched(string path)
    {
        using var machine = new FileMachine(_ => { });
        await machine.StartAsync();

        var e = await Assert.ThrowsAsync<FileStateException>(() => machine.PutBackAsync(Listing(Text($"{machine.Root.Trim('/')}/{path}"))));

        Assert.Contains("cannot exist", e.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(machine.Root));
    }

    [Fact]
    public async Task RunAsync_PathOutOfScope_RefusesAndSaysSo()
    {
        using var machine = new FileMachine(_ => { });
        await machine.StartAsync();

        var e = await Assert.ThrowsAsync<FileStateException>(() => machine.PutBackAsync(Listing(Text(machine.At("elsewhere").Trim('/')))));

        Assert.Contains("include that directory", e.Message, StringComparison.Ordinal);
        Assert.False(Path.Exists(machine.At("elsewhere")));
    }

    [Fact]
    public async Task RunAsync_SymbolicLinkThenPathThroughIt_DoesNotFollow()
    {
        using var machine = new FileMachine(_ => { });
        await machine.StartAsync();
        Directory.CreateDirectory(machine.At("outside"));
        var root = machine.Root.Trim('/');
        var link = new FileRecord { Kind = FileRecordKind.SymbolicLink, Path = Text(root + "/link"), Target = Text(machine.At("outside")), Mode = 0x1FF };
        var through = new FileRecord { Kind = FileRecordKind.Regular, Path = Text(root + "/link/planted"), Mode = 0x1A4 };

        await Assert.ThrowsAsync<FileStateException>(() => machine.PutBackAsync(Listing(link, through)));

        Assert.Empty(Directory.EnumerateFileSystemEntries(machine.At("outside")));
    }

    [Fact]
    public async Task RunAsync_DeletionThroughSymbolicLinkOfTheTarget_DoesNotFollow()
    {
        using var machine = new FileMachine(_ => { });
        await machine.StartAsync();
        File.WriteAllText(machine.At("precious"), "kept");
        File.CreateSymbolicLink(machine.In("link"), Path.GetDirectoryName(machine.At("precious"))!);
        var path = Text($"{machine.Root.Trim('/')}/link/precious");

        await FilePutBack.RunAsync(machine.Scope, Listing(new FileRecord { Kind = FileRecordKind.Deleted, Path = path }), CancellationToken.None);

        Assert.True(File.Exists(machine.At("precious")));
    }

    [Fact]
    public async Task RunAsync_ListCutAnywhere_RefusesUntouched()
    {
        using var machine = new FileMachine(_ => { });
        await machine.StartAsync();
        File.WriteAllText(machine.In("file"), "content");
        Directory.CreateDirectory(machine.In("directory"));
        var whole = await machine.CaptureAsync();
        using var copy = new MemoryStream();
        await whole.ReadStreamsAsync([whole.TryGetStream(FileStreams.ListName)!], new CopyTo(copy), CancellationToken.None);
        await machine.StartAsync();

        for (var length = 0; length < copy.Length; length++)
        {
            var cut = new MemorySnapshot().With(FileStreams.ListName, copy.ToArray()[..length]).With(FileStreams.ContentName(0), "content"u8.ToArray());
            await Assert.ThrowsAsync<FileStateException>(() => machine.PutBackAsync(cut));
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(machine.Root));
    }

    [Fact]
    public async Task RunAsync_ContentOutOfPlace_RefusesUntouched()
    {
        using var machine = new FileMachine(_ => { });
        await machine.StartAsync();
        var record = new FileRecord { Kind = FileRecordKind.Regular, Path = Text(machine.Root.Trim('/') + "/f"), Mode = 0x1A4, ByteCount = 7, ContentOffset = 1 };

        await Assert.ThrowsAsync<FileStateException>(() => machine.PutBackAsync(Listing(record).With(FileStreams.ContentName(0), new byte[8])));

        Assert.Empty(Directory.EnumerateFileSystemEntries(machine.Root));
    }

    /// <summary>A few bytes of an index name more zeros than any machine has memory for.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(8)]
    [InlineData(100)]
    public async Task LoadAsync_ListThatEndsInZerosWithoutEnd_RefusesAtOnce(int trueBytes)
    {
        var start = new MemoryStream();
        var writer = new RecordWriter(start);
        FileRecordCodec.WriteHeader(writer);
        for (var i = 0; i < 10; i++)
        {
            FileRecordCodec.Write(writer, new FileRecord { Kind = FileRecordKind.Directory, Path = Text($"directory-{i}"), Mode = 0x1ED });
        }

        writer.Flush();
        var snapshot = new MemorySnapshot();
        using (var sink = snapshot.CreateSink())
        {
            sink.BeginSegment(snapshot.AddStream(FileStreams.ListName), 0);
            if (trueBytes > 0)
            {
                sink.Append(start.ToArray().AsSpan(0, trueBytes));
            }

            sink.AppendZeros(1L << 60);
            sink.EndSegment();
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        var e = await Assert.ThrowsAsync<FileStateException>(() => FileList.LoadAsync(snapshot, patience.Token));

        Assert.True(e.IsDamage);
    }

    /// <summary>The same block again and again: it costs the store nothing either.</summary>
    [Fact]
    public async Task LoadAsync_SameRecordsWithoutEnd_RefusesAtOnce()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        var e = await Assert.ThrowsAsync<FileStateException>(() => FileList.LoadAsync(new EndlessList(), patience.Token));

        Assert.Contains("out of order", e.Message, StringComparison.Ordinal);
    }

    /// <summary>What went wrong in the store is told as that, and not as a list that ends early.</summary>
    [Fact]
    public async Task LoadAsync_StoreFails_TellsWhatFailed() =>
        await Assert.ThrowsAsync<Floe.Store.SnapshotDamagedException>(() => FileList.LoadAsync(new EndlessList(failsAtOnce: true), CancellationToken.None));

    private static byte[] Text(string text) => System.Text.Encoding.UTF8.GetBytes(text);

    private static MemorySnapshot Listing(byte[] path) => Listing(new FileRecord { Kind = FileRecordKind.Directory, Path = path, Mode = 0x1ED });

    private static MemorySnapshot Listing(params FileRecord[] records)
    {
        var bytes = new MemoryStream();
        var writer = new RecordWriter(bytes);
        FileRecordCodec.WriteHeader(writer);
        foreach (var record in records)
        {
            FileRecordCodec.Write(writer, record);
        }

        FileRecordCodec.WriteEnd(writer, records.Length);
        writer.Flush();
        return new MemorySnapshot().With(FileStreams.ListName, bytes.ToArray());
    }

    private sealed class EndlessList(bool failsAtOnce = false) : Floe.Store.ISnapshotSource
    {
        private readonly Floe.Store.StoredStream _stream = new(new Floe.Store.StreamId(0), FileStreams.ListName, long.MaxValue >> 3);

        public IReadOnlyCollection<string> SmallImageNames => [];

        public IReadOnlyList<Floe.Store.StoredStream> Streams => [_stream];

        public ReadOnlyMemory<byte>? TryGetSmallImage(string name) => null;

        public Floe.Store.StoredStream? TryGetStream(string name) => name == FileStreams.ListName ? _stream : null;

        public async Task ReadStreamsAsync(IReadOnlyList<Floe.Store.StoredStream> streams, Floe.Store.IStreamConsumer consumer, CancellationToken cancellationToken)
        {
            var bytes = new MemoryStream();
            var writer = new RecordWriter(bytes);
            FileRecordCodec.WriteHeader(writer);
            for (var i = 0; i < 100; i++)
            {
                writer.Flush();
                await consumer.DataAsync(bytes.ToArray(), cancellationToken);
                if (failsAtOnce)
                {
                    throw new Floe.Store.SnapshotDamagedException("packs/1-1", "it is cut off");
                }

                bytes.SetLength(0);
                FileRecordCodec.Write(writer, new FileRecord { Kind = FileRecordKind.Directory, Path = Text("directory"), Mode = 0x1ED });
            }

            while (true)
            {
                await consumer.DataAsync(bytes.ToArray(), cancellationToken);
            }
        }
    }

    private sealed class CopyTo(Stream target) : Floe.Store.IStreamConsumer
    {
        public ValueTask BeginAsync(Floe.Store.StoredStream stream, CancellationToken cancellationToken) => default;

        public ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => target.WriteAsync(data, cancellationToken);

        public ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask EndAsync(CancellationToken cancellationToken) => default;
    }
}
