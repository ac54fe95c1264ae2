using System.Text.Json;
using Floe.Agent;
using Floe.S3;

namespace Floe.Operations.Layers;

/// <summary><c>floe layer</c>: builds the layer that carries Floe into task containers, puts it where Wave finds it, and checks one.</summary>
public static class LayerBuild
{
    private const int MaxConfigurationBytes = 1 << 20;

    /// <summary>
    /// The layer's file name: Nextflow and Wave match `fusion-(amd64|arm64).tar.gz` to choose by architecture. Source: Wave's layer filter.
    /// </summary>
    public static string LayerName(string architecture) => $"fusion-{architecture}.tar.gz";

    /// <summary>Nextflow swaps the architecture in the URL where it stands between '-' and '.'.</summary>
    public static string ConfigurationName(string architecture) => $"floe-{architecture}.json";

    /// <summary>Builds into <paramref name="outputFolder"/>; files appear whole or not at all.</summary>
    /// <param name="urlBase">Where both files will be served from; null: only the layer is made.</param>
    /// <exception cref="FloeException">The bundle is none, or not of this architecture.</exception>
    public static async Task<LayerReport> BuildAsync(string bundleFolder, string architecture, string outputFolder, string? urlBase, CancellationToken cancellationToken)
    {
        CheckBundle(bundleFolder, architecture);
        Directory.CreateDirectory(outputFolder);
        var layer = Path.Combine(outputFolder, LayerName(architecture));
        LayerDigests digests;
        await using (var file = File.Create(layer + ".tmp"))
        {
            digests = await LayerArchive.WriteAsync(bundleFolder, file, cancellationToken).ConfigureAwait(false);
        }

        File.Move(layer + ".tmp", layer, overwrite: true);
        if (urlBase is null)
        {
            return new LayerReport(layer, null, null, digests);
        }

        var prefix = urlBase.TrimEnd('/') + "/";
        var configuration = new WaveConfiguration
        {
            Entrypoint = [LayerArchive.EntryPoint],
            Layers = [new WaveLayer(prefix + LayerName(architecture), digests.GzipDigest, digests.GzipSize, digests.TarDigest)],
        };
        var path = Path.Combine(outputFolder, ConfigurationName(architecture));
        await File.WriteAllTextAsync(path + ".tmp", JsonSerializer.Serialize(configuration, LayerJson.Default.WaveConfiguration) + "\n", cancellationToken).ConfigureAwait(false);
        File.Move(path + ".tmp", path, overwrite: true);
        return new LayerReport(layer, path, prefix + ConfigurationName(architecture), digests);
    }

    /// <summary>Uploads both files, the layer first, so that a configuration never names a layer that is not there.</summary>
    public static async Task UploadAsync(LayerReport built, IObjectStore target, CancellationToken cancellationToken)
    {
        foreach (var path in (string?[])[built.Layer, built.Configuration])
        {
            if (path is not null)
            {
                await target.PutAsync(new ObjectKey(Path.GetFileName(path)), await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false), PutCondition.None, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Checks a configuration and the layer beside it, or a layer alone.</summary>
    /// <returns>What is wrong, a line each; empty when all is well.</returns>
    /// <exception cref="FloeException">There is no such file.</exception>
    public static async Task<IReadOnlyList<string>> VerifyAsync(string path, CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
        {
            throw new FloeException(ExitCodes.Usage, $"there is no file {path}");
        }

        if (!path.EndsWith(".json", StringComparison.Ordinal))
        {
            return await VerifyLayerAsync(path, null, cancellationToken).ConfigureAwait(false);
        }

        WaveConfiguration? configuration = null;
        if (new FileInfo(path).Length <= MaxConfigurationBytes)
        {
            try
            {
                configuration = JsonSerializer.Deserialize(await File.ReadAllTextAsync(path, cancellationToken).ConfigureAwait(false), LayerJson.Default.WaveConfiguration);
            }
            catch (JsonException)
            {
                // The line below says it for every way of not being one.
            }
        }

        if (configuration?.Layers is not { Count: > 0 } layers)
        {
            return [$"{path} is no container configuration with layers"];
        }

        var problems = new List<string>();
        if (configuration.Entrypoint is not [LayerArchive.EntryPoint])
        {
            problems.Add($"the entry point is {string.Join(' ', configuration.Entrypoint ?? [])}, not {LayerArchive.EntryPoint}");
        }

        foreach (var layer in layers)
        {
            var name = layer.Location?.Split('/')[^1] ?? "";
            var beside = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, name);
            problems.AddRange(name.Length > 0 && File.Exists(beside)
                ? await VerifyLayerAsync(beside, layer, cancellationToken).ConfigureAwait(false)
                : [$"layer {layer.Location}: there is no {name} beside the configuration to check it against"]);
        }

        return problems;
    }

    private static async Task<IReadOnlyList<string>> VerifyLayerAsync(string path, WaveLayer? stated, CancellationToken cancellationToken)
    {
        var name = Path.GetFileName(path);
        await using var file = File.OpenRead(path);
        LayerDigests found;
        IReadOnlyDictionary<string, LayerEntry> entries;
        try
        {
            (found, entries) = await LayerArchive.ReadAsync(file, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
        {
            return [$"{name} is no layer: {e.Message}"];
        }

        var problems = new List<string>();
        foreach (var needed in (string[])["usr/bin/fusion", LayerArchive.Program, $"{LayerArchive.BundleAt}/lib/floe/tini", $"{LayerArchive.BundleAt}/lib/floe/criu/bin/criu"])
        {
            if (!entries.ContainsKey(needed))
            {
                problems.Add($"{name} has no {needed}");
            }
        }

        if (entries.TryGetValue(LayerArchive.Program, out var program) && program != new LayerEntry(LayerArchive.ProgramMode, 0, 0))
        {
            problems.Add($"{name}: {LayerArchive.Program} has mode {Octal(program.Mode)} and owner {program.Uid}:{program.Gid}, not {Octal(LayerArchive.ProgramMode)} and 0:0: images with a USER need it, and nobody else may write it");
        }

        problems.AddRange(entries
            .Where(e => e.Key != LayerArchive.Program && (e.Value.Mode & (UnixFileMode.SetUser | UnixFileMode.SetGroup)) != 0)
            .Select(e => $"{name}: {e.Key} has mode {Octal(e.Value.Mode)}: only {LayerArchive.Program} may carry a set-user-id bit"));
        if (stated is not null)
        {
            Compare("gzipDigest", stated.GzipDigest, found.GzipDigest);
            Compare("gzipSize", $"{stated.GzipSize}", $"{found.GzipSize}");
            Compare("tarDigest", stated.TarDigest, found.TarDigest);
        }

        return problems;

        void Compare(string what, string? says, string isSo)
        {
            if (says != isSo)
            {
                problems.Add($"{name}: {what} is {isSo}, but the configuration says {says}");
            }
        }
    }

    private static string Octal(UnixFileMode mode) => Convert.ToString((int)mode, 8);

    private static void CheckBundle(string folder, string architecture)
    {
        var program = Path.Combine(folder, "bin/floe");
        if (!File.Exists(program) || !File.Exists(Path.Combine(folder, "lib/floe/criu/bin/criu")))
        {
            throw new FloeException(ExitCodes.Usage, $"{folder} is no bundle of floe; make one with 'make bundle', or name it with --bundle");
        }

        // ELF header: magic, then e_machine at byte 18 (elf.h: EM_X86_64 62, EM_AARCH64 183).
        Span<byte> header = stackalloc byte[20];
        using var file = File.OpenRead(program);
        var machine = file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) == header.Length && header[..4].SequenceEqual("\u007fELF"u8) ? header[18] | (header[19] << 8) : 0;
        var found = machine switch { 62 => "amd64", 183 => "arm64", _ => "no known architecture" };
        if (found != architecture)
        {
            throw new FloeException(ExitCodes.Usage, $"{program} is for {found}, not {architecture}; build the bundle on a machine of that kind");
        }
    }
}
