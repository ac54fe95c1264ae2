using Floe.Agent.Files;
using Floe.Agent.Snapshots;
using Floe.Criu.Errors;
using Floe.FileSystem.Content;
using Floe.FileSystem.Moving;
using Floe.Linux;
using Floe.S3;
using Floe.Store;
using Xunit;

namespace Floe.Tests.Snapshots;

/// <summary>Only what proves a snapshot bad may cost it.</summary>
public sealed class RestoreFaultsTests
{
    public static TheoryData<Exception, string?> Failures => new()
    {
        { new SnapshotDamagedException("packs/1-1", "x"), "Snapshot" },
        { new InvalidDataException("x"), "Snapshot" },
        { new FileStateException("x") { IsDamage = true }, "Snapshot" },
        { new MountStateException("x"), "Snapshot" },
        { new ContentException(ContentErrorKind.Stale, "x"), "Snapshot" },
        { new MountStateException("x") { IsOfThisMount = true }, "Target" },
        { new ContentException(ContentErrorKind.NoSpace, "x"), "Target" },
        { new UnfitTargetException("x"), "Target" },
        { new FileStateException("x"), "Target" },
        { new CriuException("x", "pin the container image by its digest"), "Target" },
        { new IOException("No space left on device"), "Target" },
        { new UnauthorizedAccessException("x"), "Target" },
        { new CriuException("x"), "Unexplained" },
        { new LinuxException("waitid", 10), "Unexplained" },
        { new ObjectStoreException(ObjectStoreErrorKind.Busy, "x"), null },
        { new ContentException(ContentErrorKind.Remote, "x"), null },
        { new InvalidOperationException("x"), null },
    };

    [Theory]
    [MemberData(nameof(Failures), DisableDiscoveryEnumeration = true)]
    public void Of_AFailure_SaysWhoseItIs(Exception failure, string? fault) => Assert.Equal(fault, RestoreFaults.Of(failure)?.ToString());
}
