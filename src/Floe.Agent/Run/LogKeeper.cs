using System.Text;

namespace Floe.Agent.Run;

/// <summary>The lines that an agent logged, for the store: the first and the last of them, so that it stays small. Safe for concurrent use.</summary>
public sealed class LogKeeper
{
    private const int MaxHeadBytes = 256 << 10;
    private const int MaxTailBytes = 768 << 10;

    private readonly Lock _gate = new();
    private readonly StringBuilder _head = new();
    private readonly Queue<string> _tail = new();
    private int _tailChars;
    private long _dropped;

    /// <summary>Grows with every line.</summary>
    public long Version { get; private set; }

    /// <param name="line">With its end.</param>
    public void Add(string line)
    {
        lock (_gate)
        {
            Version++;
            if (_tail.Count == 0 && _head.Length + line.Length <= MaxHeadBytes)
            {
                _head.Append(line);
                return;
            }

            _tail.Enqueue(line);
            _tailChars += line.Length;
            while (_tailChars > MaxTailBytes && _tail.Count > 1)
            {
                _tailChars -= _tail.Dequeue().Length;
                _dropped++;
            }
        }
    }

    public (byte[] Text, long Version) Read()
    {
        lock (_gate)
        {
            var text = new StringBuilder(_head.ToString());
            if (_dropped > 0)
            {
                text.Append(System.Globalization.CultureInfo.InvariantCulture, $"… {_dropped} lines left out …\n");
            }

            foreach (var line in _tail)
            {
                text.Append(line);
            }

            return (Encoding.UTF8.GetBytes(text.ToString()), Version);
        }
    }
}
