using System.Text;
using Floe.Linux.Processes;
using Floe.Operations.Forge;
using Floe.Testing;
using Xunit;

namespace Floe.Operations.Tests.Forge;

/// <summary>What a machine does when it starts, run by bash below a folder that stands for its root, with programs that only say how they were called.</summary>
public sealed class UserDataTests : IDisposable
{
    private const string InstanceStorage = "Amazon EC2 NVMe Instance Storage";
    private readonly ScratchFolder _root = new();

    [Fact]
    public async Task Script_OneDisk_IsMountedAsItIs()
    {
        var calls = await RunAsync([("nvme0n1", "Amazon Elastic Block Store"), ("nvme1n1", InstanceStorage)]);
        Assert.Equal(["mkfs.xfs -f -K /dev/nvme1n1", "mount -o noatime /dev/nvme1n1 /scratch/fusion", "sysctl --quiet --load=/etc/sysctl.d/60-floe.conf"], calls);
    }

    [Fact]
    public async Task Script_SeveralDisks_AreOneStripedVolume()
    {
        var calls = await RunAsync([("nvme0n1", "Amazon Elastic Block Store"), ("nvme1n1", InstanceStorage), ("nvme2n1", InstanceStorage)]);
        Assert.Equal(
            ["pvcreate --yes /dev/nvme1n1 /dev/nvme2n1", "vgcreate floe /dev/nvme1n1 /dev/nvme2n1", "lvcreate --yes --name scratch --extents 100%FREE --stripes 2 --stripesize 256k floe",
             "mkfs.xfs -f -K /dev/floe/scratch", "mount -o noatime /dev/floe/scratch /scratch/fusion"], calls.SkipLast(1));
    }

    [Fact]
    public async Task Script_NoVolumeCanBeMade_TheFirstDiskServes()
    {
        var calls = await RunAsync([("nvme1n1", InstanceStorage), ("nvme2n1", InstanceStorage)], failing: "vgcreate");
        Assert.Contains("mount -o noatime /dev/nvme1n1 /scratch/fusion", calls);
        Assert.DoesNotContain(calls, c => c.StartsWith("lvcreate", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Script_NoDiskOrNoFileSystem_TheMachineComesUpAllTheSame(bool disk)
    {
        var calls = await RunAsync(disk ? [("nvme1n1", InstanceStorage)] : [("nvme0n1", "Amazon Elastic Block Store")], failing: "mkfs.xfs");
        Assert.DoesNotContain(calls, c => c.StartsWith("mount", StringComparison.Ordinal));
        Assert.True(Directory.Exists(_root["scratch/fusion"]));
        Assert.Equal((UnixFileMode)0b1_111_111_111, File.GetUnixFileMode(_root["scratch/fusion"]) & (UnixFileMode)0b1_111_111_111);
        Assert.Contains("vm.dirty_bytes = 1258291200", await File.ReadAllTextAsync(_root["etc/sysctl.d/60-floe.conf"]), StringComparison.Ordinal);

        // ECS's own lines stay: AWS Batch writes the cluster's name there.
        var ecs = await File.ReadAllTextAsync(_root["etc/ecs/ecs.config"]);
        Assert.StartsWith("ECS_CLUSTER=mine\n", ecs, StringComparison.Ordinal);
        Assert.Contains("\nECS_ENABLE_SPOT_INSTANCE_DRAINING=true\n", ecs, StringComparison.Ordinal);
        Assert.Contains("\nECS_IMAGE_PULL_BEHAVIOR=once\n", ecs, StringComparison.Ordinal);
    }

    public void Dispose() => _root.Dispose();

    /// <returns>The calls of programs, paths as on the machine.</returns>
    private async Task<IReadOnlyList<string>> RunAsync(IReadOnlyList<(string Name, string Model)> disks, string failing = "nothing")
    {
        Write("etc/ecs/ecs.config", "ECS_CLUSTER=mine\n");
        Directory.CreateDirectory(_root["etc/sysctl.d"]);
        Directory.CreateDirectory(_root["dev"]);
        foreach (var (name, model) in disks)
        {
            Write($"dev/{name}", "");
            Write($"sys/block/{name}/device/model", model + "        \n");
        }

        foreach (var program in (string[])["pvcreate", "vgcreate", "lvcreate", "mkfs.xfs", "mount", "dnf", "sysctl"])
        {
            Write($"bin/{program}", $"#!/bin/bash\necho \"{program} $*\" >>'{_root["calls"]}'\n[ {program} != {failing} ]\n");
            File.SetUnixFileMode(_root[$"bin/{program}"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        // No block devices can be made here, and no root is this machine's.
        var script = ForgeSpec.MachineScript.Replace("[ -b ", "[ -e ", StringComparison.Ordinal);
        foreach (var folder in (string[])["/dev/", "/sys/", "/etc/", "/scratch/"])
        {
            script = script.Replace(folder, _root.Path + folder, StringComparison.Ordinal);
        }

        Write("script", script);
        using var log = File.OpenHandle(_root["log"], FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
        var process = ChildProcess.Start(new ChildProcessOptions
        {
            Path = "/bin/bash"u8.ToArray(),
            Arguments = ["bash"u8.ToArray(), Encoding.UTF8.GetBytes(_root["script"])],
            Environment = [Encoding.UTF8.GetBytes($"PATH={_root["bin"]}:/usr/bin:/bin")],
            Descriptors = [(log, 1), (log, 2)],
        });
        Assert.True((await process.Exited).ShellCode == 0, await File.ReadAllTextAsync(_root["log"]));
        return (await File.ReadAllTextAsync(_root["calls"])).Replace(_root.Path, "", StringComparison.Ordinal).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_root[path])!);
        File.WriteAllText(_root[path], text);
    }
}
