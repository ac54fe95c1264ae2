using Floe.Agent.Notices;
using Floe.Agent.Trace;
using Floe.Aws;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Run;

/// <summary>
/// The notice sources that a run's options name. They outlast a life of the task: what was told in one is not told again in the next, which only begins on a
/// machine that has outlived it.
/// </summary>
internal sealed class NoticeWatch : IDisposable
{
    private readonly List<INoticeSource> _sources = [];
    private readonly IDisposable? _service;
    private readonly ImdsClient? _imds;

    public NoticeWatch(RunOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        if (options.NoticeFile is { } file)
        {
            _sources.Add(new FileNoticeSource(file, options.NoticePoll, time, loggers.CreateLogger<FileNoticeSource>()));
        }

        switch (options.Notices)
        {
            case CloudPlatform.Gce:
                var gce = GceNoticeSource.Service(Environment.GetEnvironmentVariable);
                _sources.Add(new GceNoticeSource(gce, options.NoticePoll, time, loggers.CreateLogger<GceNoticeSource>()));
                _service = gce;
                break;
            case CloudPlatform.Azure:
                var azure = AzureNoticeSource.Service(Environment.GetEnvironmentVariable);
                _sources.Add(new AzureNoticeSource(azure, options.NoticePoll, time, loggers.CreateLogger<AzureNoticeSource>()));
                _service = azure;
                break;
            case CloudPlatform.Ec2:
                _imds = new ImdsClient(ImdsOptions.FromEnvironment(Environment.GetEnvironmentVariable), time);
                var imds = new ImdsNoticeOptions { PollInterval = options.NoticePoll, WatchesOnDemand = options.WatchesOnDemand };
                _sources.Add(new ImdsNoticeSource(_imds, imds, time, loggers.CreateLogger<ImdsNoticeSource>()));
                _service = _imds;
                break;
        }
    }

    /// <param name="watch">Gets each source, to watch it until the life ends or this is disposed.</param>
    public void Start(Action<INoticeSource> watch) => _sources.ForEach(watch);

    /// <summary>Tells the trace what machine this is, where it can be known.</summary>
    public async Task NameMachineAsync(TaskTrace trace, CancellationToken cancellationToken)
    {
        if (_imds is null)
        {
            return;
        }

        try
        {
            var machine = await _imds.DescribeInstanceAsync(cancellationToken).ConfigureAwait(false);
            trace.Update(a => a.OnMachine(machine));
        }
        catch (Exception e) when (e is ImdsException or OperationCanceledException or ObjectDisposedException)
        {
            // No EC2 instance: the host's name has to do.
        }
    }

    public void Dispose() => _service?.Dispose();
}
