using Floe.FileSystem.Content;
using Floe.FileSystem.Inodes;

namespace Floe.FileSystem.Operations;

/// <summary>One open of a file.</summary>
internal sealed record OpenFile(Node Node, FileContent Content, bool CanRead, bool CanWrite);

/// <summary>What an open gave.</summary>
/// <param name="KeepsCache">The kernel's pages of this file, from earlier opens, still hold.</param>
public readonly record struct OpenedFile(ulong Handle, bool KeepsCache);
