using Floe.Agent;
using Floe.Agent.Run;
using Floe.Linux;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Floe.Cli.Console;

/// <summary>
/// The program's log: one line an entry on stderr, or in the file that FLOE_LOG_FILE names. The task's own stderr goes the same
/// way, so every line begins with "floe:".
/// </summary>
internal sealed class StderrLog : ILoggerFactory
{
    public const string FileVariable = "FLOE_LOG_FILE";
    private const string LevelVariable = "FLOE_LOG";

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
    /// <exception cref="FloeException">The level is none of these, or the file cannot be written.</exception>
    public static StderrLog FromEnvironment(TimeProvider time)
    {
        var level = OwnLevel() ?? LogLevel.Information;
        return new StderrLog(Output(Environment.GetEnvironmentVariable(FileVariable), FileVariable), level, level, null, time);
    }

    /// <summary>The same, and what Nextflow says: FUSION_LOG_LEVEL, FUSION_SNAPSHOT_LOG_LEVEL, FUSION_LOG_OUTPUT.</summary>
    /// <exception cref="FloeException">FLOE_LOG is no level, or the file cannot be written.</exception>
    public static StderrLog FromFusionEnvironment(TimeProvider time)
    {
        var all = OwnLevel();
        var source = Environment.GetEnvironmentVariable(FileVariable) is { Length: > 0 } ? FileVariable : "FUSION_LOG_OUTPUT";
        var output = Environment.GetEnvironmentVariable(source);
        return new StderrLog(
            // A file below the mount is not there yet, and would be the agent waiting for itself: the store keeps the log anyway.
            Output(output?.StartsWith("/fusion/", StringComparison.Ordinal) == true ? null : output, source),
            all ?? Level("FUSION_SNAPSHOT_LOG_LEVEL") ?? Level("FUSION_LOG_LEVEL") ?? LogLevel.Information,
            all ?? Level("FUSION_LOG_LEVEL") ?? LogLevel.Information, new LogKeeper(), time);
    }

    /// <summary>The file that FLOE_LOG_FILE names; null where it names none.</summary>
    public static string? OwnFile() => Environment.GetEnvironmentVariable(FileVariable) is { Length: > 0 } path and not ("stderr" or "stdout") ? path : null;

    /// <summary>Opened so that every write goes to its end, whoever else writes there.</summary>
    /// <param name="source">The variable that names it.</param>
    /// <exception cref="FloeException">It cannot be.</exception>
    public static SafeFileHandle Append(string path, string source)
    {
        // .NET's own way of appending goes by the length that the file once had: of two processes one would write over the other's lines.
        var file = Interop.openat(Interop.AT_FDCWD, path, Interop.O_WRONLY | Interop.O_CREAT | Interop.O_APPEND | Interop.O_CLOEXEC, 0x1B6);
        if (!file.IsInvalid)
        {
            return file;
        }

        var reason = LinuxException.Last($"{source}: the log cannot be written to {path}");
        file.Dispose();
        throw new FloeException(ExitCodes.Usage, $"{reason.Message}; name another file, or none for stderr", reason);
    }

    private static LogLevel? OwnLevel() => Level(LevelVariable) is { } level ? level
        : Environment.GetEnvironmentVariable(LevelVariable) is { Length: > 0 } text
            ? throw new FloeException(ExitCodes.Usage, $"{LevelVariable} takes trace, debug, info, warn or error; not '{text}'") : null;

    /// <summary>Null for what is no level: of Nextflow's words not all are ours.</summary>
    private static LogLevel? Level(string variable) => Environment.GetEnvironmentVariable(variable)?.ToLowerInvariant() switch
    {
        "trace" => LogLevel.Trace,
        "debug" => LogLevel.Debug,
        "info" => LogLevel.Information,
        "warn" or "warning" => LogLevel.Warning,
        "error" => LogLevel.Error,
        _ => null,
    };

    private static Stream Output(string? path, string source) => path switch
    {
        null or "" or "stderr" => System.Console.OpenStandardError(),
        "stdout" => System.Console.OpenStandardOutput(),
        _ => new FileStream(Append(path, source), FileAccess.Write, 0),
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
        var line = $"floe: {_time.GetUtcNow():HH:mm:ss.fff} {mark}{Printable.Text(text.ReplaceLineEndings(" | "))}\n";
        if (_level <= LogLevel.Debug && exception is not null)
        {
            line += Printable.Lines(exception.ToString()) + "\n";
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
