using Microsoft.Extensions.Logging;

namespace Floe.Cli.Console;

/// <summary>
/// The program's log: one line an entry on stderr, or in the file that FLOE_LOG_FILE names. The task's own stderr goes the same
/// way, so every line begins with "floe:".
/// </summary>
internal sealed class StderrLog : ILoggerFactory
{
    private readonly Lock _gate = new();
    private readonly Stream _output;
    private readonly LogLevel _level;
    private readonly TimeProvider _time;

    private StderrLog(Stream output, LogLevel level, TimeProvider time)
    {
        _output = output;
        _level = level;
        _time = time;
    }

    /// <summary>By FLOE_LOG (trace, debug, info, warn, error; default info) and FLOE_LOG_FILE.</summary>
    public static StderrLog FromEnvironment(TimeProvider time)
    {
        var level = Environment.GetEnvironmentVariable("FLOE_LOG")?.ToLowerInvariant() switch
        {
            "trace" => LogLevel.Trace,
            "debug" => LogLevel.Debug,
            "warn" or "warning" => LogLevel.Warning,
            "error" => LogLevel.Error,
            _ => LogLevel.Information,
        };
        var path = Environment.GetEnvironmentVariable("FLOE_LOG_FILE");
        var output = string.IsNullOrEmpty(path)
            ? System.Console.OpenStandardError()
            : new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, 0);
        return new StderrLog(output, level, time);
    }

    public ILogger CreateLogger(string categoryName) => new Logger(this);

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

    private sealed class Logger(StderrLog log) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= log._level && logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                log.Write(logLevel, formatter(state, exception), exception);
            }
        }
    }
}
