namespace Floe.Tests.Store.Doubles;

/// <summary>The objects of a store that was written once and is kept for ever in Golden/.</summary>
internal static class GoldenStore
{
    /// <summary>Reads it. With FLOE_WRITE_GOLDEN=<paramref name="name"/> it is written first, where it is not there yet; never again.</summary>
    public static async Task<MemoryObjectStore> OpenAsync(string name, Func<MemoryObjectStore, Task> write)
    {
        var folder = Path.Combine(Root(), "tests/Floe.Tests/Store/Golden", name);
        if (Environment.GetEnvironmentVariable("FLOE_WRITE_GOLDEN") == name && !Directory.Exists(folder))
        {
            var written = new MemoryObjectStore();
            await write(written);
            foreach (var key in written.Keys)
            {
                var path = Path.Combine(folder, key);
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                await File.WriteAllBytesAsync(path, written[key]);
            }
        }

        var objects = new MemoryObjectStore();
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            objects[Path.GetRelativePath(folder, file).Replace('\\', '/')] = await File.ReadAllBytesAsync(file);
        }

        return objects;
    }

    /// <summary>The same bytes for ever, whatever becomes of System.Random.</summary>
    public static byte[] Noise(int length, uint seed = 12345)
    {
        var state = seed;
        return [.. Enumerable.Range(0, length).Select(_ =>
        {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            return (byte)(state >> 8);
        })];
    }

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Floe.slnx")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("the repository's root was not found above the tests");
        }

        return folder;
    }
}
