using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Floe.IntegrationTests.Bundle;
using Floe.Testing;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Nextflow;

/// <summary>The layer as Wave adds it: unpacked over an image's root, and the launch line run there.</summary>
public sealed class LayerImageTests
{
    private const string Script = "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.15; done; echo end > result";

    /// <summary>debian: with glibc and bash; busybox: no glibc, no bash, no certification authorities.</summary>
    [Theory]
    [InlineData("debian", "bash")]
    [InlineData("busybox", "sh")]
    public async Task Launch_LayerOverAnImage_TaskSurvivesAReclaim(string image, string shell)
    {
        using var scratch = new ScratchFolder();
        var layer = await TestLayer.BuildAsync(scratch);
        await using var server = await S3Double.StartAsync();
        await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket)
        {
            RootFileSystem = Roots.Make(image, scratch),
            BundleAt = null,
            Prepare = machine => TestLayer.Unpack(layer, machine),
        };
        await job.WriteAsync(".command.run", $"cd {job.WorkDirectory}; {Script}\n");
        // The layer's entrypoint and Nextflow's line each have the name.
        job.Line = ["/usr/bin/fusion", "/usr/bin/fusion", shell, $"{job.WorkDirectory}/.command.run"];
        var ended = await job.RunAsync(a => a.UntilPrintedAsync("line 5\n"));
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.True(ended.Errors.Contains("Restored snapshot", StringComparison.Ordinal), ended.Errors);
        Assert.Equal(string.Concat(Enumerable.Range(0, 40).Select(i => $"line {i}\n")), await job.TextAsync(".command.log"));
        Assert.Equal("end\n", await job.TextAsync("result"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Launch_ImageWithoutAuthorities_TrustsThoseOfTheLayer(bool isAmongThem)
    {
        using var scratch = new ScratchFolder();
        var layer = await TestLayer.BuildAsync(scratch);
        using var certificate = SelfSigned();
        await using var server = await S3Double.StartAsync(new S3DoubleOptions { Certificate = certificate });
        await using var plain = await S3Double.StartAsync();
        await using var job = new BatchJob(plain.Endpoint, plain.Keys, S3Double.Bucket)
        {
            RootFileSystem = Roots.Make("busybox", scratch),
            BundleAt = null,
            Prepare = machine =>
            {
                TestLayer.Unpack(layer, machine);
                if (isAmongThem)
                {
                    File.AppendAllText($"{machine.RootPath}/opt/floe/share/floe/ca-certificates.crt", certificate.ExportCertificatePem() + "\n");
                }
            },
        };
        server.Write($"{job.Work}/.command.run", "echo hello\n"u8.ToArray());
        job.Environment["FLOE_S3_ENDPOINT"] = server.Endpoint.ToString().TrimEnd('/');
        job.Environment["FLOE_S3_MAX_ATTEMPTS"] = "2";
        job.Environment["AWS_ACCESS_KEY_ID"] = server.Keys.AccessKeyId;
        job.Line = ["/usr/bin/fusion", "sh", $"{job.WorkDirectory}/.command.run"];
        var ended = await (await job.StartAsync()).EndAsync();
        Assert.True(ended.Status.ShellCode == (isAmongThem ? 0 : 174), ended.Errors);
        Assert.Equal(isAmongThem ? "hello\n" : "", ended.Text);
    }

    /// <summary>aws.batch.volumes gives all containers of a machine the same disk as /tmp.</summary>
    [Fact]
    public async Task Launch_TmpIsADiskOfSeveralTasks_EachHasItsOwnAndNothingIsLeft()
    {
        using var scratch = new ScratchFolder();
        var disk = scratch.Folder("nvme");
        File.SetUnixFileMode(disk, (UnixFileMode)0x3FF);
        File.WriteAllText($"{disk}/others", "of the machine");
        await using var server = await S3Double.StartAsync();
        await using var first = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket) { Binds = [new(disk, "/tmp")] };
        await using var second = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket) { Binds = [new(disk, "/tmp")] };
        foreach (var (job, name) in ((BatchJob, string)[])[(first, "one"), (second, "two")])
        {
            await job.SubmitAsync($"echo {name} > /tmp/mine; echo ready; sleep 5; ls /tmp; cat /tmp/mine; stat -c %a /tmp; head -c 20000000 /dev/zero > zeros", false);
        }

        var a = await first.StartAsync();
        var b = await second.StartAsync();
        await a.UntilPrintedAsync("ready\n");
        Assert.True(await a.ReclaimAsync());
        var again = await (await first.StartAsync()).EndAsync();
        Assert.True(again.Status.ShellCode == 0, again.Errors);
        Assert.Equal("ready\nmine\none\n1777\n", await first.TextAsync(".command.out"));
        var other = await b.EndAsync();
        Assert.True(other.Status.ShellCode == 0, other.Errors);
        Assert.Equal("ready\nmine\ntwo\n1777\n", await second.TextAsync(".command.out"));
        // A machine that dies leaves its folder on a disk that dies with it; here it is the same disk.
        Assert.Equal(["others"], Directory.GetFileSystemEntries(disk).Select(Path.GetFileName).Where(n => !Directory.Exists($"{disk}/{n}/tmp") || !File.Exists($"{disk}/{n}/tmp/mine")));
        Assert.Single(Directory.GetDirectories(disk));
    }


    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=floe test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var made = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pfx), null);
    }
}
