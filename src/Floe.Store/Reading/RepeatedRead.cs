using System.IO.Hashing;
using System.Text;
using Floe.S3;

namespace Floe.Store.Reading;

/// <summary>
/// Reads what can be verified. Bytes that do not verify may have been damaged on their way (a network card, this machine's memory, a proxy), and to believe them
/// would condemn a good snapshot, and with it the task's last hours. So they are read again: only what is wrong in the same way every time is damage in the store.
/// </summary>
internal static class RepeatedRead
{
    /// <summary>The first included.</summary>
    public const int Reads = 3;

    /// <summary>What <paramref name="verify"/> makes of the bytes.</summary>
    /// <param name="read">Reads the part anew each time; what it throws for a part that is not there, or cut off, counts as what was read.</param>
    /// <param name="verify">An <see cref="InvalidDataException"/> or a <see cref="SnapshotDamagedException"/> for bytes that are wrong.</param>
    /// <exception cref="SnapshotDamagedException">It is damaged; or an InvalidDataException, as <paramref name="verify"/> has it.</exception>
    /// <exception cref="ObjectStoreException">Every read gave other bytes (Unavailable): nothing is known of what the store has.</exception>
    public static async Task<T> RunAsync<T>(ObjectKey key, Func<Task<ReadOnlyMemory<byte>>> read, Func<ReadOnlyMemory<byte>, T> verify)
    {
        UInt128? first = null;
        var differ = false;
        for (var reads = 1; ; reads++)
        {
            ReadOnlyMemory<byte>? bytes = null;
            try
            {
                bytes = await read().ConfigureAwait(false);
                return verify(bytes.Value);
            }
            catch (Exception damage) when (damage is InvalidDataException or SnapshotDamagedException)
            {
                var found = XxHash128.HashToUInt128(bytes is { } wrong ? wrong.Span : Encoding.UTF8.GetBytes(damage.Message));
                first ??= found;
                differ |= found != first;
                if (reads < Reads)
                {
                    continue;
                }

                if (!differ)
                {
                    throw;
                }

                throw new ObjectStoreException(
                    ObjectStoreErrorKind.Unavailable,
                    $"{key}: {Reads} reads in a row were wrong, and not in the same way ({damage.Message}): network, proxy or this machine's memory damages data; nothing is known of what the store has",
                    damage);
            }
        }
    }
}
