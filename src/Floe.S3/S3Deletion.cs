using System.Net;
using System.Security.Cryptography;

namespace Floe.S3;

/// <summary>Deletes by the thousand, or one by one where the service has no DeleteObjects.</summary>
internal sealed class S3Deletion(S3Client client, StoreUrl store)
{
    private const int MaxKeysPerCall = 1000;
    private const int MaxRounds = 5;
    private const int SinglesAtOnce = 8;
    private const string Action = "s3:DeleteObject";

    private volatile bool _hasBatches = true;

    public async Task DeleteAsync(string[] fullKeys, CancellationToken cancellationToken)
    {
        foreach (var batch in fullKeys.Chunk(MaxKeysPerCall))
        {
            if (batch.Length == 1 || !_hasBatches || !await TryDeleteBatchAsync(batch, cancellationToken).ConfigureAwait(false))
            {
                await Parallel.ForEachAsync(
                    batch,
                    new ParallelOptions { MaxDegreeOfParallelism = SinglesAtOnce, CancellationToken = cancellationToken },
                    async (key, token) => await DeleteOneAsync(key, token).ConfigureAwait(false)).ConfigureAwait(false);
            }
        }
    }

    /// <param name="isSentOnce">As <see cref="S3Request.IsSentOnce"/>.</param>
    public async Task DeleteOneAsync(string key, CancellationToken cancellationToken, bool isSentOnce = false)
    {
        try
        {
            await client.SendAsync(
                Request(key, isSentOnce), _ => Task.FromResult(true), cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.InnerException is S3Fault { IsNotFound: true })
        {
            // Some services say so; it is what was wanted.
        }
    }

    /// <summary>One that is sent once has a body, of nothing: what has none the runtime's client sends again by itself when the connection ends without an answer.</summary>
    private static S3Request Request(string key, bool isSentOnce)
    {
        var request = new S3Request(HttpMethod.Delete, key, Action) { IsSentOnce = isSentOnce };
        return isSentOnce ? S3Request.With(request, ReadOnlyMemory<byte>.Empty) : request;
    }

    /// <summary>False where the service refuses the call as a whole.</summary>
    private async Task<bool> TryDeleteBatchAsync(string[] keys, CancellationToken cancellationToken)
    {
        // S3 answers 200 and lists single failures: those that may pass are asked for again.
        for (var round = 1; ; round++)
        {
            List<(string Key, string Code, string Message)> errors;
            try
            {
                errors = await SendBatchAsync(keys, cancellationToken).ConfigureAwait(false);
            }
            catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.Unsupported || IsUnknownCall(e.InnerException as S3Fault))
            {
                // What else is refused may be this request's fault, or a proxy's on the way.
                _hasBatches &= !IsUnknownCall(e.InnerException as S3Fault);
                return false;
            }

            errors.RemoveAll(e => e.Code == "NoSuchKey");
            if (errors.Count == 0)
            {
                return true;
            }

            if (errors.Find(e => e.Code is not ("InternalError" or "SlowDown" or "ServiceUnavailable")) is { Key: not null } final)
            {
                throw Failed(final, final.Code == "AccessDenied" ? ObjectStoreErrorKind.AccessDenied : ObjectStoreErrorKind.Unavailable);
            }

            if (round == MaxRounds)
            {
                throw Failed(errors[0], errors[0].Code == "InternalError" ? ObjectStoreErrorKind.Unavailable : ObjectStoreErrorKind.Busy);
            }

            // Only keys that we asked for; the answer cannot name others.
            keys = [.. keys.Intersect(errors.Select(e => e.Key))];
            if (keys.Length == 0)
            {
                throw Failed(errors[0], ObjectStoreErrorKind.Unavailable);
            }
        }
    }

    /// <summary>The service does not have the call, or wants another checksum with it.</summary>
    private static bool IsUnknownCall(S3Fault? fault) => fault is { Status: HttpStatusCode.NotImplemented or HttpStatusCode.MethodNotAllowed } or { Code: "NotImplemented" }
        || (fault is { Code: "InvalidRequest" } && fault.Message.Contains("MD5", StringComparison.Ordinal));

    private Task<List<(string Key, string Code, string Message)>> SendBatchAsync(string[] keys, CancellationToken cancellationToken)
    {
        var body = S3Xml.WriteDelete(keys);
        var request = S3Request.With(
            new S3Request(HttpMethod.Post, "", Action)
            {
                Query = S3Request.QueryOf(("delete", "")),
                // Required by the call; unlike the newer checksums every service knows it.
#pragma warning disable CA5351 // No security rests on it.
                Headers = [("Content-MD5", Convert.ToBase64String(MD5.HashData(body)))],
#pragma warning restore CA5351
            },
            body) with
        { Lane = S3Lane.Control };
        return client.SendAsync(request, async answer =>
        {
            var text = await answer.ReadAllAsync(S3Xml.MaxAnswerBytes).ConfigureAwait(false) ?? throw new S3Fault("the answer is too long");
            return text.Length == 0 ? [] : S3Xml.ReadDeleteErrors(text);
        }, cancellationToken);
    }

    private ObjectStoreException Failed((string Key, string Code, string Message) error, ObjectStoreErrorKind kind) => new(
        kind,
        $"s3://{store.Container}/{S3Errors.Clean(error.Key)}: not deleted: {S3Errors.Clean($"{error.Code} {error.Message}")}; it needs {Action}");
}
