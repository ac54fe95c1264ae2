using Floe.Agent.Preflight;
using Floe.Criu;
using Xunit;

namespace Floe.Tests.Preflight;

public sealed class CriuResultTests
{
    private static readonly CriuCheckResult s_good = new("criu check", true, null);

    [Fact]
    public void Of_NothingMissing_Passes()
    {
        var result = CriuResult.Of("4.2.1 at /c", [s_good, new CriuCheckResult("timens", true, null)]);
        Assert.Equal((CheckStatus.Pass, "4.2.1 at /c; criu check passes"), (result.Status, result.Detail));
    }

    [Fact]
    public void Of_NoTimeNamespaces_FailsAndSaysWhatIsLost()
    {
        var result = CriuResult.Of("4.2.1 at /c", [s_good, new CriuCheckResult("timens", false, "clocks jump")]);
        Assert.Equal((CheckStatus.Fail, "4.2.1 at /c; timens: clocks jump"), (result.Status, result.Detail));
        Assert.NotNull(result.Fix);
    }

    [Fact]
    public void Of_WhatNotEveryTaskNeeds_IsAWarning() =>
        Assert.Equal(CheckStatus.Warn, CriuResult.Of("4.2.1 at /c", [new CriuCheckResult("criu check", false, "no nf_tables"), new CriuCheckResult("timens", true, null)]).Status);
}
