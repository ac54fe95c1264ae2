using System.Text;
using Floe.Agent.Trace;
using Xunit;

namespace Floe.Operations.Tests.Trace;

public sealed class TraceCodecTests
{
    [Fact]
    public void TryRead_WhatWasWritten_IsTheSame()
    {
        var document = Traces.Survivor("k");
        Assert.Equivalent(document, TraceCodec.TryRead(TraceCodec.Write(document), out var problem), strict: true);
        Assert.Null(problem);
    }

    [Fact]
    public void TryRead_MembersMissing_AreEmptyNotNull()
    {
        var read = TraceCodec.TryRead("""{"kind":"floe-trace","formatVersion":1,"attempts":[{"snapshots":[{}]},{}]}"""u8, out _)!;
        Assert.Equal("", read.Key);
        Assert.Empty(read.Command);
        Assert.Empty(read.Attempts[0].Snapshots[0].Phases);
        Assert.Empty(read.Attempts[1].Notices);
    }

    [Theory]
    [InlineData("", "no valid JSON")]
    [InlineData("null", "no trace")]
    [InlineData("{}", "no trace")]
    [InlineData("""{"kind":"floe-trace","formatVersion":9}""", "format 9")]
    [InlineData("""{"kind":"floe-trace","formatVersion":1,"attempts":[null]}""", "empty entries")]
    [InlineData("""{"kind":"floe-trace","formatVersion":1,"attempts":[{"snapshots":[{"phases":[null]}]}]}""", "empty entries")]
    [InlineData("""{"kind":"floe-trace","formatVersion":1,"attempts":[{"outcome":"Nonsense"}]}""", "no valid JSON")]
    [InlineData("""{"kind":"floe-trace","formatVersion":1,"attempts":[{"startedAt":"yesterday"}]}""", "no valid JSON")]
    public void TryRead_Garbage_SaysWhy(string text, string problem)
    {
        Assert.Null(TraceCodec.TryRead(Encoding.UTF8.GetBytes(text), out var said));
        Assert.Contains(problem, said, StringComparison.Ordinal);
    }

    [Fact]
    public void TryRead_AnyTruncation_NeverThrows()
    {
        var whole = TraceCodec.Write(Traces.Survivor("k"));
        for (var length = 0; length < whole.Length; length++)
        {
            Assert.Null(TraceCodec.TryRead(whole.AsSpan(0, length), out _));
        }
    }
}
