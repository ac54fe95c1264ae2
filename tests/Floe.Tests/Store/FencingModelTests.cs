using Floe.S3;
using Floe.Store;
using Floe.Testing.Time;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>
/// Several agents take the lease from each other and commit, and before every single store operation a scheduler decides whose
/// goes next, so that each agent is paused at any point for any time. Whatever the order, the history must be one line: every
/// holder goes on from the newest snapshot of the holders before, and a commit is in the history exactly when it was reported.
/// </summary>
public sealed class FencingModelTests
{
    private const int Agents = 4;
    private const int CommitsEach = 2;
    private static readonly AsyncLocal<int> s_agent = new();

    [Fact]
    public async Task CommitAsync_AgentsPausedAnywhere_HistoryIsOneLine()
    {
        for (var seed = 0; seed < 150; seed++)
        {
            await RunAsync(seed);
        }
    }

    private static async Task RunAsync(int seed)
    {
        var time = new FakeTimeProvider();
        var objects = new MemoryObjectStore(time);
        await OpenAsync(objects, time);
        using var scheduler = new Scheduler(new Random(seed));
        objects.Before = (_, _) => scheduler.EnterAsync(s_agent.Value);
        var reports = Enumerable.Range(1, Agents).Select(n => scheduler.Start(n, () => AgentAsync(objects, time, n))).ToList();
        await scheduler.RunAsync().WaitAsync(TimeSpan.FromSeconds(60));
        objects.Before = null;
        var holders = (await Task.WhenAll(reports)).OfType<Report>().OrderBy(r => r.Generation).ToList();

        var listed = await (await OpenAsync(objects, time)).ListSnapshotsAsync(Key, default);
        Assert.All(listed, l => Assert.Null(l.Problem));
        var history = listed.Select(l => l.Manifest!).OrderBy(m => m.Seq).ToList();
        Assert.Equal(holders.SelectMany(h => h.Committed).Order(), history.Select(m => m.Seq));
        Assert.Equal(history.Select(m => m.Generation).Order(), history.Select(m => m.Generation));
        foreach (var holder in holders)
        {
            Assert.Equal(holder.Base, history.LastOrDefault(m => m.Generation < holder.Generation)?.Seq ?? 0);
        }
    }

    private static async Task<Report?> AgentAsync(MemoryObjectStore objects, FakeTimeProvider time, int number)
    {
        s_agent.Value = number;
        var store = await OpenAsync(objects, time);
        Lease lease;
        try
        {
            lease = await store.AcquireLeaseAsync(Key, Request($"agent-{number}") with { Job = new JobAttempt("job", number), TakeOverFromEarlierAttempt = true }, default);
        }
        catch (Exception refused) when (refused is LeaseRefusedException or LeaseLostException)
        {
            return null;
        }

        await using (lease)
        {
            var report = new Report(lease.Generation, lease.Seqs is [.., var last] ? last : 0, []);
            try
            {
                var options = SmallBuffers with { KeepSnapshots = 1000 };
                for (var i = 0; i < CommitsEach; i++)
                {
                    report.Committed.Add((await WriteAsync(store, lease, new KnownBlocks(), new Dictionary<string, byte[]> { ["s"] = [(byte)number, 1] }, options)).Seq);
                }
            }
            catch (LeaseLostException)
            {
            }

            return report;
        }
    }

    private sealed record Report(long Generation, long Base, List<long> Committed);

    /// <summary>Lets one store operation through at a time, once every agent stands before one or is done.</summary>
    private sealed class Scheduler(Random random) : IDisposable
    {
        private readonly Lock _lock = new();
        private readonly List<(int Agent, TaskCompletionSource Gate)> _waiting = [];
        private readonly SemaphoreSlim _changed = new(0);
        private int _running;

        public Task<Report?> Start(int agent, Func<Task<Report?>> run)
        {
            _running++;
            return Task.Run(async () =>
            {
                s_agent.Value = agent;
                try
                {
                    return await run();
                }
                finally
                {
                    lock (_lock)
                    {
                        _running--;
                    }

                    _changed.Release();
                }
            });
        }

        public void Dispose() => _changed.Dispose();

        public Task EnterAsync(int agent)
        {
            var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (_lock)
            {
                _waiting.Add((agent, gate));
            }

            _changed.Release();
            return gate.Task;
        }

        public async Task RunAsync()
        {
            while (true)
            {
                await _changed.WaitAsync();
                TaskCompletionSource? next = null;
                lock (_lock)
                {
                    if (_running == 0)
                    {
                        return;
                    }

                    if (_waiting.DistinctBy(w => w.Agent).Count() >= _running && _waiting.Count > 0)
                    {
                        var chosen = random.Next(_waiting.Count);
                        next = _waiting[chosen].Gate;
                        _waiting.RemoveAt(chosen);
                    }
                }

                next?.SetResult();
                if (next is not null)
                {
                    // What is let through may not come back to a gate (a parallel read); look again at those that wait.
                    lock (_lock)
                    {
                        if (_waiting.DistinctBy(w => w.Agent).Count() >= _running)
                        {
                            _changed.Release();
                        }
                    }
                }
            }
        }
    }
}
