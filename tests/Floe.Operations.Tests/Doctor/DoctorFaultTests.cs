using Floe.Aws.Api;
using Floe.Operations.Doctor;
using Floe.Operations.Planning;
using Floe.Operations.Tests.Aws;
using Xunit;

namespace Floe.Operations.Tests.Doctor;

/// <summary>What the doctor does with answers that moto never gives: refused, throttled, in pages, garbled.</summary>
public sealed class DoctorFaultTests
{
    private const string Queue = """{"jobQueues":[{"jobQueueName":"q","state":"ENABLED","status":"VALID","computeEnvironmentOrder":[{"order":1,"computeEnvironment":"e"}]}]}""";

    private const string Compute =
        """{"computeEnvironments":[{"computeEnvironmentName":"e","type":"MANAGED","state":"ENABLED","status":"VALID","computeResources":{"type":"SPOT","allocationStrategy":"SPOT_PRICE_CAPACITY_OPTIMIZED","instanceTypes":["c6id.8xlarge"],"instanceRole":"arn:aws:iam::1:instance-profile/p","launchTemplate":{"launchTemplateName":"t","version":"$Latest"},"ec2Configuration":[{"imageType":"ECS_AL2023"}]}}]}""";

    private static readonly Dictionary<string, AwsSaid> s_sound = new()
    {
        ["describejobqueues"] = new(200, Queue),
        ["describecomputeenvironments"] = new(200, Compute),
        ["listjobs"] = new(200, """{"jobSummaryList":[{"jobId":"j","createdAt":1}]}"""),
        ["describejobs"] = new(200, """{"jobs":[{"jobId":"j","jobName":"n","status":"SUCCEEDED","retryStrategy":{"attempts":5,"evaluateOnExit":[{"action":"RETRY","onStatusReason":"Host EC2*"}]},"container":{"privileged":true,"mountPoints":[{"containerPath":"/tmp"}]}}]}"""),
        ["DescribeInstanceTypes"] = new(200, "<R><instanceTypeSet/></R>"),
        ["DescribeLaunchTemplateVersions"] = new(200, "<R><launchTemplateVersionSet><item><versionNumber>3</versionNumber><launchTemplateData><metadataOptions><httpPutResponseHopLimit>2</httpPutResponseHopLimit></metadataOptions></launchTemplateData></item></launchTemplateVersionSet></R>"),
        ["GetInstanceProfile"] = new(200, "<R><GetInstanceProfileResult><InstanceProfile><Arn>a</Arn><Roles><member><RoleName>r</RoleName></member></Roles></InstanceProfile></GetInstanceProfileResult></R>"),
        ["ListRolePolicies"] = new(200, "<R><ListRolePoliciesResult><PolicyNames><member>one</member></PolicyNames></ListRolePoliciesResult></R>"),
        ["ListAttachedRolePolicies"] = new(200, "<R><ListAttachedRolePoliciesResult><AttachedPolicies/></ListAttachedRolePoliciesResult></R>"),
        ["GetRolePolicy"] = new(200, """<R><GetRolePolicyResult><PolicyDocument>{"Statement":{"Effect":"Allow","Action":["s3:*","ecs:*"],"Resource":"*"}}</PolicyDocument></GetRolePolicyResult></R>"""),
    };

    [Fact]
    public async Task ReadAsync_SoundAnswers_LeaveNothingBlind()
    {
        var findings = await DiagnoseAsync([]);
        Assert.Equal(FindingStatus.Pass, findings.Single(f => f.Check == "retry-rules").Status);
        Assert.Equal(FindingStatus.Pass, findings.Single(f => f.Check == "role-store").Status);
        Assert.DoesNotContain(findings, f => f.Detail.Contains("could not be looked at", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("DescribeLaunchTemplateVersions", "launch-template", "ec2:DescribeLaunchTemplateVersions")]
    [InlineData("GetInstanceProfile", "role", "iam:GetInstanceProfile")]
    [InlineData("GetRolePolicy", "role", "iam:GetRolePolicy")]
    [InlineData("listjobs", "retry-rules", "batch:ListJobs")]
    public async Task ReadAsync_OneThingDenied_IsAFindingAndTheRestIsLookedAt(string action, string check, string permission)
    {
        var findings = await DiagnoseAsync(new() { [action] = new(403, """{"__type":"AccessDenied"}""") });
        Assert.Contains(findings, f => f.Check == check && f.Status == FindingStatus.Warn && f.Detail.Contains(permission, StringComparison.Ordinal) && f.Fix is not null);
        Assert.Contains(findings, f => f is { Check: "spot", Status: FindingStatus.Pass });
        Assert.Contains(findings, f => f is { Check: "instance-types", Status: FindingStatus.Pass } or { Check: "instance-types", Status: FindingStatus.Warn });
    }

    [Theory]
    [InlineData("DescribeLaunchTemplateVersions", "<html", "launch-template")]
    [InlineData("ListRolePolicies", "", "role")]
    [InlineData("describejobs", "[1]", "retry-rules")]
    public async Task ReadAsync_OneAnswerGarbled_IsAFinding(string action, string body, string check)
    {
        var findings = await DiagnoseAsync(new() { [action] = new(200, body) });
        Assert.Contains(findings, f => f.Check == check && f.Status == FindingStatus.Warn && f.Detail.Contains("something that is no answer", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("GetRolePolicy", "<R><GetRolePolicyResult><PolicyDocument>%7Bnonsense</PolicyDocument></GetRolePolicyResult></R>", "role")]
    [InlineData("describejobs", """{"jobs":[{"retryStrategy":{"attempts":"many"},"container":[]},7]}""", "retry-rules")]
    [InlineData("describecomputeenvironments", """{"computeEnvironments":[{"computeEnvironmentName":"e","type":"MANAGED","computeResources":{"type":7,"instanceTypes":"c6id","launchTemplate":[]}}]}""", "environment")]
    [InlineData("describecomputeenvironments", """{"computeEnvironments":"none"}""", "queue")]
    public async Task ReadAsync_MembersOfOtherTypes_AreFindingsNotErrors(string action, string body, string check)
    {
        var findings = await DiagnoseAsync(new() { [action] = new(200, body) });
        Assert.Contains(findings, f => f.Check == check && f.Status != FindingStatus.Pass);
    }

    [Fact]
    public async Task ReadAsync_BatchDenied_SaysWhichPermissionIsMissing()
    {
        var e = await Assert.ThrowsAsync<AwsException>(() => DiagnoseAsync(new() { ["describejobqueues"] = new(403, """{"message":"no"}""") }));
        Assert.Equal(AwsErrorKind.Denied, e.Kind);
        Assert.Contains("batch:DescribeJobQueues", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadAsync_EveryActionThrottledOnce_LeavesNothingBlind()
    {
        var seen = new System.Collections.Concurrent.ConcurrentDictionary<string, bool>();
        var findings = await DiagnoseAsync([], asked => seen.TryAdd(asked.Action, true) ? new AwsSaid(429, "") : null);
        Assert.True(seen.Count >= 9);
        Assert.DoesNotContain(findings, f => f.Detail.Contains("could not be looked at", StringComparison.Ordinal));
    }

    [Fact]
    public async Task ReadAsync_PoliciesInPages_AreAllRead()
    {
        const string First = "<R><ListRolePoliciesResult><PolicyNames><member>one</member></PolicyNames><IsTruncated>true</IsTruncated><Marker>m1</Marker></ListRolePoliciesResult></R>";
        const string Second = "<R><ListRolePoliciesResult><PolicyNames><member>two</member></PolicyNames><IsTruncated>false</IsTruncated></ListRolePoliciesResult></R>";
        var findings = await DiagnoseAsync([], asked => asked.Action switch
        {
            "ListRolePolicies" => new AwsSaid(200, asked.Body.Contains("Marker=m1", StringComparison.Ordinal) ? Second : First),
            "GetRolePolicy" => new AwsSaid(200, s_sound["GetRolePolicy"].Body.Replace("""["s3:*","ecs:*"]""", asked.Body.Contains("PolicyName=two", StringComparison.Ordinal) ? "\"s3:*\"" : "\"ecs:*\"", StringComparison.Ordinal)),
            _ => null,
        });
        Assert.Equal(FindingStatus.Pass, findings.Single(f => f.Check == "role-store").Status);
        Assert.Equal(FindingStatus.Pass, findings.Single(f => f.Check == "role-ecs").Status);
    }

    [Fact]
    public async Task ReadAsync_EnvironmentsInPages_AreAllRead()
    {
        var findings = await DiagnoseAsync([], asked => asked.Action != "describecomputeenvironments" ? null
            : asked.Body.Contains("nextToken", StringComparison.Ordinal) ? new AwsSaid(200, Compute.Replace("\"e\"", "\"second\"", StringComparison.Ordinal))
            : new AwsSaid(200, Compute.Replace("]}}]}", "]}}],\"nextToken\":\"more\"}", StringComparison.Ordinal)));
        Assert.Equal(["e", "second"], findings.Where(f => f.Check == "environment").Select(f => f.Detail.Split(' ')[0]));
    }

    /// <param name="changed">Answers in place of the sound ones.</param>
    private static async Task<IReadOnlyList<Finding>> DiagnoseAsync(Dictionary<string, AwsSaid> changed, Func<AwsAsked, AwsSaid?>? first = null)
    {
        await using var aws = await AwsDouble.StartAsync((asked, _) =>
            first?.Invoke(asked) ?? (changed.GetValueOrDefault(asked.Action) is { } other ? other : s_sound.GetValueOrDefault(asked.Action) ?? new AwsSaid(500, $"not asked for: {asked.Action}")));
        using var client = aws.Client();
        return Diagnosis.Of(await new EnvironmentReader(client, static _ => { }, new PlanRequest()).ReadAsync("q", null, default));
    }
}
