using System.Text;
using System.Text.RegularExpressions;
using Floe.Linux.Processes;
using Floe.Operations.Forge;
using Floe.Testing;
using Xunit;

namespace Floe.Operations.Tests.Forge;

/// <summary>Its syntax is read here; terraform itself, where it is installed, has the last word on form. The provider is not to be had here.</summary>
public sealed partial class TerraformTests
{
    private static readonly ForgeSpec s_spec = new()
    {
        Name = "floe", Region = "eu-central-1", Partition = "aws", Buckets = ["one", "two"], WorkTypes = ["c6id.8xlarge", "m6id.4xlarge"], HeadTypes = ["m6i.large"], WorkCpus = 256, HeadCpus = 16,
        Subnets = ["subnet-1", "subnet-2"], SecurityGroups = ["sg-1"], ImageId = "ami-0123456789abcdef0", ServiceRole = "arn:aws:iam::123456789012:role/batch",
    };

    [Fact]
    public void Write_Spec_IsHclWithEveryResource()
    {
        var root = HclReader.Read(TerraformTemplate.Write(s_spec));
        var resources = root.Blocks.Where(b => b.Type == "resource").ToList();
        Assert.Equal(
            ["aws_batch_compute_environment.head", "aws_batch_compute_environment.work", "aws_batch_job_queue.head", "aws_batch_job_queue.work", "aws_iam_instance_profile.instance", "aws_iam_role.execution",
             "aws_iam_role.head", "aws_iam_role.instance", "aws_iam_role_policy.execution", "aws_iam_role_policy.head", "aws_iam_role_policy.instance", "aws_launch_template.machines"],
            resources.Select(r => string.Join('.', r.Labels)).Order());

        var work = resources.Single(r => r.Labels is ["aws_batch_compute_environment", "work"]).Blocks.Single(b => b.Type == "compute_resources");
        Assert.Equal("[\"c6id.8xlarge\", \"m6id.4xlarge\"]", work.Attributes["instance_type"]);
        Assert.Equal("\"SPOT_PRICE_CAPACITY_OPTIMIZED\"", work.Attributes["allocation_strategy"]);
        Assert.Equal("\"ami-0123456789abcdef0\"", work.Blocks.Single(b => b.Type == "ec2_configuration").Attributes["image_id_override"]);
    }

    [Fact]
    public void Write_References_AreOfWhatIsThere()
    {
        var text = TerraformTemplate.Write(s_spec);
        var there = HclReader.Read(text).Blocks.Where(b => b.Type == "resource").Select(b => string.Join('.', b.Labels)).ToHashSet();
        var meant = HclReader.Read(text).All.SelectMany(b => b.Attributes.Values).Where(v => v[0] is not '"').SelectMany(v => Reference().Matches(v)).Select(m => m.Value).ToList();
        Assert.True(meant.Count >= 15);
        Assert.All(meant, m => Assert.Contains(m, there));
    }

    [Theory]
    [InlineData("${file(\"/etc/passwd\")}")]
    [InlineData("%{ if true }x%{ endif }")]
    [InlineData("a\"b\\c\nd")]
    public void Write_HostileText_StaysText(string hostile)
    {
        var root = HclReader.Read(TerraformTemplate.Write(s_spec with { ServiceRole = hostile, WorkTypes = [hostile] }));
        Assert.Equal(2, root.Blocks.Count(b => b.Labels is ["aws_batch_compute_environment", _]));
    }

    [Theory]
    [InlineData("a {")]
    [InlineData("a = ")]
    [InlineData("a = [1 2]")]
    [InlineData("a = \"x")]
    [InlineData("a = \"${x}\"")]
    [InlineData("a = 1 b = 2")]
    [InlineData("a = 1\na = 2")]
    [InlineData("a b {\n}")]
    public void Read_NoHcl_IsRefused(string text) => Assert.Throws<FormatException>(() => HclReader.Read(text));

    [Fact]
    public async Task Write_Spec_IsAsTerraformFormatsIt()
    {
        if (((string[])["/usr/local/bin/terraform", "/usr/bin/terraform", "/usr/bin/tofu"]).FirstOrDefault(File.Exists) is not { } terraform)
        {
            Assert.Skip("terraform is not installed");
            return;
        }

        using var folder = new ScratchFolder();
        await File.WriteAllTextAsync(folder["floe.tf"], TerraformTemplate.Write(s_spec));
        using var log = File.OpenHandle(folder["log"], FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
        var process = ChildProcess.Start(new ChildProcessOptions
        {
            Path = Encoding.UTF8.GetBytes(terraform),
            Arguments = [.. ((string[])["terraform", "fmt", "-check", "-diff", "-no-color", folder["floe.tf"]]).Select(Encoding.UTF8.GetBytes)],
            Environment = [.. ((string[])["CHECKPOINT_DISABLE=1", $"HOME={folder.Path}"]).Select(Encoding.UTF8.GetBytes)],
            Descriptors = [(log, 1), (log, 2)],
        });
        Assert.True((await process.Exited).ShellCode == 0, await File.ReadAllTextAsync(folder["log"]));
    }

    [GeneratedRegex(@"\baws_[a-z_]+\.[a-z]+\b")]
    private static partial Regex Reference();
}
