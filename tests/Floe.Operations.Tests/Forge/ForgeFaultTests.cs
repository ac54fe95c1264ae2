using System.Collections.Concurrent;
using Floe.Aws.Api;
using Floe.Operations.Forge;
using Floe.Operations.Tests.Aws;
using Xunit;

namespace Floe.Operations.Tests.Forge;

/// <summary>Making and removing environments while AWS refuses, throttles, garbles and loses answers. Behind the faults stands moto.</summary>
[Collection(nameof(Moto))]
public sealed class ForgeFaultTests(MotoFixture moto)
{
    private readonly List<string> _progress = [];

    [Fact]
    public async Task Life_EachActionThrottledAndGarbledOnce_GoesOn()
    {
        var seen = new ConcurrentDictionary<string, int>();
        await using var aws = await AwsDouble.StartAsync(moto.Endpoint, (asked, _) => seen.AddOrUpdate(asked.Action, 1, (_, n) => n + 1) switch
        {
            1 => new AwsSaid(asked.Service == "batch" ? 429 : 503, Throttled(asked)),
            2 => new AwsSaid(200, "<html>please log in</html"),
            _ => null,
        });
        using var client = aws.Client();
        var forger = await ForgerAsync(client, "slow");
        await forger.ApplyAsync(await forger.PlanAsync(default), default);
        Assert.All((await forger.PlanAsync(default)).Steps, step => Assert.Equal(ForgeAction.Keep, step.Action));

        await forger.DeleteAsync(await forger.PlanDeletionAsync(default), default);
        Assert.Empty(await forger.ShowAsync(default));
        Assert.Contains("deletecomputeenvironment", seen.Keys);
    }

    [Theory]
    [InlineData("CreateRole", "iam:CreateRole", "create role")]
    [InlineData("PutRolePolicy", "iam:PutRolePolicy", "create role")]
    [InlineData("AddRoleToInstanceProfile", "iam:AddRoleToInstanceProfile", "create instance profile")]
    [InlineData("CreateLaunchTemplate", "ec2:CreateLaunchTemplate", "create launch template")]
    [InlineData("createcomputeenvironment", "batch:CreateComputeEnvironment", "create compute environment")]
    [InlineData("createjobqueue", "batch:CreateJobQueue", "create job queue")]
    public async Task Apply_OneActionDenied_SaysWhichAndTheSameLineGoesOn(string action, string permission, string step)
    {
        var name = "denied-" + action.ToLowerInvariant();
        await using (var aws = await AwsDouble.StartAsync(moto.Endpoint, (asked, _) => asked.Action == action ? Denied(asked) : null))
        {
            using var refused = aws.Client();
            var forger = await ForgerAsync(refused, name);
            var e = await Assert.ThrowsAsync<AwsException>(async () => await forger.ApplyAsync(await forger.PlanAsync(default), default));
            Assert.Equal(AwsErrorKind.Denied, e.Kind);
            Assert.Contains(permission, e.Message, StringComparison.Ordinal);
            Assert.Contains($"could not {step}", e.Message, StringComparison.Ordinal);
            Assert.Contains("run the same line again", e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);
        }

        await FinishAsync(name);
    }

    [Theory]
    [InlineData("CreateRole")]
    [InlineData("CreateInstanceProfile")]
    [InlineData("CreateLaunchTemplate")]
    [InlineData("createcomputeenvironment")]
    [InlineData("createjobqueue")]
    public async Task Apply_AnswerLost_TheSameLineGoesOnWithWhatWasMade(string action)
    {
        var name = "lost-" + action.ToLowerInvariant();
        var lost = 0;
        await using (var aws = await AwsDouble.StartAsync(moto.Endpoint, (asked, _) => asked.Action == action && Interlocked.Exchange(ref lost, 1) == 0 ? new AwsSaid(200, "", IsLost: true) : null))
        {
            using var client = aws.Client();
            var forger = await ForgerAsync(client, name);
            try
            {
                await forger.ApplyAsync(await forger.PlanAsync(default), default);
            }
            catch (AwsException e)
            {
                // What it asked for a second time was there already.
                Assert.Contains("run the same line again", e.Message, StringComparison.Ordinal);
            }
        }

        await FinishAsync(name);
    }

    [Theory]
    [InlineData("GetRole")]
    [InlineData("DescribeLaunchTemplates")]
    [InlineData("describejobqueues")]
    public async Task Plan_WhatIsThereMayNotBeRead_ChangesNothing(string action)
    {
        await using var aws = await AwsDouble.StartAsync(moto.Endpoint, (asked, _) => asked.Action == action ? Denied(asked) : null);
        using var client = aws.Client();
        var forger = await ForgerAsync(client, "unread");
        Assert.Equal(AwsErrorKind.Denied, (await Assert.ThrowsAsync<AwsException>(() => forger.PlanAsync(default))).Kind);
        Assert.DoesNotContain(aws.Asked, a => a.Action.StartsWith("Create", StringComparison.OrdinalIgnoreCase) || a.Action.StartsWith("Put", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Delete_Denied_KeepsTheRestAndTheSameLineGoesOn()
    {
        using var client = moto.Client();
        var whole = await ForgerAsync(client, "sticky");
        await whole.ApplyAsync(await whole.PlanAsync(default), default);
        await using (var aws = await AwsDouble.StartAsync(moto.Endpoint, (asked, _) => asked.Action == "deletecomputeenvironment" ? Denied(asked) : null))
        {
            using var refused = aws.Client();
            var forger = await ForgerAsync(refused, "sticky");
            var e = await Assert.ThrowsAsync<AwsException>(async () => await forger.DeleteAsync(await forger.PlanDeletionAsync(default), default));
            Assert.Contains("batch:DeleteComputeEnvironment", e.Message, StringComparison.Ordinal);
        }

        var left = await whole.ShowAsync(default);
        Assert.Equal(7, left.Count);
        Assert.DoesNotContain(left, r => r.Resource.Kind == ForgeKind.JobQueue);
        await whole.DeleteAsync(await whole.PlanDeletionAsync(default), default);
        Assert.Empty(await whole.ShowAsync(default));
    }

    [Fact]
    public async Task Delete_NeverAsksAboutOthers_AndLeavesThemAsTheyWere()
    {
        using var client = moto.Client();
        var (mine, theirs) = (await ForgerAsync(client, "mine"), await ForgerAsync(client, "theirs"));
        await theirs.ApplyAsync(await theirs.PlanAsync(default), default);
        await mine.ApplyAsync(await mine.PlanAsync(default), default);

        await using (var aws = await AwsDouble.StartAsync(moto.Endpoint, static (_, _) => null))
        {
            using var watched = aws.Client();
            var forger = await ForgerAsync(watched, "mine");
            await forger.DeleteAsync(await forger.PlanDeletionAsync(default), default);
            Assert.DoesNotContain(aws.Asked, a => a.Body.Contains("theirs", StringComparison.Ordinal));
        }

        Assert.All((await theirs.PlanAsync(default)).Steps, step => Assert.Equal(ForgeAction.Keep, step.Action));
        await theirs.DeleteAsync(await theirs.PlanDeletionAsync(default), default);
    }

    private static AwsSaid Denied(AwsAsked asked) => new(403, asked.Service switch
    {
        "ec2" => "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized</Message></Error></Errors></Response>",
        "iam" => "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>",
        _ => """{"__type":"AccessDeniedException","message":"not authorized"}""",
    });

    private static string Throttled(AwsAsked asked) => asked.Service switch
    {
        "ec2" => "<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>",
        "iam" => "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>",
        _ => """{"message":"Too Many Requests"}""",
    };

    /// <summary>Without faults the same spec is finished, found as it should be, and removed.</summary>
    private async Task FinishAsync(string name)
    {
        using var client = moto.Client();
        var forger = await ForgerAsync(client, name);
        await forger.ApplyAsync(await forger.PlanAsync(default), default);
        Assert.All((await forger.PlanAsync(default)).Steps, step => Assert.Equal(ForgeAction.Keep, step.Action));
        await forger.DeleteAsync(await forger.PlanDeletionAsync(default), default);
        Assert.Empty(await forger.ShowAsync(default));
    }

    private async Task<Forger> ForgerAsync(AwsClient client, string name)
    {
        using var direct = moto.Client();
        return new Forger(client, await moto.SpecAsync(direct, name), TimeProvider.System, _progress.Add);
    }
}
