namespace Floe.Linux.Processes;

/// <summary>
/// How many descriptors this process may have open (RLIMIT_NOFILE, the soft limit). It may raise its own; a program that it starts for somebody else gets
/// what this one was given: some close every number up to the limit, and select(2) takes none above 1,023.
/// </summary>
public static class DescriptorLimit
{
    /// <summary>Where the kernel does not say: what most systems give.</summary>
    private const int Usual = 1024;

    private static readonly Lock s_gate = new();
    private static ulong? s_given;

    public static int Current => Interop.getrlimit(Interop.RLIMIT_NOFILE, out var limit) == 0 ? (int)Math.Min(limit.Current, int.MaxValue) : Usual;

    /// <summary>Raises it to the hard limit. A refusal leaves it as it is.</summary>
    public static void Raise()
    {
        lock (s_gate)
        {
            if (Interop.getrlimit(Interop.RLIMIT_NOFILE, out var limit) == 0 && limit.Current < limit.Max
                && Interop.setrlimit(Interop.RLIMIT_NOFILE, limit with { Current = limit.Max }) == 0)
            {
                s_given ??= limit.Current;
            }
        }
    }

    /// <summary>
    /// Until it is disposed, by the same thread, what the process starts has the limit from before <see cref="Raise"/>. For moments: no thread gets a
    /// descriptor above it meanwhile. Those that are open stay.
    /// </summary>
    public static Lowered AsGiven() => new(s_given);

    /// <summary>See <see cref="AsGiven"/>.</summary>
    public readonly ref struct Lowered
    {
        private readonly Lock.Scope _scope;
        private readonly Interop.ResourceLimit? _own;

        internal Lowered(ulong? limit)
        {
            _scope = s_gate.EnterScope();
            if (limit is { } lower && Interop.getrlimit(Interop.RLIMIT_NOFILE, out var own) == 0
                && Interop.setrlimit(Interop.RLIMIT_NOFILE, own with { Current = Math.Min(lower, own.Max) }) == 0)
            {
                _own = own;
            }
        }

        public void Dispose()
        {
            if (_own is { } own)
            {
                _ = Interop.setrlimit(Interop.RLIMIT_NOFILE, own);
            }

            _scope.Dispose();
        }
    }
}
