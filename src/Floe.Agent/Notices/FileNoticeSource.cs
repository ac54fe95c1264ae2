using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Notices;

/// <summary>
/// A file that whoever takes this machine away creates: for every system that Floe does not know. It may hold the seconds that are
/// left, or a time (RFC 3339); empty, two minutes are assumed.
/// </summary>
public sealed class FileNoticeSource(string path, TimeSpan interval, TimeProvider time, ILogger<FileNoticeSource> logger)
    : PolledNoticeSource("Notice file", interval, time, logger)
{
    private const int MaxBytes = 256;
    private const int MaxSeconds = 86400;
    private static readonly TimeSpan s_window = TimeSpan.FromMinutes(2);

    /// <inheritdoc/>
    protected override async Task<IReadOnlyList<(string Id, ReclaimNotice Notice)>> AskAsync(CancellationToken cancellationToken)
    {
        string text;
        DateTime written;
        try
        {
            await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[MaxBytes];
            text = System.Text.Encoding.ASCII.GetString(bytes, 0, await file.ReadAtLeastAsync(bytes, MaxBytes, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false)).Trim();
            written = File.GetLastWriteTimeUtc(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NoticeSourceException(e.Message, e);
        }

        var now = Time.GetUtcNow();
        DateTimeOffset deadline;
        if (text.Length == 0)
        {
            deadline = now + s_window - Interval;
        }
        else if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds <= MaxSeconds)
        {
            deadline = now + TimeSpan.FromSeconds(seconds);
        }
        else if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
        {
            deadline = time > now ? time : now;
        }
        else
        {
            throw new NoticeSourceException($"{path} holds neither seconds nor a time");
        }

        // Written anew it is another notice.
        return [($"{written.Ticks} {text}", new ReclaimNotice(Name, ReclaimAction.Terminate, deadline, now, path))];
    }
}
