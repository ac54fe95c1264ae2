using Floe.Agent.Files;
using Floe.Linux;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>A newer file has the name of one that the task has closed. Takes no time.</summary>
public sealed class OthersFilesTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    /// <summary>A machine's /tmp is its own; a working directory may be on a file system that machines share.</summary>
    [Theory]
    [InlineData(true, true, FileClaim.Written, false)]
    [InlineData(true, true, FileClaim.None, true)]
    [InlineData(true, false, FileClaim.Written, true)]
    [InlineData(false, true, FileClaim.Written, true)]
    public void Have_NewerFileOfTheSameName_GivesWayOnAnotherMachineOnly(bool isPublic, bool isOtherMachine, FileClaim claim, bool have)
    {
        var (others, record) = Meet(isPublic, new PutBackOptions { IsOtherMachine = isOtherMachine, Taken = TimeProvider.System.GetUtcNow().AddHours(-1) }, claim);
        Assert.Equal(have, Have(others, record));
        string[] gaveWay = have ? [] : [_scratch["index"]];
        Assert.Equal(gaveWay, others.Replaced);
        Assert.Equal(have ? 1 : 0, others.Found.Count);
    }

    private (OthersFiles Others, FileRecord Record) Meet(bool isPublic, PutBackOptions options, FileClaim claim)
    {
        var root = KernelPath.FromText(_scratch.Path);
        var tree = new ScopeTree();
        tree.MarkRoot(root);
        tree.MarkShared(root, isPublic);
        File.WriteAllText(_scratch["index"], "theirs");
        return (new OthersFiles(tree, options), new FileRecord
        {
            Kind = FileRecordKind.Regular,
            Path = KernelPath.FromText(_scratch["index"]),
            Mode = 0x1A4,
            ByteCount = 3,
            Claim = claim,
        });
    }

    private bool Have(OthersFiles others, FileRecord record)
    {
        var parent = DirectoryPath.Open(KernelPath.FromText(_scratch.Path), create: false);
        try
        {
            return others.Have(record, parent) != TargetFile.GivesWay;
        }
        finally
        {
            _ = Interop.close(parent);
        }
    }
}
