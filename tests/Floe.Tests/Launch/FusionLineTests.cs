using System.Text;
using Floe.Agent;
using Floe.Agent.Launch;
using Floe.FileSystem;
using Xunit;

namespace Floe.Tests.Launch;

public sealed class FusionLineTests
{
    private const string Script = "/fusion/s3/bucket/scratch/ab/cdef/.command.run";

    [Theory]
    [InlineData("fusion")]
    [InlineData("/usr/bin/fusion")]
    public void Parse_NextflowsLine_CommandAndWorkDirectory(string name)
    {
        var line = Parse([name, "bash", Script]);
        Assert.Equal(["bash", Script], Words(line));
        Assert.Equal(new BucketFolder("bucket", "scratch/ab/cdef/"), line.Work);
    }

    [Theory]
    [InlineData("fusion")]
    [InlineData("/usr/bin/fusion")]
    public void Parse_NameTwice_IsTakenOnce(string again)
    {
        var line = Parse(["/usr/bin/fusion", again, "bash", Script]);
        Assert.Equal(["bash", Script], Words(line));
    }

    [Fact]
    public void Parse_AnyCommand_HasNoWorkDirectoryWithoutFusionWork()
    {
        var line = Parse(["fusion", "echo", "fusion", "/fusion/s3/bucket/file"]);
        Assert.Equal(["echo", "fusion", "/fusion/s3/bucket/file"], Words(line));
        Assert.Null(line.Work);
        Assert.Equal(new BucketFolder("b", "w/"), Parse(["fusion", "echo"], ("FUSION_WORK", "/fusion/s3/b/w")).Work);
        Assert.Equal(new BucketFolder("b", "w/x/"), Parse(["fusion", "echo"], ("FUSION_WORK", "/fusion/s3/b/w/x/")).Work);
    }

    [Fact]
    public void Parse_CommandNamesItsWorkDirectory_FusionWorkDoesNotCount()
    {
        var line = Parse(["fusion", "bash", Script], ("FUSION_WORK", "/fusion/s3/bucket/scratch"));
        Assert.Equal(new BucketFolder("bucket", "scratch/ab/cdef/"), line.Work);
    }

    [Fact]
    public void Parse_BytesThatAreNoText_StayAsTheyAre()
    {
        byte[] odd = [(byte)'a', 0xFF, 0xC3];
        var line = FusionLine.Parse([Encoding.UTF8.GetBytes("fusion"), Encoding.UTF8.GetBytes("echo"), odd], static _ => null);
        Assert.Equal(odd, line.Command[1]);
    }

    [Theory]
    [InlineData("/docker-entrypoint.sh", "/docker-entrypoint.sh")]
    [InlineData("/bin/tini --", "/bin/tini|--")]
    [InlineData("/usr/bin/fusion /entry", "/entry")]
    [InlineData(" ", "")]
    public void Parse_EntryChain_StandsBeforeTheCommand(string chain, string words)
    {
        var line = Parse(["fusion", "bash", Script], ("WAVE_ENTRY_CHAIN", chain));
        Assert.Equal([.. words.Split('|', StringSplitOptions.RemoveEmptyEntries), "bash", Script], Words(line));
    }

    [Theory]
    [InlineData("/fusion/gs/bucket/runs/.command.run", "in no S3 bucket")]
    [InlineData("/fusion/s3/bucket/.command.run", "no folder of a bucket")]
    [InlineData("/fusion/s3/bucket/a/../b/.command.run", "no folder of a bucket")]
    [InlineData("/fusion/s3//a/.command.run", "no folder of a bucket")]
    public void Parse_WorkDirectoryThatIsNone_OneLineSaysSo(string script, string why)
    {
        var error = Assert.Throws<FloeException>(() => Parse(["fusion", "bash", script]));
        Assert.Equal(ExitCodes.Usage, error.ExitCode);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_NoCommand_OneLineSaysHow() =>
        Assert.Contains("no command given", Assert.Throws<FloeException>(() => Parse(["/usr/bin/fusion", "fusion"])).Message, StringComparison.Ordinal);

    private static FusionLine Parse(string[] words, params (string Name, string Value)[] variables) =>
        FusionLine.Parse([.. words.Select(Encoding.UTF8.GetBytes)], name => variables.FirstOrDefault(v => v.Name == name).Value);

    private static IEnumerable<string> Words(FusionLine line) => line.Command.Select(Encoding.UTF8.GetString);
}
