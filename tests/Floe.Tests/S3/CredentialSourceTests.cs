using System.Collections.Concurrent;
using System.Globalization;
using Amazon.Runtime;
using Floe.S3;
using Floe.Testing.S3;
using Floe.Testing.Time;
using Xunit;

namespace Floe.Tests.S3;

/// <summary>Keys that are not to be had for a moment, and when others are asked for. Half a second.</summary>
public sealed class CredentialSourceTests : IAsyncLifetime
{
    private S3Double _server = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _server = await S3Double.StartAsync();

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task PutAsync_WhoGivesKeysIsAwayForAMoment_IsTriedAgain()
    {
        var source = new Source(_server.Keys) { FailsTimes = 2, IsAway = true };
        await using var store = _server.Open(credentials: source);
        await store.PutAsync(new("x"), new byte[10], PutCondition.None, Token);
        Assert.Equal(3, source.Asked);
    }

    [Fact]
    public async Task PutAsync_WhoGivesKeysStaysAway_FailsAfterAllTries()
    {
        var source = new Source(_server.Keys) { FailsTimes = int.MaxValue, IsAway = true };
        await using var store = _server.Open(change: o => o with { MaxAttempts = 3 }, credentials: source);
        var error = await Assert.ThrowsAsync<ObjectStoreException>(() => store.PutAsync(new("x"), new byte[10], PutCondition.None, Token));
        Assert.Equal((ObjectStoreErrorKind.Credentials, 3), (error.Kind, source.Asked));
    }

    [Fact]
    public async Task PutAsync_ThereAreNoKeys_FailsAtOnce()
    {
        var source = new Source(_server.Keys) { FailsTimes = int.MaxValue };
        await using var store = _server.Open(credentials: source);
        await Assert.ThrowsAsync<ObjectStoreException>(() => store.PutAsync(new("x"), new byte[10], PutCondition.None, Token));
        Assert.Equal(1, source.Asked);
    }

    /// <summary>A HEAD that is refused does not say why: of keys that are new it is a right that they lack.</summary>
    [Fact]
    public async Task HeadAsync_Refused_AsksForNewKeysOnceInAWhile()
    {
        var time = new FakeTimeProvider();
        var source = new Source(_server.Keys);
        await using var store = _server.Open(credentials: source, time: time);
        foreach (var (minutes, renewals) in ((int, int)[])[(0, 0), (1, 0), (6, 1), (1, 1), (6, 2)])
        {
            time.Advance(TimeSpan.FromMinutes(minutes));
            _server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue)
            {
                Status = 403,
                Headers = [("Date", time.GetUtcNow().ToString("R", CultureInfo.InvariantCulture))],
            });
            var error = await Assert.ThrowsAsync<ObjectStoreException>(() => store.HeadAsync(new("x"), Token));
            Assert.Equal((ObjectStoreErrorKind.AccessDenied, renewals), (error.Kind, source.Renewals));
            _server.Faults.Clear();
        }
    }

    /// <summary>AWS names the bucket's region with every HEAD that it refuses; expired keys are one reason.</summary>
    [Fact]
    public async Task HeadAsync_RefusedInTheRegionThatWasAsked_AsksForNewKeys()
    {
        var source = new Source(_server.Keys);
        await using var store = _server.Open(change: o => o with { Region = "us-east-1" }, credentials: source);
        _server.Faults.Add(new(S3DoubleFaultKind.Error, 1) { Status = 400, Headers = [("x-amz-bucket-region", "us-east-1")] });
        Assert.Null(await store.HeadAsync(new("x"), Token));
        Assert.Equal(1, source.Renewals);
    }

    /// <summary>Also where keys are right, a HEAD of an object with a customer's key is refused so.</summary>
    [Fact]
    public async Task HeadAsync_RefusedInTheRegionThatWasAskedEachTime_AsksForNewKeysOnceInAWhile()
    {
        var time = new FakeTimeProvider();
        var source = new Source(_server.Keys);
        await using var store = _server.Open(change: o => o with { Region = "us-east-1" }, credentials: source, time: time);
        _server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = 400, Headers = [("x-amz-bucket-region", "us-east-1")] });
        foreach (var (minutes, renewals) in ((int, int)[])[(1, 1), (1, 1), (6, 2), (1, 2)])
        {
            time.Advance(TimeSpan.FromMinutes(minutes));
            await Assert.ThrowsAsync<ObjectStoreException>(() => store.HeadAsync(new("x"), Token));
            Assert.Equal(renewals, source.Renewals);
        }
    }

    /// <summary>Who was under way with expired keys tries those that another has asked for meanwhile.</summary>
    [Theory]
    [InlineData(400)]
    [InlineData(403)]
    public async Task HeadAsync_ManyAreRefusedAtOnce_EachTriesTheNewKeys(int status)
    {
        const int atOnce = 4;
        var time = new FakeTimeProvider();
        var source = new Source(_server.Keys);
        await using var store = _server.Open(change: o => o with { Region = "us-east-1" }, credentials: source, time: time);
        Assert.Null(await store.HeadAsync(new("x"), Token));
        time.Advance(TimeSpan.FromMinutes(6));
        source.Together = atOnce;
        var refused = new ConcurrentDictionary<string, bool>();
        _server.Faults.Add(new(S3DoubleFaultKind.Error, atOnce)
        {
            Where = c => refused.TryAdd(c.Key, true),
            Status = status,
            Headers = [("x-amz-bucket-region", "us-east-1"), ("Date", time.GetUtcNow().ToString("R", CultureInfo.InvariantCulture))],
        });
        Assert.All(await Task.WhenAll(Enumerable.Range(0, atOnce).Select(i => store.HeadAsync(new($"x{i}"), Token))), Assert.Null);
    }

    [Fact]
    public async Task FailingFor_WhoGivesKeysIsAway_GrowsUntilAnAnswer()
    {
        var source = new Source(_server.Keys) { FailsTimes = 1, IsAway = true };
        await using var store = _server.Open(change: o => o with { MaxAttempts = 1 }, credentials: source);
        await Assert.ThrowsAsync<ObjectStoreException>(() => store.PutAsync(new("x"), new byte[10], PutCondition.None, Token));
        Assert.NotEqual(TimeSpan.Zero, store.FailingFor);
        await store.PutAsync(new("x"), new byte[10], PutCondition.None, Token);
        Assert.Equal(TimeSpan.Zero, store.FailingFor);
    }

    /// <summary>An agent gives the same keys until they are about to expire.</summary>
    [Fact]
    public async Task GetAsync_RefusedKeysAreAllThatThereIs_LooksForOthersOnceForEachRefusal()
    {
        var resolved = 0;
        var chain = new AwsCredentialChain(() =>
        {
            resolved++;
            return Task.FromResult<AWSCredentials>(new BasicAWSCredentials("K", "secret"));
        });
        var keys = await chain.GetAsync(Token);
        Assert.Equal(1, resolved);
        foreach (var after in (int[])[3, 5])
        {
            Assert.True(chain.Invalidate(keys));
            Assert.Equal(keys, await chain.GetAsync(Token));
            Assert.Equal(keys, await chain.GetAsync(Token));
            Assert.Equal(after, resolved);
        }
    }

    [Fact]
    public void IsSourceAway_ByWhatFailed()
    {
        Assert.True(AwsCredentialChain.IsSourceAway(new AmazonClientException("x", new HttpRequestException("no route")), hasSource: true));
        Assert.False(AwsCredentialChain.IsSourceAway(new AmazonClientException("x", new HttpRequestException("no route")), hasSource: false));
        Assert.True(AwsCredentialChain.IsSourceAway(new AmazonClientException("x", new TaskCanceledException()), hasSource: true));
        Assert.True(AwsCredentialChain.IsSourceAway(new AmazonServiceException("x") { StatusCode = System.Net.HttpStatusCode.ServiceUnavailable }, hasSource: false));
        Assert.False(AwsCredentialChain.IsSourceAway(new AmazonServiceException("x") { StatusCode = System.Net.HttpStatusCode.Forbidden }, hasSource: true));
    }

    private sealed class Source(AccessKeys keys) : ICredentialSource
    {
        private readonly TaskCompletionSource _allHaveAsked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _waiting;

        /// <summary>So many who ask from now on have their keys when all of them have asked; 0: at once.</summary>
        public int Together { get; set; }

        public int FailsTimes { get; init; }

        public bool IsAway { get; init; }

        public int Asked { get; private set; }

        public int Renewals { get; private set; }

        public async ValueTask<AccessKeys> GetAsync(CancellationToken cancellationToken)
        {
            if (Together > 0)
            {
                if (Interlocked.Increment(ref _waiting) == Together)
                {
                    _allHaveAsked.SetResult();
                }

                await _allHaveAsked.Task.WaitAsync(cancellationToken);
            }

            return Asked++ < FailsTimes ? throw new ObjectStoreException(ObjectStoreErrorKind.Credentials, "none") { IsSourceAway = IsAway } : keys;
        }

        public bool Invalidate(AccessKeys refused)
        {
            Renewals++;
            return true;
        }

        public ValueTask<string?> FindRegionAsync(CancellationToken cancellationToken) => ValueTask.FromResult<string?>(null);
    }
}
