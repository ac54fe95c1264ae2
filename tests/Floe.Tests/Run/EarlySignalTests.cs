using System.Runtime.InteropServices;
using Floe.Agent.Files;
using Floe.Agent.Run;
using Floe.S3;
using Floe.Store;
using Floe.Testing;
using Floe.Tests.Store.Doubles;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Tests.Run;

public sealed class EarlySignalTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(PosixSignal.SIGTERM, TermPolicy.Snapshot, true, 75)]
    [InlineData(PosixSignal.SIGTERM, TermPolicy.Snapshot, false, 143)]
    [InlineData(PosixSignal.SIGTERM, TermPolicy.Forward, true, 143)]
    [InlineData(PosixSignal.SIGINT, TermPolicy.Snapshot, true, 130)]
    [InlineData(PosixSignal.SIGHUP, TermPolicy.Snapshot, true, 129)]
    public async Task Status_NoNotice_IsRunMeAgainOnlyForTermWithASnapshot(PosixSignal signal, TermPolicy onTerm, bool hasSnapshot, int status) =>
        Assert.Equal(status, await Of(Options() with { OnTerm = onTerm }).StatusAsync(signal, await StoreAsync(hasSnapshot), SnapshotFixture.Key));

    [Fact]
    public async Task Status_NoticeIsPending_IsRunMeAgain() =>
        Assert.Equal(75, await Of(Options() with { NoticeFile = Notice() }).StatusAsync(PosixSignal.SIGTERM, await StoreAsync(true), SnapshotFixture.Key));

    [Fact]
    public async Task Status_StoreIsNotOpenYet_IsTheSignals() =>
        Assert.Equal(143, await Of(Options() with { OnTerm = TermPolicy.Snapshot }).StatusAsync(PosixSignal.SIGTERM, null, SnapshotFixture.Key));

    [Theory]
    [InlineData(AfterSnapshot.Exit, TermPolicy.Snapshot, true, false)]
    [InlineData(AfterSnapshot.StayAtNotice, TermPolicy.Forward, true, true)]
    [InlineData(AfterSnapshot.StayAtNotice, TermPolicy.Snapshot, false, false)]
    [InlineData(AfterSnapshot.Stay, TermPolicy.Snapshot, false, true)]
    [InlineData(AfterSnapshot.Stay, TermPolicy.Forward, false, false)]
    public async Task IsForSupervisor_OnlyTheMachinesEndCounts_TermDoesNotEndTheRun(AfterSnapshot after, TermPolicy onTerm, bool isReclaimed, bool expected) =>
        Assert.Equal(expected, await Of(Options() with { After = after, OnTerm = onTerm, NoticeFile = isReclaimed ? Notice() : null }).IsForSupervisorAsync());

    private static EarlySignal Of(RunOptions options) => new(options, TimeProvider.System, NullLoggerFactory.Instance);

    private RunOptions Options() => new()
    {
        Store = StoreUrl.TryParse("file:///store", out _)!,
        Key = SnapshotFixture.Key.Value,
        Command = ["true"u8.ToArray()],
        WorkingDirectory = "/",
        Files = FileScopeMode.Work,
        Notices = null,
        StateDirectory = _scratch.Path,
    };

    private string Notice()
    {
        var path = Path.Combine(_scratch.Path, "notice");
        File.WriteAllText(path, "60");
        return path;
    }

    private static async Task<SnapshotStore> StoreAsync(bool hasSnapshot)
    {
        var store = await SnapshotFixture.OpenAsync(new MemoryObjectStore());
        if (hasSnapshot)
        {
            await using var lease = await store.AcquireLeaseAsync(SnapshotFixture.Key, SnapshotFixture.Request(), default);
            await SnapshotFixture.WriteAsync(store, lease, new KnownBlocks(), new Dictionary<string, byte[]> { ["a"] = [1, 2, 3] });
        }

        return store;
    }
}
