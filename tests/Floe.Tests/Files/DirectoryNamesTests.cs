using System.Text;
using Floe.Agent.Files;
using Xunit;

namespace Floe.Tests.Files;

public sealed class DirectoryNamesTests
{
    /// <summary>As the kernel gives them where others replace files while a directory is read.</summary>
    [Fact]
    public void Sort_NamesThatCameTwice_AreThereOnce()
    {
        var names = new DirectoryNames();
        foreach (var name in (string[])["b", "a", "b", "ab", "a", "b"])
        {
            names.Add(Encoding.ASCII.GetBytes(name));
        }

        names.Sort();
        Assert.Equal(["a", "ab", "b"], Enumerable.Range(0, names.Count).Select(i => Encoding.ASCII.GetString(names[i])));
    }

    [Theory]
    [InlineData("a", FileRecordKind.Deleted, "a", true)]
    [InlineData("a", FileRecordKind.Regular, "a", false)]
    [InlineData("a", FileRecordKind.Regular, "a/b", true)]
    [InlineData("b", FileRecordKind.Regular, "a", false)]
    public void MayFollow_OneRecordAfterAnother_OnlyInOrder(string previous, FileRecordKind kind, string path, bool may) =>
        Assert.Equal(may, FileList.MayFollow(
            new FileRecord { Kind = FileRecordKind.Regular, Path = Encoding.ASCII.GetBytes(path) }, new FileRecord { Kind = kind, Path = Encoding.ASCII.GetBytes(previous) }));
}
