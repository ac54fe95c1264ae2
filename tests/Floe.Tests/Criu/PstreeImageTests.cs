using Floe.Criu.Images;
using Xunit;

namespace Floe.Tests.Criu;

public sealed class PstreeImageTests
{
    [Fact]
    public void Parse_ZombieWithUnsetThreadId_TakesItsPid()
    {
        // What CRIU 4.2.1 wrote for a zombie once: its leader's id is memory that was never set.
        var image = Images.Of(Images.Pstree, Images.Message((1, 1000), (2, 0), (3, 1000), (4, 1000), (5, 1000), (5, 1001)), Images.Message((1, 1007), (2, 1000), (3, 1000), (4, 1000), (5, 2258857936)));

        var processes = PstreeImage.Parse(image);

        Assert.Equal([1000, 1001], processes[0].Threads);
        Assert.Equal([1007], processes[1].Threads);
    }

    [Fact]
    public void Parse_ThreadIdOutOfRange_IsRefused()
    {
        var image = Images.Of(Images.Pstree, Images.Message((1, 1000), (5, 1000), (5, 2258857936)));
        Assert.Throws<InvalidDataException>(() => PstreeImage.Parse(image));
    }
}
