using System.Collections.Concurrent;
using Floe.FileSystem.Content;
using Floe.FileSystem.Moving;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>A file that rests on an object of the bucket, on its way through a snapshot.</summary>
public sealed class MovedContentTests
{
    private const int Size = 20_000_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Attach_PartWrittenOverTheObjectHasGoneUp_ReadsWhatWasWritten(bool taskRunsOn)
    {
        await using var fixture = await StartAsync();
        var (content, bytes) = await WriteOverAsync(fixture);
        await SentAsync(fixture);
        var moved = await MoveAsync(fixture, content, taskRunsOn);
        AssertSame(bytes, await ReadAllAsync(moved, Token));
        moved.Open(canRead: false, canWrite: true);
        await moved.WriteAsync(3, new byte[1], Token);
        bytes[3] = 0;
        await moved.SyncAsync(Token);
        AssertSame(bytes, fixture.Server.Read("file"));
    }

    [Fact]
    public async Task Attach_ObjectThatItRestsOnWasReplaced_IsRefused()
    {
        await using var fixture = await StartAsync();
        var (content, _) = await WriteOverAsync(fixture);
        var error = await Assert.ThrowsAsync<MountStateException>(() => MoveAsync(fixture, content, taskRunsOn: true, () => fixture.Server.Write("file", Bytes(Size, seed: 3))));
        Assert.Contains("replaced", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attach_ObjectOfWhichNothingIsNeededWasReplaced_GoesOn()
    {
        await using var fixture = await StartAsync();
        var content = await fixture.OpenAsync("file", Bytes(1000), Token);
        content.Open(canRead: true, canWrite: true);
        await content.WriteAsync(0, Bytes(1000, seed: 2), Token);
        var moved = await MoveAsync(fixture, content, taskRunsOn: true, () => fixture.Server.Write("file", Bytes(1000, seed: 3)));
        AssertSame(Bytes(1000, seed: 2), await ReadAllAsync(moved, Token));
    }

    /// <summary>Nothing may be sent for room before each file has its own upload again: it would go into another one.</summary>
    [Fact]
    public async Task AddCarried_MoreThanTheCacheOfTheNextMachineHolds_GoesOnWithTheSameUploads()
    {
        await using var fixture = await StartAsync();
        var asked = new ConcurrentDictionary<string, bool>();
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.Stall, int.MaxValue) { Where = c => c.Method == "PUT" && (asked[c.Key] = true) });
        var contents = new List<FileContent>();
        foreach (var name in (string[])["a", "b"])
        {
            var content = fixture.Store.Create(Target(name));
            content.Open(canRead: false, canWrite: true);
            await content.WriteAsync(0, Bytes(Size, seed: name[0]), Token);
            contents.Add(content);
        }

        while (asked.Count < 2)
        {
            await Task.Delay(5, Token);
        }

        await fixture.Store.PauseAsync(Token);
        fixture.Server.Faults.Clear();
        var states = contents.Select(c => (Content: c, State: c.Capture(false)!)).ToList();
        Assert.All(states, s => Assert.NotNull(s.State.Upload));
        fixture.Store.HandOver();
        var store = fixture.Another(o => o with { MaxCacheBytes = 16 << 20 });
        var moved = states.Select(s => (Content: store.Import(Target(s.State.Key), s.State), s.State, Before: s.Content)).ToList();
        foreach (var (content, state, before) in moved)
        {
            foreach (var range in state.Ranges)
            {
                var bytes = new byte[range.Count];
                before.ReadCarried(range.Offset, bytes);
                content.AddCarried(range.Offset, bytes);
            }
        }

        await Task.WhenAll(moved.Select(m => m.Content.AttachAsync(m.State, Token)));
        foreach (var (content, _, _) in moved)
        {
            content.Open(canRead: false, canWrite: true);
            await content.WriteAsync(Size, "end"u8.ToArray(), Token);
            content.Close(canRead: false, canWrite: true);
        }

        Assert.Empty(await store.DrainAsync(includingOpen: true, Token));
        Assert.All(moved, m => AssertSame([.. Bytes(Size, seed: m.State.Key[0]), .. "end"u8], fixture.Server.Read(m.State.Key)));
        Assert.Equal(0, fixture.Server.OpenUploadCount);
    }

    /// <summary>What read ahead, or another file, wants the room for while the snapshot's bytes are read.</summary>
    [Fact]
    public async Task ReadCarried_SpaceIsWantedSinceTheCapture_HasTheBytes()
    {
        await using var fixture = await StartAsync();
        var (content, bytes) = await WriteOverAsync(fixture);
        while (fixture.Server.OpenPartCount == 0 || content.IsSending)
        {
            await Task.Delay(5, Token);
        }

        await fixture.Store.PauseAsync(Token);
        var range = content.Capture(carriesAll: true)!.Ranges[0];
        var waiting = fixture.Store.Space.ReserveAsync(fixture.Store.Space.MaxBytes, Token).AsTask();
        content.Evict(long.MaxValue, waits: true);
        var carried = new byte[range.Count];
        content.ReadCarried(range.Offset, carried);
        AssertSame(bytes[..carried.Length], carried);
        Assert.False(waiting.IsCompleted);
        fixture.Store.Resume();
        content.Close(canRead: false, canWrite: true);
        await waiting;
        fixture.Store.Space.Release(fixture.Store.Space.MaxBytes);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(bytes, fixture.Server.Read("file"));
    }

    /// <summary>Parts 1 and 2 of the object are written over; the first has gone up.</summary>
    private static async Task<(FileContent Content, byte[] Bytes)> WriteOverAsync(ContentFixture fixture)
    {
        var bytes = Bytes(Size);
        var content = await fixture.OpenAsync("file", [.. bytes], Token);
        content.Open(canRead: false, canWrite: true);
        Bytes(9 << 20, seed: 2).CopyTo(bytes, 0);
        for (var at = 0; at < 9 << 20; at += 1 << 20)
        {
            await content.WriteAsync(at, bytes.AsMemory(at, 1 << 20), Token);
        }

        return (content, bytes);
    }

    private static async Task SentAsync(ContentFixture fixture)
    {
        while (fixture.Server.OpenPartCount == 0)
        {
            await Task.Delay(5, Token);
        }

        await fixture.Store.PauseAsync(Token);
    }

    /// <summary>Into another store, as a snapshot would bring it there; <paramref name="meanwhile"/> happens to the bucket.</summary>
    private static async Task<FileContent> MoveAsync(ContentFixture fixture, FileContent content, bool taskRunsOn, Action? meanwhile = null)
    {
        await fixture.Store.PauseAsync(Token);
        var state = content.Capture(taskRunsOn)!;
        var pieces = state.Ranges.Select(range =>
        {
            var bytes = new byte[range.Count];
            content.ReadCarried(range.Offset, bytes);
            return (range.Offset, bytes);
        }).ToList();
        fixture.Store.HandOver();
        meanwhile?.Invoke();
        var moved = fixture.Another().Import(Target(state.Key), state);
        foreach (var (offset, bytes) in pieces)
        {
            moved.AddCarried(offset, bytes);
        }

        await moved.AttachAsync(state, Token);
        return moved;
    }
}
