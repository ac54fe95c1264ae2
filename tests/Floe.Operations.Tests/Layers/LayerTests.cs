using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Floe.Agent;
using Floe.Operations.Layers;
using Floe.Testing;
using Xunit;

namespace Floe.Operations.Tests.Layers;

public sealed class LayerTests : IDisposable
{
    private const string UrlBase = "https://bucket.example/floe";

    private readonly ScratchFolder _folder = new();

    public LayerTests() => MakeBundle(_folder["bundle"]);

    public void Dispose() => _folder.Dispose();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task BuildAsync_SameBundleLaterAndElsewhere_SameBytes()
    {
        var first = await LayerBuild.BuildAsync(_folder["bundle"], "amd64", _folder["a"], UrlBase, Token);
        MakeBundle(_folder["copy"]);
        File.SetLastWriteTimeUtc(_folder["copy/bin/floe"], new DateTime(2001, 2, 3, 0, 0, 0, DateTimeKind.Utc));
        var second = await LayerBuild.BuildAsync(_folder["copy"], "amd64", _folder["b"], UrlBase, Token);
        Assert.Equal(first.Digests, second.Digests);
        Assert.Equal(File.ReadAllBytes(first.Layer), File.ReadAllBytes(second.Layer));
        Assert.Equal(File.ReadAllText(first.Configuration!), File.ReadAllText(second.Configuration!));
    }

    [Fact]
    public async Task BuildAsync_WithUrl_ConfigurationIsWhatWaveReads()
    {
        var built = await LayerBuild.BuildAsync(_folder["bundle"], "amd64", _folder["a"], UrlBase + "/", Token);
        var json = JsonNode.Parse(File.ReadAllText(built.Configuration!))!;
        Assert.Equal("/usr/bin/fusion", (string?)json["entrypoint"]![0]);
        var layer = json["layers"]![0]!;
        Assert.Equal($"{UrlBase}/fusion-amd64.tar.gz", (string?)layer["location"]);
        Assert.Equal(Digest(File.ReadAllBytes(built.Layer)), (string?)layer["gzipDigest"]);
        Assert.Equal(new FileInfo(built.Layer).Length, (long)layer["gzipSize"]!);
        Assert.Equal(Digest(Unpacked(built.Layer)), (string?)layer["tarDigest"]);
        Assert.Equal($"{UrlBase}/floe-amd64.json", built.ConfigUrl);
    }

    [Fact]
    public async Task BuildAsync_Entries_AreRootsAndLeaveTheImagesFoldersAlone()
    {
        var built = await LayerBuild.BuildAsync(_folder["bundle"], "amd64", _folder["a"], null, Token);
        Assert.Null(built.Configuration);
        var entries = new Dictionary<string, TarEntry>();
        using var reader = new TarReader(new MemoryStream(Unpacked(built.Layer)));
        while (reader.GetNextEntry(copyData: true) is { } entry)
        {
            entries.Add(entry.Name.TrimEnd('/'), entry);
        }

        Assert.DoesNotContain("usr", entries.Keys);
        Assert.DoesNotContain("usr/bin", entries.Keys);
        Assert.All(entries.Values, e => Assert.Equal((0, 0), (e.Uid, e.Gid)));
        Assert.Equal("../../opt/floe/bin/fusion", entries["usr/bin/fusion"].LinkName);
        Assert.Equal(UnixFileMode.SetUser | (UnixFileMode)0b111_101_101, entries["opt/floe/bin/floe"].Mode);
        // The bit counts on the file that both links lead to, and is on nothing else.
        Assert.Equal((TarEntryType.SymbolicLink, "floe"), (entries["opt/floe/bin/fusion"].EntryType, entries["opt/floe/bin/fusion"].LinkName));
        Assert.Equal(TarEntryType.RegularFile, entries["opt/floe/bin/floe"].EntryType);
        Assert.Single(entries.Values, e => (e.Mode & (UnixFileMode.SetUser | UnixFileMode.SetGroup)) != 0);
        Assert.Equal((UnixFileMode)0b111_101_101, File.GetUnixFileMode(_folder["bundle/bin/floe"]));
        Assert.Equal((UnixFileMode)0b111_101_101, entries["opt/floe/lib/floe/tini"].Mode);
        Assert.Equal((UnixFileMode)0b110_100_100, entries["opt/floe/share/floe/packages.txt"].Mode);
        Assert.Equal(TarEntryType.Directory, entries["fusion"].EntryType);
    }

    [Fact]
    public async Task BuildAsync_OtherArchitecture_IsRefused()
    {
        var e = await Assert.ThrowsAsync<FloeException>(() => LayerBuild.BuildAsync(_folder["bundle"], "arm64", _folder["a"], null, Token));
        Assert.Contains("amd64, not arm64", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task BuildAsync_NoBundle_SaysHowToGetOne()
    {
        Directory.CreateDirectory(_folder["empty"]);
        var e = await Assert.ThrowsAsync<FloeException>(() => LayerBuild.BuildAsync(_folder["empty"], "amd64", _folder["a"], null, Token));
        Assert.Contains("make bundle", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task VerifyAsync_WhatWasBuilt_IsSound()
    {
        var built = await LayerBuild.BuildAsync(_folder["bundle"], "amd64", _folder["a"], UrlBase, Token);
        Assert.Empty(await LayerBuild.VerifyAsync(built.Configuration!, Token));
        Assert.Empty(await LayerBuild.VerifyAsync(built.Layer, Token));
    }

    [Theory]
    [InlineData("gzipDigest", "\"sha256:00\"")]
    [InlineData("gzipSize", "17")]
    [InlineData("tarDigest", "null")]
    public async Task VerifyAsync_WrongStatement_IsNamed(string field, string value)
    {
        var built = await LayerBuild.BuildAsync(_folder["bundle"], "amd64", _folder["a"], UrlBase, Token);
        var json = JsonNode.Parse(File.ReadAllText(built.Configuration!))!;
        json["layers"]![0]![field] = JsonNode.Parse(value);
        File.WriteAllText(built.Configuration!, json.ToJsonString());
        Assert.Contains(field, Assert.Single(await LayerBuild.VerifyAsync(built.Configuration!, Token)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task VerifyAsync_CutOffLayer_IsNoLayer()
    {
        var built = await LayerBuild.BuildAsync(_folder["bundle"], "amd64", _folder["a"], UrlBase, Token);
        File.WriteAllBytes(built.Layer, File.ReadAllBytes(built.Layer)[..200]);
        Assert.NotEmpty(await LayerBuild.VerifyAsync(built.Layer, Token));
    }

    [Theory]
    [InlineData("opt/floe/bin/floe", 0b111_101_101, 0, "opt/floe/bin/floe has mode 755 and owner 0:0")]
    [InlineData("opt/floe/bin/floe", 0b100_111_101_111, 0, "opt/floe/bin/floe has mode 4757 and owner 0:0")]
    [InlineData("opt/floe/bin/floe", 0b100_111_101_101, 1000, "opt/floe/bin/floe has mode 4755 and owner 1000:0")]
    [InlineData("opt/floe/lib/floe/tini", 0b100_111_101_101, 0, "opt/floe/lib/floe/tini has mode 4755")]
    [InlineData("opt/floe/lib/floe/tini", 0b010_111_101_101, 0, "opt/floe/lib/floe/tini has mode 2755")]
    public async Task VerifyAsync_WrongModeOrOwner_IsNamed(string name, int mode, int owner, string expected)
    {
        var built = await LayerBuild.BuildAsync(_folder["bundle"], "amd64", _folder["a"], null, Token);
        using (var reader = new TarReader(new MemoryStream(Unpacked(built.Layer))))
        using (var writer = new TarWriter(new GZipStream(File.Create(_folder["changed.tar.gz"]), CompressionLevel.Fastest)))
        {
            while (reader.GetNextEntry(copyData: true) is { } entry)
            {
                if (entry.Name == name)
                {
                    (entry.Mode, entry.Uid) = ((UnixFileMode)mode, owner);
                }

                writer.WriteEntry(entry);
            }
        }

        Assert.Contains(expected, Assert.Single(await LayerBuild.VerifyAsync(_folder["changed.tar.gz"], Token)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task OciLayout_AddLayer_NewImageHasLayerEntryPointAndOldChain()
    {
        var built = await LayerBuild.BuildAsync(_folder["bundle"], "amd64", _folder["a"], null, Token);
        MakeLayout(_folder["image"]);
        var report = await OciLayout.AddLayerAsync(_folder["image"], built.Layer, built.Digests, "amd64", Token);

        var index = JsonNode.Parse(File.ReadAllText(_folder["image/index.json"]))!;
        Assert.Equal(2, index["manifests"]!.AsArray().Count);
        var manifest = Blob(index["manifests"]![0]!);
        Assert.Equal(report.ManifestDigest, (string?)index["manifests"]![0]!["digest"]);
        Assert.Equal(built.Digests.GzipDigest, (string?)manifest["layers"]![1]!["digest"]);
        Assert.Equal(built.Digests.GzipDigest, Digest(File.ReadAllBytes(_folder[$"image/blobs/sha256/{built.Digests.GzipDigest[7..]}"])));
        var config = Blob(manifest["config"]!);
        Assert.Equal(["sha256:base", built.Digests.TarDigest], config["rootfs"]!["diff_ids"]!.AsArray().Select(d => (string?)d));
        Assert.Equal(["/usr/bin/fusion"], config["config"]!["Entrypoint"]!.AsArray().Select(d => (string?)d));
        Assert.Equal(["PATH=/bin", "WAVE_ENTRY_CHAIN=/tini --"], config["config"]!["Env"]!.AsArray().Select(d => (string?)d));
        Assert.Equal("arm", (string?)index["manifests"]![1]!["platform"]!["architecture"]);

        JsonNode Blob(JsonNode descriptor)
        {
            var content = File.ReadAllBytes(_folder[$"image/blobs/sha256/{((string)descriptor["digest"]!)[7..]}"]);
            Assert.Equal((string?)descriptor["digest"], Digest(content));
            Assert.Equal((long)descriptor["size"]!, content.Length);
            return JsonNode.Parse(content)!;
        }
    }

    [Fact]
    public async Task OciLayout_AddLayerTwice_IsRefused()
    {
        var built = await LayerBuild.BuildAsync(_folder["bundle"], "amd64", _folder["a"], null, Token);
        MakeLayout(_folder["image"]);
        await OciLayout.AddLayerAsync(_folder["image"], built.Layer, built.Digests, "amd64", Token);
        var e = await Assert.ThrowsAsync<FloeException>(() => OciLayout.AddLayerAsync(_folder["image"], built.Layer, built.Digests, "amd64", Token));
        Assert.Contains("already", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DockerArchive_AddLayer_NewArchiveHoldsLayerAndConfiguration()
    {
        var built = await LayerBuild.BuildAsync(_folder["bundle"], "amd64", _folder["a"], null, Token);
        var archive = _folder["image.tar"];
        using (var writer = new TarWriter(File.Create(archive)))
        {
            Add(writer, "cfg.json", Config("amd64"));
            Add(writer, "base/layer.tar", "layer"u8.ToArray());
            Add(writer, "manifest.json", """[{"Config":"cfg.json","RepoTags":["me/tool:1"],"Layers":["base/layer.tar"]}]"""u8.ToArray());
        }

        await DockerArchive.AddLayerAsync(archive, _folder["new.tar"], built.Layer, built.Digests, Token);
        var entries = new Dictionary<string, byte[]>();
        using var reader = new TarReader(File.OpenRead(_folder["new.tar"]));
        while (reader.GetNextEntry(copyData: true) is { } entry)
        {
            var content = new MemoryStream();
            entry.DataStream?.CopyTo(content);
            entries.Add(entry.Name, content.ToArray());
        }

        var image = JsonNode.Parse(entries["manifest.json"])![0]!;
        Assert.Equal("me/tool:1", (string?)image["RepoTags"]![0]);
        var config = entries[(string)image["Config"]!];
        Assert.Equal((string?)image["Config"], Digest(config)[7..] + ".json");
        Assert.Equal(built.Digests.TarDigest, (string?)JsonNode.Parse(config)!["rootfs"]!["diff_ids"]![1]);
        Assert.Equal(built.Digests.TarDigest, Digest(entries[(string)image["Layers"]![1]!]));
        Assert.Equal("layer"u8.ToArray(), entries["base/layer.tar"]);
        Assert.DoesNotContain("cfg.json", entries.Keys);
        Assert.Empty(Directory.GetFiles(_folder.Path, "*.tmp"));
    }

    private static void Add(TarWriter writer, string name, byte[] content) =>
        writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) });

    private static byte[] Config(string architecture) => Encoding.UTF8.GetBytes(
        $$$"""{"architecture":"{{{architecture}}}","os":"linux","config":{"Env":["PATH=/bin"],"Entrypoint":["/tini","--"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:base"]},"history":[]}""");

    private void MakeLayout(string folder)
    {
        Directory.CreateDirectory(Path.Combine(folder, "blobs/sha256"));
        File.WriteAllText(Path.Combine(folder, "oci-layout"), """{"imageLayoutVersion":"1.0.0"}""");
        var manifests = new JsonArray();
        foreach (var architecture in (string[])["amd64", "arm"])
        {
            var config = Store(Config(architecture), "application/vnd.oci.image.config.v1+json");
            var layer = Store(Encoding.UTF8.GetBytes(architecture), "application/vnd.oci.image.layer.v1.tar+gzip");
            var manifest = new JsonObject { ["schemaVersion"] = 2, ["config"] = config, ["layers"] = new JsonArray(layer) };
            var descriptor = Store(Encoding.UTF8.GetBytes(manifest.ToJsonString()), "application/vnd.oci.image.manifest.v1+json");
            descriptor["platform"] = new JsonObject { ["architecture"] = architecture, ["os"] = "linux" };
            manifests.Add(descriptor);
        }

        File.WriteAllText(Path.Combine(folder, "index.json"), new JsonObject { ["schemaVersion"] = 2, ["manifests"] = manifests }.ToJsonString());

        JsonObject Store(byte[] content, string type)
        {
            var digest = Digest(content);
            File.WriteAllBytes(Path.Combine(folder, "blobs/sha256", digest[7..]), content);
            return new JsonObject { ["mediaType"] = type, ["digest"] = digest, ["size"] = content.Length };
        }
    }

    private static void MakeBundle(string folder)
    {
        // The first 20 bytes of an x86-64 program; what follows does not matter here.
        byte[] program = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 62, 0, .. "program"u8];
        Write("bin/floe", program, runs: true);
        File.CreateSymbolicLink(Path.Combine(folder, "bin/fusion"), "floe");
        Write("lib/floe/tini", [1, 2], runs: true);
        Write("lib/floe/criu/bin/criu", [3], runs: true);
        Write("share/floe/packages.txt", "criu 4.2.1"u8.ToArray(), runs: false);

        void Write(string name, byte[] content, bool runs)
        {
            var path = Path.Combine(folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, content);
            File.SetUnixFileMode(path, runs ? (UnixFileMode)0b111_101_101 : (UnixFileMode)0b110_000_000);
        }
    }

    private static byte[] Unpacked(string path)
    {
        using var plain = new MemoryStream();
        using var gzip = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        gzip.CopyTo(plain);
        return plain.ToArray();
    }

    private static string Digest(byte[] content) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(content));
}
