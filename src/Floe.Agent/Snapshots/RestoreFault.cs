using Floe.Agent.Files;
using Floe.Criu.Errors;
using Floe.FileSystem.Content;
using Floe.FileSystem.Moving;
using Floe.Linux;
using Floe.Store;

namespace Floe.Agent.Snapshots;

/// <summary>What a restore that failed says about its snapshot (docs/decisions/0005-restores-that-fail.md).</summary>
internal enum RestoreFault
{
    /// <summary>No machine can restore it.</summary>
    Snapshot,

    /// <summary>It is good, and this machine or this command line is in the way: mended, the restore succeeds.</summary>
    Target,

    /// <summary>Its bytes are good, and CRIU could not make a task of them for a reason that nobody knows.</summary>
    Unexplained,
}

internal static class RestoreFaults
{
    /// <summary>Null for what says nothing about a snapshot: a store that fails, a defect of this program.</summary>
    public static RestoreFault? Of(Exception e) => e switch
    {
        SnapshotDamagedException or InvalidDataException or FileStateException { IsDamage: true } => RestoreFault.Snapshot,
        UnfitTargetException or MountStateException { IsOfThisMount: true } => RestoreFault.Target,

        // What it rests on in the bucket was written over.
        MountStateException => RestoreFault.Snapshot,
        ContentException { Kind: ContentErrorKind.Stale or ContentErrorKind.Conflict or ContentErrorKind.TooLarge } => RestoreFault.Snapshot,
        ContentException { Kind: ContentErrorKind.LocalDisk or ContentErrorKind.NoSpace } => RestoreFault.Target,

        // Every reason that is known by name is one of the machine: capabilities, pids, CPU, files of the image, memory, disk.
        CriuException { Hint: not null } => RestoreFault.Target,
        CriuException or LinuxException => RestoreFault.Unexplained,
        FileStateException or IOException or UnauthorizedAccessException => RestoreFault.Target,
        _ => null,
    };
}
