namespace Floe.Operations.Planning;

/// <summary>Where the machine is reclaimed, and how long before it says so.</summary>
public sealed record Provider(string Name, double NoticeSeconds)
{
    public static readonly IReadOnlyList<Provider> All =
    [
        new("aws", 120),
        new("google", 30),
        new("azure", 30),
    ];
}

/// <summary>What is to be planned for, and what is assumed. Every figure shows up in the estimate.</summary>
public sealed record PlanRequest
{
    /// <summary>Memory of one task; null: the whole of each type.</summary>
    public double? TaskMemoryGiB { get; init; }

    /// <summary>Processors of one task; 0: any.</summary>
    public int TaskCpus { get; init; }

    /// <summary>Only one task runs on a machine. Otherwise as many as fit are frozen by the same notice, and share the link.</summary>
    public bool Alone { get; init; }

    /// <summary>From the notice until the machine is gone.</summary>
    public double NoticeSeconds { get; init; } = 120;

    /// <summary>Part of the notice that is kept free.</summary>
    public double Margin { get; init; } = 0.15;

    /// <summary>Until the notice is seen (polled every 2 s), the tree stands still, and the last writes are confirmed.</summary>
    public double OverheadSeconds { get; init; } = 5;

    /// <summary>Part of the guaranteed bandwidth that a snapshot gets through: what is published of Fusion's own figures (64 GiB, 12.5 Gbps, 70 s).</summary>
    public double Efficiency { get; init; } = 0.63;

    /// <summary>Bytes of memory for each byte sent, zero pages and compression together; 1 is the worst case.</summary>
    public double Compressibility { get; init; } = 1;

    /// <summary>TCP connections at once; AWS carries at most 5 Gbps on each.</summary>
    public int Connections { get; init; } = 16;

    /// <summary>Seconds that may be used: what is left of the notice after overhead and margin.</summary>
    public double BudgetSeconds => Math.Max(0, (NoticeSeconds * (1 - Margin)) - OverheadSeconds);
}
