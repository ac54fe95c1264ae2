using Floe.Agent.Run;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Console;

/// <summary>
/// The program's log: one line an entry on stderr, or in the file that FLOE_LOG_FILE names. The task's own stderr goes the same
/// way, so every line begins with "floe:".
/// </summary>
internal sealed class StderrLog : ILoggerFactory
{
    // The file system of a bucket, whose level is told apart under the name fusion.
    private static readonly string[] s_fileSystem = ["Floe.FileSystem", "Floe.Fuse"];

    private readonly Lock _gate = new();
    private readonly Stream _output;
    private readonly LogLevel _level;
    private readonly LogLevel _fileSystemLevel;
    private readonly TimeProvider _time;

    private StderrLog(Stream output, LogLevel level, LogLevel fileSystemLevel, LogKeeper? kept, TimeProvider time)
    {
        (_output, _level, _fileSystemLevel, _time) = (output, level, fileSystemLevel, time);
        Kept = kept;
    }

    /// <summary>What was logged so far; null where nobody wants it.</summary>
    public LogKeeper? Kept { get; }

    /// <summary>By FLOE_LOG (trace, debug, info, warn, error; default info) and FLOE_LOG_FILE.</summary>
    public static StderrLog FromEnvironment(TimeProvider time)
    {
        var level = Level("FLOE_LOG") ?? LogLevel.Information;
        return new StderrLog(Output(Environment.GetEnvironmentVariable("FLOE_LOG_FILE")), level, level, null, time);
    }

    /// <summary>The same, and what Nextflow says: FUSION_LOG_LEVEL, FUSION_SNAPSHOT_LOG_LEVEL, FUSION_LOG_OUTPUT.</summary>
    public static StderrLog FromFusionEnvironment(TimeProvider time)
    {
        var all = Level("FLOE_LOG");
        var output = Environment.GetEnvironmentVariable("FLOE_LOG_FILE") is { Length: > 0 } file ? file : Environment.GetEnvironmentVariable("FUSION_LOG_OUTPUT");
        return new StderrLog(
            // A file below the mount is not there yet, and would be the agent waiting for itself: the store keeps the log anyway.
            Output(output?.StartsWith("/fusion/", StringComparison.Ordinal) == true ? null : output),
            all ?? Level("FUSION_SNAPSHOT_LOG_LEVEL") ?? Level("FUSION_LOG_LEVEL") ?? LogLevel.Information,
            all ?? Level("FUSION_LOG_LEVEL") ?? LogLevel.Information, new LogKeeper(), time);
    }

    private static LogLevel? Level(string variable) => Environment.GetEnvironmentVariable(variable)?.ToLowerInvariant() switch
    {
        "trace" => LogLevel.Trace,
        "debug" => LogLevel.Debug,
        "info" => LogLevel.Information,
        "warn" or "warning" => LogLevel.Warning,
        "error" => LogLevel.Error,
        _ => null,
    };

    private static Stream Output(string? path) => path switch
    {
        null or "" or "stderr" => System.Console.OpenStandardError(),
        "stdout" => System.Console.OpenStandardOutput(),
        _ => new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, 0),
    };

    public ILogger CreateLogger(string categoryName) => new Logger(this, s_fileSystem.Any(name => categoryName.StartsWith(name, StringComparison.Ordinal)) ? _fileSystemLevel : _level);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose() => _output.Dispose();

    private void Write(LogLevel level, string message, Exception? exception)
    {
        var mark = level switch
        {
            LogLevel.Warning => "warning: ",
            LogLevel.Error or LogLevel.Critical => "error: ",
            _ => "",
        };
        var text = exception is null ? message : $"{message}: {exception.Message}";
        var line = $"floe: {_time.GetUtcNow():HH:mm:ss.fff} {mark}{text.ReplaceLineEndings(" | ")}\n";
        if (_level <= LogLevel.Debug && exception is not null)
        {
            line += exception + "\n";
        }

        Kept?.Add(line);
        var bytes = System.Text.Encoding.UTF8.GetBytes(line);
        lock (_gate)
        {
            try
            {
                _output.Write(bytes);
            }
            catch (IOException)
            {
                // Nobody reads stderr any more; the task must not suffer from that.
            }
        }
    }

    private sealed class Logger(StderrLog log, LogLevel level) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= level && logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                log.Write(logLevel, formatter(state, exception), exception);
            }
        }
    }
}
