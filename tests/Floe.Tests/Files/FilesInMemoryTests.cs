using System.IO.MemoryMappedFiles;
using Floe.Agent.Files;
using Floe.Linux;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>A file of /dev/shm that was written through a mapping after the snapshot: its times are as they were.</summary>
public sealed class FilesInMemoryTests : IDisposable
{
    private static readonly DateTime s_written = new(2024, 5, 6, 7, 8, 9, DateTimeKind.Utc);

    private readonly string _folder = Directory.CreateDirectory($"/dev/shm/floe-test-{Environment.ProcessId}-{Guid.NewGuid():n}").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(FileClaim.Written)]
    [InlineData(FileClaim.None)]
    [InlineData(FileClaim.Held)]
    public void HaveSame_AsItWas_Stays(FileClaim claim) => Assert.True(Stays(claim, mayHaveGoneOn: true, isChanged: false, out _));

    /// <summary>The task's life after the snapshot, which is undone, may have written it.</summary>
    [Theory]
    [InlineData(FileClaim.Written)]
    [InlineData(FileClaim.Held)]
    public void HaveSame_ChangedByALifeThatWentOn_GivesWay(FileClaim claim)
    {
        Assert.False(Stays(claim, mayHaveGoneOn: true, isChanged: true, out var others));
        Assert.Empty(others.Found);
    }

    [Fact]
    public void HaveSame_ChangedAndOfUnknownWriter_StaysAndIsNamed()
    {
        Assert.True(Stays(FileClaim.None, mayHaveGoneOn: true, isChanged: true, out var others));
        Assert.Equal([$"{_folder}/file"], others.Unclear);
    }

    /// <summary>The task stood still since, so it was somebody else, as with any other file.</summary>
    [Fact]
    public void HaveSame_ChangedWhileTheTaskStoodStill_Stays() => Assert.True(Stays(FileClaim.Written, mayHaveGoneOn: false, isChanged: true, out _));

    private bool Stays(FileClaim claim, bool mayHaveGoneOn, bool isChanged, out OthersFiles others)
    {
        File.WriteAllText($"{_folder}/file", "as the snapshot has it");
        File.SetLastWriteTimeUtc($"{_folder}/file", s_written);
        Directory.CreateDirectory($"{_folder}/staged");
        File.Copy($"{_folder}/file", $"{_folder}/staged/0");
        if (isChanged)
        {
            using var mapping = MemoryMappedFile.CreateFromFile($"{_folder}/file", FileMode.Open);
            using var view = mapping.CreateViewAccessor();
            view.Write(3, (byte)'!');
        }

        // Other programs' rules for the times of a mapped file are not what is tested.
        File.SetLastWriteTimeUtc($"{_folder}/file", s_written);

        var root = KernelPath.FromText(_folder);
        var tree = new ScopeTree();
        tree.MarkRoot(root);
        tree.MarkShared(root, isPublic: false);
        var (parent, staged) = (DirectoryPath.Open(root, create: false), DirectoryPath.Open(KernelPath.FromText($"{_folder}/staged"), create: false));
        try
        {
            Assert.Equal(0, NativeName.Stat(parent, "file\0"u8, out var stat));
            others = new OthersFiles(tree, new PutBackOptions { Taken = TimeProvider.System.GetUtcNow().AddHours(1), MayHaveGoneOn = mayHaveGoneOn });
            var record = new FileRecord
            {
                Kind = FileRecordKind.Regular,
                Path = KernelPath.FromText($"{_folder}/file"),
                Mode = (ushort)(stat.stx_mode & 0xFFF),
                Uid = stat.stx_uid,
                Gid = stat.stx_gid,
                Modified = new FileTime(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
                ByteCount = (long)stat.stx_size,
                Claim = claim,
            };
            return others.Have(record, parent) != TargetFile.GivesWay || others.HaveSame(record, parent, staged, "0\0"u8) != TargetFile.GivesWay;
        }
        finally
        {
            _ = Interop.close(parent);
            _ = Interop.close(staged);
        }
    }
}
