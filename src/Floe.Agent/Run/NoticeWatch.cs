using Floe.Agent.Notices;
using Floe.Agent.Trace;
using Floe.Aws;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Run;

/// <summary>Has the notices watched for that a run's options name.</summary>
internal static class NoticeWatch
{
    /// <summary>What is returned must live as long as the sources are watched.</summary>
    /// <param name="watch">Gets each source.</param>
    /// <param name="trace">Learns what machine this is; null: nobody does.</param>
    public static IDisposable? Start(
        RunOptions options, Action<INoticeSource> watch, TaskTrace? trace, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (options.NoticeFile is { } file)
        {
            watch(new FileNoticeSource(file, options.NoticePoll, time, loggers.CreateLogger<FileNoticeSource>()));
        }

        switch (options.Notices)
        {
            case CloudPlatform.Gce:
                var gce = GceNoticeSource.Service(Environment.GetEnvironmentVariable);
                watch(new GceNoticeSource(gce, options.NoticePoll, time, loggers.CreateLogger<GceNoticeSource>()));
                return gce;
            case CloudPlatform.Azure:
                var azure = AzureNoticeSource.Service(Environment.GetEnvironmentVariable);
                watch(new AzureNoticeSource(azure, options.NoticePoll, time, loggers.CreateLogger<AzureNoticeSource>()));
                return azure;
            case CloudPlatform.Ec2:
                var client = new ImdsClient(ImdsOptions.FromEnvironment(Environment.GetEnvironmentVariable), time);
                if (trace is not null)
                {
                    _ = NameMachineAsync(client, trace, cancellationToken);
                }

                var imds = new ImdsNoticeOptions { PollInterval = options.NoticePoll, WatchesOnDemand = options.WatchesOnDemand };
                watch(new ImdsNoticeSource(client, imds, time, loggers.CreateLogger<ImdsNoticeSource>()));
                return client;
            default:
                return null;
        }
    }

    private static async Task NameMachineAsync(ImdsClient client, TaskTrace trace, CancellationToken cancellationToken)
    {
        try
        {
            var machine = await client.DescribeInstanceAsync(cancellationToken).ConfigureAwait(false);
            trace.Update(a => a.OnMachine(machine));
        }
        catch (Exception e) when (e is ImdsException or OperationCanceledException or ObjectDisposedException)
        {
            // No EC2 instance: the host's name has to do.
        }
    }
}
