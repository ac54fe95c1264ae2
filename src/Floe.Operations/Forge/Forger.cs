using Floe.Aws.Api;

namespace Floe.Operations.Forge;

/// <summary>
/// Makes AWS agree with a spec, one resource after the other, and takes it apart again. What is there is read anew each time, so a run
/// that broke off is gone on with by running it again. Not one step is taken when any resource of a name belongs to somebody else.
/// </summary>
public sealed class Forger
{
    private static readonly TimeSpan s_poll = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);

    // A role that was just made is known everywhere only after a while.
    private const int CreateAttempts = 8;

    private readonly ForgeSpec _spec;
    private readonly ForgeCloud _cloud;
    private readonly TimeProvider _time;
    private readonly Action<string> _progress;

    /// <param name="progress">Hears one line for each step.</param>
    public Forger(AwsClient client, ForgeSpec spec, TimeProvider time, Action<string> progress)
    {
        (_spec, _time, _progress) = (spec, time, progress);
        _cloud = new ForgeCloud(client, spec);
    }

    public async Task<ForgePlan> PlanAsync(CancellationToken cancellationToken) => ForgePlan.Make(_spec, await ReadAsync(cancellationToken).ConfigureAwait(false));

    public async Task<ForgePlan> PlanDeletionAsync(CancellationToken cancellationToken) =>
        ForgePlan.Unmake(_spec.Name, _spec.Region, await ReadAsync(cancellationToken).ConfigureAwait(false));

    /// <summary>What is there of the environment, in the order of making.</summary>
    public async Task<IReadOnlyList<ActualResource>> ShowAsync(CancellationToken cancellationToken) =>
        [.. (await ReadAsync(cancellationToken).ConfigureAwait(false)).Select(r => r.Actual).OfType<ActualResource>()];

    /// <exception cref="AwsException">A step failed, or a name belongs to somebody else; the message says what to do.</exception>
    public async Task ApplyAsync(ForgePlan plan, CancellationToken cancellationToken)
    {
        Refuse(plan);
        foreach (var step in plan.Steps.Where(s => s.Action is ForgeAction.Create or ForgeAction.Update))
        {
            await StepAsync(step, async () =>
            {
                if (step.Action == ForgeAction.Create)
                {
                    await CreateAsync(step.Resource, cancellationToken).ConfigureAwait(false);
                }
                else
                {
                    await _cloud.UpdateAsync(step, cancellationToken).ConfigureAwait(false);
                }

                await WaitAsync(step.Resource, cancellationToken).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
    }

    /// <exception cref="AwsException">As for <see cref="ApplyAsync"/>.</exception>
    public async Task DeleteAsync(ForgePlan plan, CancellationToken cancellationToken)
    {
        Refuse(plan);
        foreach (var step in plan.Steps.Where(s => s.Action == ForgeAction.Delete))
        {
            await StepAsync(step, async () =>
            {
                var isBatch = step.Resource.Kind is ForgeKind.ComputeEnvironment or ForgeKind.JobQueue;
                if (isBatch)
                {
                    if ((await _cloud.ReadAsync(step.Resource, cancellationToken).ConfigureAwait(false))?.Enabled == true)
                    {
                        await _cloud.DisableAsync(step.Resource, cancellationToken).ConfigureAwait(false);
                    }

                    await SettleAsync(step.Resource, static actual => actual is null or { Status: not ("UPDATING" or "CREATING") }, cancellationToken).ConfigureAwait(false);
                }

                await _cloud.DeleteAsync(step.Resource, cancellationToken).ConfigureAwait(false);
                if (isBatch)
                {
                    await SettleAsync(step.Resource, static actual => actual is null, cancellationToken).ConfigureAwait(false);
                }
            }).ConfigureAwait(false);
        }
    }

    private async Task<IReadOnlyList<(ForgeResource Wanted, ActualResource? Actual)>> ReadAsync(CancellationToken cancellationToken)
    {
        var read = new List<(ForgeResource, ActualResource?)>();
        foreach (var wanted in ForgeResources.Of(_spec))
        {
            read.Add((wanted, await _cloud.ReadAsync(wanted, cancellationToken).ConfigureAwait(false)));
        }

        return read;
    }

    private async Task CreateAsync(ForgeResource resource, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await _cloud.CreateAsync(resource, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (AwsException e) when (attempt < CreateAttempts && IsNotYetKnown(resource, e))
            {
                await Task.Delay(s_poll, _time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>What was made a moment ago and is not yet known where it is needed: a profile's role, an environment's profile.</summary>
    private static bool IsNotYetKnown(ForgeResource resource, AwsException e) => resource.Kind switch
    {
        ForgeKind.InstanceProfile => e.Kind == AwsErrorKind.NotFound,
        ForgeKind.ComputeEnvironment => e.Kind is AwsErrorKind.Invalid or AwsErrorKind.NotFound
            && (e.Message.Contains("instance profile", StringComparison.OrdinalIgnoreCase) || e.Message.Contains("instanceRole", StringComparison.Ordinal)),
        _ => false,
    };

    private async Task WaitAsync(ForgeResource resource, CancellationToken cancellationToken)
    {
        if (resource.Kind is ForgeKind.ComputeEnvironment or ForgeKind.JobQueue)
        {
            await SettleAsync(resource, static actual => actual is { Status: "VALID" }, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Asks until it is so; INVALID is an end too.</summary>
    private async Task SettleAsync(ForgeResource resource, Func<ActualResource?, bool> settled, CancellationToken cancellationToken)
    {
        var began = _time.GetTimestamp();
        while (true)
        {
            var actual = await _cloud.ReadAsync(resource, cancellationToken).ConfigureAwait(false);
            if (settled(actual))
            {
                return;
            }

            if (actual?.Status == "INVALID")
            {
                throw new AwsException(AwsErrorKind.Invalid, $"AWS Batch says it is INVALID: {actual.StatusReason}");
            }

            if (_time.GetElapsedTime(began) > s_patience)
            {
                throw new AwsException(AwsErrorKind.Unavailable, $"it is still {actual?.Status ?? "missing"} after {s_patience.TotalMinutes:0} minutes");
            }

            await Task.Delay(s_poll, _time, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task StepAsync(ForgeStep step, Func<Task> act)
    {
        var verb = step.Action switch { ForgeAction.Create => "create", ForgeAction.Update => "update", _ => "delete" };
        _progress($"{verb} {step.Title}");
        try
        {
            await act().ConfigureAwait(false);
        }
        catch (AwsException e)
        {
            throw new AwsException(e.Kind, $"could not {verb} {step.Title}: {e.Message}. What was done so far stays; run the same line again to go on", e.Code, e);
        }
    }

    private static void Refuse(ForgePlan plan)
    {
        if (plan.Refused is [var first, ..])
        {
            throw new AwsException(AwsErrorKind.Conflict, $"{first.Title} is there already and is not of this environment (its tag {ForgeSpec.OwnerTag} is not '{plan.Name}'); nothing was changed. Choose another --name, or remove it yourself");
        }
    }
}
