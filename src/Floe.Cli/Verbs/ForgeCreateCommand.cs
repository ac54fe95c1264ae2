using System.CommandLine;
using System.Text.Json;
using Floe.Agent;
using Floe.Aws.Api;
using Floe.Cli.Console;
using Floe.Operations.Forge;
using Floe.Operations.Images;
using Floe.Operations.Instances;
using Floe.Operations.Planning;
using Floe.S3;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe forge create</c>: makes an environment, or brings one up to date.</summary>
internal static class ForgeCreateCommand
{
    private const int MostTypes = 12;

    private static readonly Option<string> s_name = ForgeOption.Name();
    private static readonly Option<string?> s_region = AwsOption.Region();
    private static readonly Option<string[]> s_buckets = new("--bucket") { HelpName = "NAME", Description = "Bucket of the work directory and store; may be repeated", DefaultValueFactory = static _ => [] };
    private static readonly Option<string[]> s_types = new("--type") { HelpName = "TYPE", Description = "Instance type of the work queue; may be repeated. Default: what 'floe plan' ranks first for --memory", DefaultValueFactory = static _ => [] };
    private static readonly Option<double?> s_memory = Amounts.Memory("--memory", "Memory of the largest task, to choose types by");
    private static readonly Option<double?> s_cpus = Amounts.Number("--cpus", "N", 1, 4096, "Processors of one task, to choose types by");
    private static readonly Option<string> s_arch = Amounts.Word("--arch", ["x86_64", "arm64"], "x86_64", "Architecture, to choose types by");
    private static readonly Option<double?> s_maxCpus = Amounts.Number("--max-cpus", "N", 1, 1_000_000, "Most processors of the work environment; default 256");
    private static readonly Option<string[]> s_headTypes = new("--head-type") { HelpName = "TYPE", Description = "Instance type of the head queue; may be repeated", DefaultValueFactory = static _ => [] };
    private static readonly Option<double?> s_headCpus = Amounts.Number("--head-max-cpus", "N", 1, 1_000_000, "Most processors of the head environment; default 16");
    private static readonly Option<string[]> s_subnets = new("--subnet") { HelpName = "ID", Description = "Subnet; may be repeated. Default: those of the default network", DefaultValueFactory = static _ => [] };
    private static readonly Option<string[]> s_groups = new("--security-group") { HelpName = "ID", Description = "Security group; may be repeated. Default: the network's own", DefaultValueFactory = static _ => [] };
    private static readonly Option<string?> s_image = new("--image") { HelpName = "AMI", Description = "Hold this image fast. Default: the Amazon Linux 2023 that AWS Batch keeps current" };
    private static readonly Option<double?> s_disk = Amounts.Number("--root-volume", "GB", 30, 16384, "Root disk of a machine; default 100");
    private static readonly Option<string?> s_serviceRole = new("--service-role") { HelpName = "ARN", Description = "Role for AWS Batch. Default: its service-linked role" };
    private static readonly Option<bool> s_dryRun = new("--dry-run") { Description = "Print what would be done, as a diff, and do nothing" };
    private static readonly Option<string?> s_emit = new("--emit") { HelpName = "cloudformation|terraform", Description = "Print the environment for another tool, and do nothing" };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print the plan as JSON" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("create", """
            Make an environment, or bring one up to date: the plan is printed first, what is right already is left alone.

            Example:
              floe forge create --name floe --region eu-central-1 --bucket my-bucket --memory 60GiB --dry-run
            """);
        s_emit.Validators.Add(static result =>
        {
            if (result.GetValueOrDefault<string?>() is { } tool and not ("cloudformation" or "terraform"))
            {
                result.AddError($"--emit takes cloudformation or terraform; not '{tool}'");
            }
        });
        foreach (var option in (Option[])[s_name, s_region, s_buckets, s_types, s_memory, s_cpus, s_arch, s_maxCpus, s_headTypes, s_headCpus, s_subnets, s_groups, s_image, s_disk, s_serviceRole, s_dryRun, s_emit, s_json])
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        using var client = AwsOption.Open(parsed.GetValue(s_region), log);
        var spec = await SpecAsync(parsed, client, cancellationToken).ConfigureAwait(false);
        if (parsed.GetValue(s_emit) is { } tool)
        {
            System.Console.Write(tool == "terraform" ? TerraformTemplate.Write(spec) : CloudFormationTemplate.Write(spec));
            return 0;
        }

        var json = parsed.GetValue(s_json);
        var forger = new Forger(client, spec, TimeProvider.System, line => (json ? System.Console.Error : System.Console.Out).WriteLine(line));
        var plan = await forger.PlanAsync(cancellationToken).ConfigureAwait(false);
        if (json)
        {
            System.Console.WriteLine(JsonSerializer.Serialize(plan, ForgeJson.Default.ForgePlan));
        }
        else
        {
            ForgeText.Print(plan);
        }

        if (parsed.GetValue(s_dryRun))
        {
            return plan.Refused.Count > 0 ? 1 : 0;
        }

        await forger.ApplyAsync(plan, cancellationToken).ConfigureAwait(false);
        if (!json)
        {
            System.Console.WriteLine($"""
                {spec.Name} is ready: work queue {spec.WorkQueue}, head queue {spec.HeadQueue}.
                  floe doctor {spec.WorkQueue} --region {spec.Region} --bucket {spec.Buckets[0]}
                  floe nextflow config --work s3://{spec.Buckets[0]}/work --region {spec.Region} --queue {spec.WorkQueue} {string.Join(' ', spec.WorkTypes.Select(t => $"--type {t}"))}
                """);
        }

        return 0;
    }

    private static async Task<ForgeSpec> SpecAsync(ParseResult parsed, AwsClient client, CancellationToken cancellationToken)
    {
        var buckets = parsed.GetValue(s_buckets)!.Select(b => b.StartsWith("s3://", StringComparison.Ordinal) ? b : "s3://" + b)
            .Select(b => StoreUrl.TryParse(b, out var error)?.Container ?? throw ForgeOption.Usage($"--bucket: {error}")).Distinct().ToList();
        if (buckets.Count == 0)
        {
            throw ForgeOption.Usage("no bucket: give --bucket NAME, of the work directory and store; the machines may use no other");
        }

        var region = await client.RegionAsync(cancellationToken).ConfigureAwait(false);
        if (parsed.GetValue(s_image) is { } image && !RecommendedImage.IsId(image))
        {
            throw ForgeOption.Usage($"--image takes an id like ami-0123456789abcdef0, as 'floe ami' prints; not '{image}'");
        }

        var types = await TypesAsync(parsed, client, cancellationToken).ConfigureAwait(false);
        var (subnets, groups) = await NetworkAsync(parsed, client, cancellationToken).ConfigureAwait(false);
        var arm = parsed.GetValue(s_arch) == "arm64";
        return new ForgeSpec
        {
            Name = parsed.GetValue(s_name)!,
            Region = region,
            Partition = AwsOptions.Partition(region),
            Buckets = buckets,
            WorkTypes = types,
            HeadTypes = parsed.GetValue(s_headTypes) is { Length: > 0 } heads ? heads : arm ? ["m6g.large", "m6g.xlarge"] : ["m6i.large", "m6i.xlarge"],
            WorkCpus = ForgeOption.Cpus(parsed.GetValue(s_maxCpus), 256),
            HeadCpus = ForgeOption.Cpus(parsed.GetValue(s_headCpus), 16),
            Subnets = subnets,
            SecurityGroups = groups,
            ImageId = parsed.GetValue(s_image),
            RootVolumeGB = ForgeOption.Cpus(parsed.GetValue(s_disk), 100),
            ServiceRole = parsed.GetValue(s_serviceRole),
        };
    }

    /// <summary>Given types, in that order; else those that fit best, all with local NVMe and of one size, so that every one takes the task.</summary>
    private static async Task<List<string>> TypesAsync(ParseResult parsed, AwsClient client, CancellationToken cancellationToken)
    {
        var named = parsed.GetValue(s_types) is { Length: > 0 } some ? some : null;
        if (named is null && parsed.GetValue(s_memory) is null)
        {
            throw ForgeOption.Usage("no types: give --type TYPE, or --memory SIZE of the largest task to have them chosen");
        }

        // EC2 knows which types there are in the region.
        var table = await LiveInstanceTable.ReadAsync(client, named, static why => System.Console.Error.WriteLine($"floe: judging by the embedded table of types: {why}"), cancellationToken).ConfigureAwait(false);
        if (named is { } given)
        {
            foreach (var type in given.Where(t => t.Contains('.')))
            {
                if (!InstanceType.IsName(type) || table.Find(type) is null)
                {
                    System.Console.Error.WriteLine($"floe: {table.Lacks(type)}; AWS Batch will say whether it takes it");
                }
                else if (Planner.Judge(table, [type], new PlanRequest()).Types[0] is { Verdict: not Verdict.Fits } late)
                {
                    System.Console.Error.WriteLine($"floe: a full {type} takes {late.EverythingSeconds:0} s of {late.BudgetSeconds:0} to save; see 'floe plan {type}'");
                }
            }

            return [.. given.Distinct()];
        }

        var memory = parsed.GetValue(s_memory)!.Value;
        var filter = new TypeFilter { Architecture = parsed.GetValue(s_arch), Nvme = true };
        var plan = Planner.Rank(table, filter, new PlanRequest { TaskMemoryGiB = memory, TaskCpus = ForgeOption.Cpus(parsed.GetValue(s_cpus), 0) }, MostTypes);
        var fitting = plan.Types.Where(t => t.Verdict == Verdict.Fits).Select(t => t.Type).ToList();
        return fitting.Count > 0 ? fitting : throw new FloeException(1, $"no type with local NVMe can save a task of {memory:0.#} GiB in time; see 'floe plan --memory {memory:0.#}GiB --nvme'");
    }

    private static async Task<(IReadOnlyList<string> Subnets, IReadOnlyList<string> Groups)> NetworkAsync(ParseResult parsed, AwsClient client, CancellationToken cancellationToken)
    {
        var (subnets, groups) = (parsed.GetValue(s_subnets)!, parsed.GetValue(s_groups)!);
        if (subnets.Length > 0 && groups.Length > 0)
        {
            return (subnets, groups);
        }

        var ec2 = new Ec2Api(client);
        var found = subnets.Length > 0 ? await ec2.DescribeSubnetsAsync(subnets, cancellationToken).ConfigureAwait(false) : await ec2.DefaultSubnetsAsync(cancellationToken).ConfigureAwait(false);
        if (found.Count == 0 || found.Count < subnets.Length)
        {
            throw ForgeOption.Usage(subnets.Length > 0 ? $"not all of the subnets {string.Join(", ", subnets)} are in this region" : "this account has no default network here; give --subnet and --security-group");
        }

        var group = groups.Length > 0 ? groups : await ec2.DefaultSecurityGroupAsync(found[0].VpcId, cancellationToken).ConfigureAwait(false) is { } own ? [own] : throw ForgeOption.Usage("the network has no default security group; give --security-group");
        return ([.. found.Select(s => s.Id).Order(StringComparer.Ordinal)], group);
    }
}
