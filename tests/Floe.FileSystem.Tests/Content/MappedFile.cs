using Floe.FileSystem.Content;
using Floe.FileSystem.Operations;
using Floe.FileSystem.Tests.Core;
using Xunit;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Files that the kernel has been given, and what is written through mappings of them: straight to the local file, as the kernel does it.</summary>
internal static class MappedFile
{
    /// <summary>A new file that is whole in the cache and in the bucket, is given to the kernel for a reader, and then opened for reading and writing.</summary>
    public static async Task<(FileContent Content, ulong Handle)> OpenAsync(ObjectFileSystem files, ContentStore store, string name, ReadOnlyMemory<byte> bytes)
    {
        var (ino, content) = await PinAsync(files, store, name, bytes);
        var writer = (await files.OpenAsync(ino, Tree.ReadWrite, default)).Handle;
        await files.NoteMappableAsync(writer);
        return (content, writer);
    }

    /// <summary>The same before it is opened for writing.</summary>
    public static async Task<(ulong Ino, FileContent Content)> PinAsync(ObjectFileSystem files, ContentStore store, string name, ReadOnlyMemory<byte> bytes)
    {
        var (entry, made) = await files.CreateAsync(1, name, 0x1A4, Tree.WriteOnly, Tree.Caller, default);
        for (var at = 0; at < bytes.Length; at += 1 << 20)
        {
            await files.WriteAsync(made.Handle, at, bytes.Slice(at, Math.Min(1 << 20, bytes.Length - at)), killsPrivileges: false, default);
        }

        files.Release(made.Handle);
        Assert.Empty(await store.DrainAsync(includingOpen: false, default));
        var reader = (await files.OpenAsync(entry.NodeId, Tree.ReadOnly, default)).Handle;
        files.TryPin(reader, out var content)!.Value.Dispose();
        return (entry.NodeId, content);
    }

    public static void MapWrite(FileContent content, long offset, byte value)
    {
        using var file = File.OpenHandle(content.LocalPath!, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        RandomAccess.Write(file, [value], offset);
    }
}
