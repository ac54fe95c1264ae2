namespace Floe.Agent.Preflight;

public enum CheckStatus
{
    Pass,
    /// <summary>Something is worth knowing or will be lost, but Floe works.</summary>
    Warn,
    /// <summary>A snapshot or a restore will not work.</summary>
    Fail,
}

/// <summary>One line of <c>floe check</c>.</summary>
/// <param name="Name">Short and stable: scripts read it.</param>
/// <param name="Detail">What was found.</param>
/// <param name="Fix">What to do; null for a pass.</param>
public sealed record CheckResult(string Name, CheckStatus Status, string Detail, string? Fix = null)
{
    public static CheckResult Pass(string name, string detail) => new(name, CheckStatus.Pass, detail);

    public static CheckResult Warn(string name, string detail, string fix) => new(name, CheckStatus.Warn, detail, fix);

    public static CheckResult Fail(string name, string detail, string fix) => new(name, CheckStatus.Fail, detail, fix);
}
