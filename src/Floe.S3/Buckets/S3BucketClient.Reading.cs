using System.Buffers;
using System.Globalization;
using System.Net;

namespace Floe.S3.Buckets;

/// <summary>Ranges and listings.</summary>
internal sealed partial class S3BucketClient
{
    private const int PieceBytes = 256 << 10;

    public async Task ReadRangeAsync(
        ObjectVersion version, long offset, Memory<byte> destination, Action<int>? filled, CancellationToken cancellationToken)
    {
        var done = 0;
        await SendRangeAsync(version, () => (offset + done, destination.Length - done), async answer =>
        {
            await answer.ReadAsync(destination[done..], count =>
            {
                done += count;
                filled?.Invoke(count);
            }).ConfigureAwait(false);
            return done == destination.Length;
        }, cancellationToken).ConfigureAwait(false);
    }

    public async Task ReadRangeAsync(
        ObjectVersion version, long offset, long count, Func<long, ReadOnlyMemory<byte>, ValueTask> take, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(PieceBytes, Math.Max(count, 1)));
        try
        {
            long done = 0;
            var held = 0;
            await SendRangeAsync(version, () => (offset + done + held, count - done - held), async answer =>
            {
                while (done < count)
                {
                    var wanted = (int)Math.Min(PieceBytes, count - done);
                    await answer.ReadAsync(buffer.AsMemory(held, wanted - held), n => held += n).ConfigureAwait(false);
                    if (held < wanted)
                    {
                        return false;
                    }

                    await take(offset + done, buffer.AsMemory(0, held)).ConfigureAwait(false);
                    (done, held) = (done + held, 0);
                }

                return true;
            }, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public async Task<BucketPage> ListAsync(
        string prefix, string? delimiter, string? token, int maxEntries, CancellationToken cancellationToken, string? startAfter = null)
    {
        for (var position = ListPosition.Parse(token); ;)
        {
            var (page, next) = await ListAsync(prefix, delimiter, position, maxEntries, startAfter, cancellationToken).ConfigureAwait(false);
            // Who looks whether there is anything below a prefix must not take a page without keys for the answer. A service that counts what it
            // hides (removed versions) would have thousands of such pages for a page of one key.
            if (page.Objects.Count + page.Prefixes.Count > 0 || page.NextToken is null)
            {
                return page;
            }

            (position, maxEntries) = (next, MaxListed);
        }
    }

    private Task<(BucketPage Page, ListPosition Next)> ListAsync(
        string prefix, string? delimiter, ListPosition position, int maxEntries, string? startAfter, CancellationToken cancellationToken)
    {
        var request = new S3Request(HttpMethod.Get, "", "s3:ListBucket")
        {
            Query = S3Request.QueryOf(
                ("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix), ("delimiter", delimiter), ("continuation-token", position.Token),
                ("start-after", position.Token is null ? startAfter : null), ("max-keys", Math.Clamp(maxEntries, 1, MaxListed).ToString(CultureInfo.InvariantCulture))),
        };
        return client.SendAsync(request, async answer =>
        {
            var page = S3Xml.ReadList(await AllAsync(answer).ConfigureAwait(false));
            var next = position.Behind(page, prefix);
            return (new BucketPage(
                [.. page.Objects.Select(o => new ListedObject(o.Key, o.Size, new ETag(o.ETag), o.LastModified))], page.Folders, page.NextToken is null ? null : next.ToString())
            {
                ServerTime = answer.ServerTime,
            }, next);
        }, cancellationToken);
    }

    /// <summary>Asks for what is left of a range until <paramref name="read"/> has it all.</summary>
    private async Task SendRangeAsync(
        ObjectVersion version, Func<(long Offset, long Count)> left, Func<S3Answer, Task<bool>> read, CancellationToken cancellationToken)
    {
        if (left().Count == 0)
        {
            return;
        }

        Check(version.Key);
        await client.SendAsync(
            () =>
            {
                var (offset, count) = left();
                return new S3Request(HttpMethod.Get, version.Key, GetAction)
                {
                    Lane = S3Lane.Bulk,
                    Headers = [("Range", string.Create(CultureInfo.InvariantCulture, $"bytes={offset}-{offset + count - 1}")), ("If-Match", version.ETag.Value)],
                };
            },
            async answer =>
            {
                var (offset, count) = left();
                CheckRange(version, answer, offset, count);
                return await read(answer).ConfigureAwait(false) ? true : throw new S3Fault("the answer broke off");
            },
            cancellationToken).ConfigureAwait(false);
    }

    private void CheckRange(ObjectVersion version, S3Answer answer, long offset, long count)
    {
        // A server that ignores If-Match must not slip in another version.
        if (answer.ETag is { } etag && etag != version.ETag)
        {
            throw Fail(ObjectStoreErrorKind.PreconditionFailed, version.Key, "it was replaced while it was open");
        }

        var isWhole = answer.Status == HttpStatusCode.OK && offset == 0 && answer.ContentLength == count;
        var isRange = answer.Status == HttpStatusCode.PartialContent && answer.ContentRange is var (from, to, _)
            && from == offset && to == offset + count - 1 && (answer.ContentLength ?? count) == count;
        if (!isWhole && !isRange)
        {
            throw answer.ContentRange is var (_, _, total) && total is { } size && size < offset + count
                ? Fail(ObjectStoreErrorKind.Truncated, version.Key, $"it has {size} bytes, but {count} from {offset} were expected")
                : new S3Fault("the answer carries another range than was asked for");
        }
    }
}
