using System.Globalization;
using Floe.Aws.Api;
using Floe.Operations.Images;
using Floe.Operations.Planning;

namespace Floe.Operations.Doctor;

/// <summary>Judges the facts of an environment: every requirement of a guide to snapshots on AWS Batch, with the mend. No input or output of its own.</summary>
public static class Diagnosis
{
    private const int Shown = 6;

    // As 'floe check' wants it: time namespaces came with 5.6.
    private static readonly (int Major, int Minor) s_oldestKernel = (5, 6);

    public static IReadOnlyList<Finding> Of(EnvironmentFacts facts)
    {
        var findings = new List<Finding>();
        if (facts.Queue is { } queue)
        {
            findings.Add(queue is { State: "ENABLED", Status: "VALID" }
                ? Pass("queue", $"{queue.Name} takes jobs")
                : new Finding(FindingStatus.Fail, "queue", $"{queue.Name} is {queue.State}, {queue.Status} {queue.StatusReason}".TrimEnd(), "enable the queue; its reason says what is wrong"));
            if (facts.Environments.Count == 0)
            {
                findings.Add(new Finding(FindingStatus.Fail, "queue", $"{queue.Name} has no compute environment", "give it one, or make both: floe forge"));
            }
        }

        foreach (var compute in facts.Environments)
        {
            findings.AddRange(OfCompute(compute, facts));
        }

        findings.Add(Bucket(facts));
        if (facts.Jobs is { } jobs)
        {
            findings.AddRange(Jobs(jobs));
        }

        findings.AddRange(facts.Blind);
        return findings;
    }

    private static IEnumerable<Finding> OfCompute(ComputeFacts compute, EnvironmentFacts facts)
    {
        var e = compute.Environment;
        yield return e is { State: "ENABLED", Status: "VALID" }
            ? Pass("environment", $"{e.Name} is enabled and valid")
            : new Finding(FindingStatus.Fail, "environment", $"{e.Name} is {e.State}, {e.Status} {e.StatusReason}".TrimEnd(), "its reason says what is wrong; aws batch describe-compute-environments");
        if (e.IsEks || e.Type != "MANAGED")
        {
            yield return new Finding(FindingStatus.Fail, "provider", $"{e.Name} is {(e.IsEks ? "on EKS" : "unmanaged")}: nothing here knows its machines", "use a managed environment of EC2 machines: floe forge");
            yield break;
        }

        if (e.Kind.StartsWith("FARGATE", StringComparison.Ordinal))
        {
            yield return new Finding(FindingStatus.Fail, "provider", $"{e.Name} is {e.Kind}, where containers have no rights to be frozen", "use a managed environment of EC2 Spot machines: floe forge");
            yield break;
        }

        yield return Pass("provider", $"{e.Name} is a managed environment of EC2 machines");
        yield return e.Kind == "SPOT"
            ? Pass("spot", $"{e.Name} runs on Spot machines")
            : new Finding(FindingStatus.Warn, "spot", $"{e.Name} runs on {e.Kind} machines: they are not reclaimed, so snapshots save nothing there", "for a head queue that is right; for work use SPOT");
        if (e.Kind == "SPOT")
        {
            yield return Strategy(e);
        }

        yield return Image(compute);
        foreach (var finding in Types(compute, facts))
        {
            yield return finding;
        }

        foreach (var finding in Template(compute))
        {
            yield return finding;
        }

        foreach (var finding in Role(compute, facts))
        {
            yield return finding;
        }
    }

    private static Finding Strategy(BatchEnvironment e) => e.Strategy switch
    {
        "SPOT_PRICE_CAPACITY_OPTIMIZED" => Pass("allocation", $"{e.Name} allocates by price and capacity"),
        "SPOT_CAPACITY_OPTIMIZED" => Pass("allocation", $"{e.Name} allocates by capacity"),
        _ => new Finding(FindingStatus.Warn, "allocation", $"{e.Name} allocates by {(e.Strategy.Length > 0 ? e.Strategy : "BEST_FIT")}, without regard to how soon machines are reclaimed", "allocationStrategy SPOT_PRICE_CAPACITY_OPTIMIZED"),
    };

    private static Finding Image(ComputeFacts compute)
    {
        var e = compute.Environment;
        foreach (var image in compute.Images)
        {
            if (RecommendedImage.KernelOf(image.Name) is { } kernel && image.Name.StartsWith("al2023", StringComparison.Ordinal))
            {
                return IsNewEnough(kernel)
                    ? Pass("image", $"{e.Name} uses {image.Id}, {image.Name}")
                    : new Finding(FindingStatus.Fail, "image", $"{e.Name} uses {image.Name}, whose kernel is older than 5.6", "the image that 'floe ami' prints");
            }

            return image.Name.Contains("amzn2-", StringComparison.Ordinal)
                ? RecommendedImage.KernelOf(image.Name) is { } line && IsNewEnough(line)
                ? new Finding(FindingStatus.Warn, "image", $"{e.Name} uses {image.Name}: Amazon Linux 2, whose kernel will do, but all else is tried with Amazon Linux 2023", "the image that 'floe ami' prints")
                : new Finding(FindingStatus.Fail, "image", $"{e.Name} uses {image.Name}: Amazon Linux 2, whose kernel is too old", "the image that 'floe ami' prints, or imageType ECS_AL2023 without an image of its own")
                : new Finding(FindingStatus.Warn, "image", $"{e.Name} uses {image.Id} ({(image.Name.Length > 0 ? image.Name : "without a name")}), which is no Amazon Linux 2023 by its name", "it needs a kernel of 5.6 or newer; 'floe check' on a machine says whether it will do");
        }

        if (e.Images.Select(i => i.Override).Append(e.ImageId).Append(compute.Template?.ImageId).OfType<string>().FirstOrDefault() is { } named)
        {
            return new Finding(FindingStatus.Fail, "image", $"{e.Name} names the image {named}, which does not exist or may not be seen", "the image that 'floe ami' prints");
        }

        return e.Images.Select(i => i.Type).FirstOrDefault() switch
        {
            { } type when type.StartsWith("ECS_AL2023", StringComparison.Ordinal) => Pass("image", $"{e.Name} uses Amazon Linux 2023 for ECS as AWS Batch keeps it"),
            { } type => new Finding(FindingStatus.Fail, "image", $"{e.Name} uses image type {type}, not Amazon Linux 2023: its kernel is too old or not known", "ec2Configuration imageType ECS_AL2023"),
            null => new Finding(FindingStatus.Warn, "image", $"{e.Name} names no image type: environments from before 2026 get Amazon Linux 2, whose kernel is too old", "ec2Configuration imageType ECS_AL2023"),
        };
    }

    private static IEnumerable<Finding> Types(ComputeFacts compute, EnvironmentFacts facts)
    {
        var e = compute.Environment;
        foreach (var unknown in compute.UnknownTypes)
        {
            yield return new Finding(FindingStatus.Warn, "instance-types", $"{e.Name} lists '{unknown}', which {facts.TypesFrom} does not know", "remove it, or ask EC2 in that region");
        }

        var late = compute.Types.Where(t => t.Verdict == Verdict.DoesNotFit).OrderBy(t => t.SpareSeconds).ToList();
        if (late.Count > 0)
        {
            yield return new Finding(FindingStatus.Fail, "instance-types", $"{e.Name}: a full machine cannot be saved in time on {Names(late)}", late.Min(t => t.MemoryThatFitsGiB) is >= 1 and var most
                ? string.Create(CultureInfo.InvariantCulture, $"leave them out, or limit tasks so that no machine has more than {Math.Floor(most):0} GB in use; floe plan --memory SIZE ranks those that fit")
                : "leave them out; floe plan --memory SIZE ranks those that fit");
        }

        if (compute.Types.Count > 0 && late.Count == 0)
        {
            yield return Pass("instance-types", $"{e.Name}: a full machine can be saved in time on {(compute.Types.Count <= Shown ? Names(compute.Types) : $"all {compute.Types.Count} types")} ({facts.TypesFrom})");
        }

        var bare = compute.Types.Where(t => t.NvmeGB == 0).ToList();
        if (bare.Count > 0)
        {
            yield return new Finding(FindingStatus.Warn, "fast-storage", $"{e.Name}: no local NVMe on {Names(bare)}: the file system's cache lies on the root disk there", "types with a 'd' in their family (c6id, m6id, r6id); floe plan --nvme");
        }
        else if (compute.Types.Count > 0)
        {
            yield return Pass("fast-storage", $"{e.Name}: every type has local NVMe");
        }
    }

    private static IEnumerable<Finding> Template(ComputeFacts compute)
    {
        var e = compute.Environment;
        const string Fix = "the launch template that 'floe forge' makes; floe forge show prints it";
        if (e.LaunchTemplate is null)
        {
            yield return new Finding(FindingStatus.Fail, "launch-template", $"{e.Name} has none: nothing mounts the NVMe, and ECS does not drain on a reclaim", Fix);
            yield break;
        }

        if (compute.Template is not { } template)
        {
            yield return new Finding(FindingStatus.Fail, "launch-template", $"{e.Name} names {e.LaunchTemplate}, which could not be read", Fix);
            yield break;
        }

        (string Check, bool There, FindingStatus Otherwise, string What)[] wanted =
        [
            ("nvme-mount", template.UserData.Contains("nvme", StringComparison.OrdinalIgnoreCase) && template.UserData.Contains("mkfs", StringComparison.Ordinal), FindingStatus.Fail, "finds and mounts the local NVMe"),
            ("spot-draining", Setting(template.UserData, "ECS_ENABLE_SPOT_INSTANCE_DRAINING", "true"), FindingStatus.Warn, "has ECS drain the machine on a reclaim (ECS_ENABLE_SPOT_INSTANCE_DRAINING)"),
            ("dirty-pages", template.UserData.Contains("vm.dirty_bytes", StringComparison.Ordinal), FindingStatus.Warn, "bounds unwritten pages (vm.dirty_bytes), so that memory does not fill with them before a reclaim"),
        ];
        foreach (var (check, there, otherwise, what) in wanted)
        {
            yield return there ? Pass(check, $"{e.Name}: the launch template {what}") : new Finding(otherwise, check, $"{e.Name}: no line of the launch template {what}", Fix);
        }

        yield return template.HopLimit is >= 2
            ? Pass("metadata", $"{e.Name}: containers reach the metadata service (hop limit {template.HopLimit})")
            : new Finding(FindingStatus.Warn, "metadata", $"{e.Name}: the launch template {(template.HopLimit is null ? "does not set the hop limit" : "sets a hop limit of 1")}: containers without host networking may not hear of reclaims", "MetadataOptions.HttpPutResponseHopLimit 2");
    }

    private static IEnumerable<Finding> Role(ComputeFacts compute, EnvironmentFacts facts)
    {
        var e = compute.Environment;
        if (compute.Permissions is not { } may)
        {
            yield return new Finding(FindingStatus.Warn, "role", $"{e.Name}: what its machines may do could not be read ({e.InstanceRole ?? "no instance role"})", "iam:GetInstanceProfile, iam:ListRolePolicies, iam:GetRolePolicy, iam:ListAttachedRolePolicies, iam:GetPolicy, iam:GetPolicyVersion");
            yield break;
        }

        // What is missing may stand in a policy that could not be read.
        var missingIs = may.Unreadable > 0 ? FindingStatus.Warn : FindingStatus.Fail;
        string[] ecs = ["ecs:RegisterContainerInstance", "ecs:Poll", "ecs:SubmitContainerStateChange"];
        yield return ecs.All(may.AllowsSomewhere)
            ? Pass("role-ecs", $"{compute.Role} lets machines join ECS")
            : new Finding(missingIs, "role-ecs", $"{compute.Role} does not let machines join ECS ({string.Join(", ", ecs.Where(a => !may.AllowsSomewhere(a)))})", "attach AmazonEC2ContainerServiceforEC2Role");

        var arn = $"arn:{AwsOptions.Partition(facts.Region)}:s3:::{facts.Bucket}";
        var lacking = StoreRights.All.Where(r => facts.Bucket is null ? !may.AllowsSomewhere(r.Action) : !may.Allows(r.Action, arn + (r.IsOfBucket ? "" : "/any"))).ToLookup(r => r.Use, r => r.Action);
        var missing = lacking[RightUse.Store].ToList();
        var jobRoles = facts.Jobs?.Select(j => j.JobRole).OfType<string>().Distinct().ToList() ?? [];
        if (missing.Count == 0)
        {
            yield return Pass("role-store", $"{compute.Role} may read and write {(facts.Bucket is { } bucket ? $"s3://{bucket}" : "some bucket (name it with --bucket)")}");
        }
        else
        {
            yield return jobRoles.Count > 0
                ? new Finding(FindingStatus.Warn, "role-store", $"{compute.Role} may not {string.Join(", ", missing)}; its jobs have a role of their own ({jobRoles[0]}), which must", "give the jobs' role these actions on the bucket")
                : new Finding(missingIs, "role-store", $"{compute.Role} may not {string.Join(", ", missing)}{(facts.Bucket is { } b ? $" on s3://{b}" : " anywhere")}", "allow them on the bucket and its objects");
        }

        // Jobs with a role of their own were told above: what else this one lacks says nothing of theirs.
        if (missing.Count == 0 || jobRoles.Count == 0)
        {
            if (lacking.Contains(RightUse.Mount))
            {
                yield return new Finding(FindingStatus.Warn, "role-mount", $"{compute.Role} may not {string.Join(", ", lacking[RightUse.Mount])}: uploads of a mounted bucket's files cannot be gone on with or cleared away", "allow them on the bucket and its objects; without a mount they are not needed");
            }

            if (lacking.Contains(RightUse.Tags))
            {
                yield return new Finding(FindingStatus.Warn, "role-tags", $"{compute.Role} may not {string.Join(", ", lacking[RightUse.Tags])}: objects that the file system writes with Nextflow's tags are refused, or lose them when they are renamed", "allow them on the bucket's objects, or set fusion.tags = false");
            }
        }

        if (may.Unreadable > 0)
        {
            yield return new Finding(FindingStatus.Warn, "role", $"{compute.Role}: {may.Unreadable} of its policies could not be read", "look at them in IAM");
        }
    }

    private static Finding Bucket(EnvironmentFacts facts) => facts switch
    {
        { Bucket: null } => new Finding(FindingStatus.Warn, "bucket", "no bucket was named, so its region and the right to use it are not checked", "--bucket NAME, of the work directory or store"),
        { BucketRegion: null } => new Finding(FindingStatus.Fail, "bucket", $"s3://{facts.Bucket} does not exist, or does not tell its region", "check the name"),
        _ when facts.BucketRegion == facts.Region => Pass("bucket", $"s3://{facts.Bucket} is in {facts.Region}, as the environment is"),
        _ => new Finding(FindingStatus.Fail, "bucket", $"s3://{facts.Bucket} is in {facts.BucketRegion}, the environment in {facts.Region}: snapshots would go a long way, slowly and for money", $"use a bucket in {facts.Region}, or an environment in {facts.BucketRegion}"),
    };

    private static IEnumerable<Finding> Jobs(IReadOnlyList<BatchJob> jobs)
    {
        if (jobs.Count == 0)
        {
            yield return new Finding(FindingStatus.Warn, "retry-rules", "the queue has run no job lately, so what its jobs ask for could not be looked at", "run one, or check the pipeline: nextflow config -flat | floe nextflow check -");
            yield break;
        }

        var once = jobs.Where(j => j.Attempts < 2).ToList();
        var wrong = jobs.Where(j => j is { Attempts: >= 2, HasRules: true, RetriesOnHost: false }).ToList();
        if (once.Count > 0)
        {
            yield return new Finding(FindingStatus.Fail, "retry-rules", $"{once.Count} of {jobs.Count} jobs have one attempt ({once[0].Name}): a reclaimed task is not started again", "aws.batch.maxSpotAttempts = 5 in nextflow.config, or retryStrategy attempts 5");
        }

        if (wrong.Count > 0)
        {
            yield return new Finding(FindingStatus.Fail, "retry-rules", $"{wrong.Count} of {jobs.Count} jobs have rules of which none retries onStatusReason 'Host EC2*' ({wrong[0].Name})", "evaluateOnExit: RETRY on status reason 'Host EC2*', then EXIT on '*'");
        }

        if (once.Count + wrong.Count == 0)
        {
            yield return Pass("retry-rules", $"all {jobs.Count} jobs looked at are tried again when their host is reclaimed");
        }

        if (jobs.Where(j => j.Privileged == false).ToList() is { Count: > 0 } unprivileged)
        {
            yield return new Finding(FindingStatus.Fail, "privileged", $"{unprivileged.Count} of {jobs.Count} jobs are not privileged ({unprivileged[0].Name}): they cannot be frozen", "Fusion makes its jobs privileged; for others set privileged in the job definition");
        }

        if (jobs.All(j => !j.MountedAt.Contains("/tmp")))
        {
            yield return new Finding(FindingStatus.Warn, "volumes", "no job mounts fast storage at /tmp", "aws.batch.volumes = '/scratch/fusion:/tmp'");
        }
    }

    private static bool Setting(string userData, string name, string value) =>
        userData.Split('\n').Any(line => line.Replace("\"", "", StringComparison.Ordinal).Replace("'", "", StringComparison.Ordinal).Contains($"{name}={value}", StringComparison.OrdinalIgnoreCase) && !line.TrimStart().StartsWith('#'));

    private static bool IsNewEnough(string version) =>
        version.Split('.') is [var a, var b] && int.TryParse(a, CultureInfo.InvariantCulture, out var x) && int.TryParse(b, CultureInfo.InvariantCulture, out var y) && (x, y).CompareTo(s_oldestKernel) >= 0;

    private static string Names(IReadOnlyList<Estimate> types) =>
        string.Join(", ", types.Take(Shown).Select(t => t.Type)) + (types.Count > Shown ? $" and {types.Count - Shown} more" : "");

    private static Finding Pass(string check, string detail) => new(FindingStatus.Pass, check, detail);
}
