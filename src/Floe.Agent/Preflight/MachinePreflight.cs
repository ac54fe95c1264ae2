using Floe.Agent.Cpu;
using Floe.Aws;

namespace Floe.Agent.Preflight;

/// <summary>Whether this machine can freeze and thaw tasks: the logic of <c>floe check</c>. Changes nothing on the machine.</summary>
public static class MachinePreflight
{
    /// <summary>All results in a fixed order: kernel, capabilities, devices, space, CPU, metadata service, then the external checks.</summary>
    public static async Task<IReadOnlyList<CheckResult>> RunAsync(PreflightOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var results = new List<CheckResult>();
        results.AddRange(KernelChecks.Run(options));
        results.AddRange(PrivilegeChecks.Run(options));
        results.Add(Fuse(options));
        results.Add(FreeSpace(options));
        results.Add(Cpu(options));
        if (options.Imds is { } imds)
        {
            results.Add(await ImdsAsync(imds, cancellationToken).ConfigureAwait(false));
        }

        foreach (var (name, check) in options.ExternalChecks)
        {
            results.Add(await ExternalAsync(name, check, cancellationToken).ConfigureAwait(false));
        }

        return results;
    }

    private static CheckResult Fuse(PreflightOptions options) =>
        File.Exists(Path.Combine(options.DevRoot, "fuse"))
            ? CheckResult.Pass("fuse", "/dev/fuse is there")
            : CheckResult.Warn("fuse", "/dev/fuse is missing: no bucket can be mounted under /fusion",
                "load the fuse module on the host and pass the device in (docker run --device /dev/fuse, or privileged); not needed without mounts.");

    private static CheckResult FreeSpace(PreflightOptions options)
    {
        const string Name = "free space";
        var directory = Path.GetFullPath(options.StateDirectory);
        while (!Directory.Exists(directory) && Path.GetDirectoryName(directory) is { Length: > 0 } parent)
        {
            directory = parent;
        }

        try
        {
            var free = new DriveInfo(directory).AvailableFreeSpace;
            var detail = $"{ByteText(free)} free for {options.StateDirectory}";
            return free >= options.MinFreeBytes
                ? CheckResult.Pass(Name, detail)
                : CheckResult.Warn(Name, detail, $"make room for at least {ByteText(options.MinFreeBytes)}, or name another directory in FLOE_STATE_DIR.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return CheckResult.Fail(Name, $"{options.StateDirectory} cannot be looked at: {e.Message}", "name another directory in FLOE_STATE_DIR.");
        }
    }

    private static CheckResult Cpu(PreflightOptions options)
    {
        const string Name = "cpu";
        var here = options.Cpu ?? CpuFeatures.Read();
        var level = new[] { CpuBaseline.X86V4, CpuBaseline.X86V3, CpuBaseline.X86V2 }.FirstOrDefault(baseline => baseline.WhyNotOn(here) is null);
        var detail = $"{here.Model}, {here.Architecture}{(level is null ? "" : $", {level}")}";
        return options.Baseline?.WhyNotOn(here) is { } why
            ? CheckResult.Fail(Name, detail, why)
            : CheckResult.Pass(Name, options.Baseline is { } baseline ? $"{detail}; tasks start at {baseline}" : detail);
    }

    private static async Task<CheckResult> ImdsAsync(ImdsClient imds, CancellationToken cancellationToken)
    {
        const string Name = "spot notices";
        try
        {
            var lifeCycle = await imds.GetInstanceLifeCycleAsync(cancellationToken).ConfigureAwait(false);
            var type = await imds.GetInstanceTypeAsync(cancellationToken).ConfigureAwait(false);
            return CheckResult.Pass(Name, $"metadata service answers: {type ?? "unknown type"}, {lifeCycle ?? "unknown life cycle"}");
        }
        catch (ImdsException e) when (e.Kind is ImdsErrorKind.Unreachable or ImdsErrorKind.Disabled)
        {
            // Not on EC2 is no fault: other notices (a signal, floe snapshot) work without it.
            return CheckResult.Pass(Name, $"none here: {e.Message}");
        }
        catch (ImdsException e)
        {
            return CheckResult.Warn(Name, "no Spot notice would reach Floe here", e.Message);
        }
    }

    private static async Task<CheckResult> ExternalAsync(string name, ExternalCheck check, CancellationToken cancellationToken)
    {
        try
        {
            return await check(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return CheckResult.Fail(name, "could not be checked", e.Message);
        }
    }

    private static string ByteText(long bytes) => bytes >= 1L << 30 ? $"{bytes / (double)(1L << 30):0.#} GiB" : $"{bytes >> 20} MiB";
}
