using Floe.Agent.Preflight;
using Xunit;

namespace Floe.Tests.Preflight;

public sealed class TcpTableTests
{
    [Fact]
    public void AddLine_MappedIPv4InTheIPv6Table_MeetsItsIPv4Peer()
    {
        var table = new TcpTable();
        table.AddLine("0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C001 01 0:0 0:0 0 0 0 11 1");
        table.AddLine("1: 0100007F:C001 0100007F:1F90 01 0:0 0:0 0 0 0 12 1");

        Assert.True(table.IsInside(table.TryGet(11)!, new HashSet<ulong> { 12 }));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0: x y 01 0 0 0 0 0 7")]
    [InlineData("0: 0100007F:1F90 0100007F:XXXX 01 0:0 0:0 0 0 0 7 1")]
    [InlineData("0: 0100007F:1F90 0100007F:FFFFFFFF 01 0:0 0:0 0 0 0 7 1")]
    [InlineData("0: 0100007:1F90 0100007F:1F90 01 0:0 0:0 0 0 0 7 1")]
    public void AddLine_Garbage_IsPassedOver(string line)
    {
        var table = new TcpTable();
        table.AddLine(line);

        Assert.Null(table.TryGet(7));
    }
}
