using System.Runtime.InteropServices;
using Floe.Agent.Namespaces;

namespace Floe.Agent.Run;

/// <summary>
/// The signals that `floe run` gets, from its first moment on: the kernel drops what a pid 1 has no handler for. Until something of the task runs, one that
/// ends a program ends the run, and one that is for the program alone waits for it. Then all of them are the supervisor's, those too that came while the
/// task was about to run.
/// </summary>
internal sealed class RunSignals : IDisposable
{
    private readonly Func<Task<bool>> _leavesTerm;
    private readonly Lock _gate = new();
    private readonly List<PosixSignal> _waiting = [];
    private readonly CancellationTokenSource _ended = new();
    private readonly PosixSignalRegistration[] _registrations;
    private Action<PosixSignal>? _supervisor;
    private bool _isTaskNear;

    /// <param name="leavesTerm">Asked at a SIGTERM before the task runs: whether it waits for the supervisor instead of ending the run.</param>
    public RunSignals(Func<Task<bool>> leavesTerm)
    {
        _leavesTerm = leavesTerm;
        _registrations = [.. PassedSignals.Ending.Concat(PassedSignals.Other).Select(signal => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            Receive(signal);
        }))];
    }

    /// <summary>Cancelled when a signal has ended the run, which only happens before anything of the task runs.</summary>
    public CancellationToken Ended => _ended.Token;

    /// <summary>The signal that has ended the run; null: none has.</summary>
    public PosixSignal? EndedBy { get; private set; }

    /// <summary>Whether anything of the task may have run since <see cref="BeginLife"/>.</summary>
    public bool HasTaskRun { get; private set; }

    /// <summary>The task is to be started or restored here; nothing of it runs yet.</summary>
    public void BeginLife()
    {
        HasTaskRun = false;
        TaskIsNotThere();
    }

    /// <summary>In the next moment something of the task runs.</summary>
    /// <exception cref="OperationCanceledException">A signal has ended the run before.</exception>
    public void TaskBegins()
    {
        lock (_gate)
        {
            if (EndedBy is not null)
            {
                throw new OperationCanceledException(_ended.Token);
            }

            (_isTaskNear, HasTaskRun) = (true, true);
        }
    }

    /// <summary>What was about to run, or ran for a moment, is gone again: signals end the run as before.</summary>
    public void TaskIsNotThere()
    {
        PosixSignal[] waiting;
        lock (_gate)
        {
            (_isTaskNear, _supervisor) = (false, null);
            waiting = [.. _waiting];
        }

        foreach (var signal in waiting)
        {
            _ = ConsiderAsync(signal);
        }
    }

    /// <summary>From now on signals are for <paramref name="supervisor"/>, which must not block; it gets those first that have waited, in their order.</summary>
    public void HandTo(Action<PosixSignal> supervisor)
    {
        lock (_gate)
        {
            _supervisor = supervisor;
            _waiting.ForEach(supervisor);
            _waiting.Clear();
        }
    }

    /// <summary>The task is gone from here, and nothing is left that a signal could end: until the next <see cref="BeginLife"/> they mean nothing.</summary>
    public void Ignore() => HandTo(static _ => { });

    /// <summary>What the registrations call.</summary>
    internal void Receive(PosixSignal signal)
    {
        lock (_gate)
        {
            if (_supervisor is { } supervisor)
            {
                supervisor(signal);
                return;
            }

            _waiting.Add(signal);
        }

        _ = ConsiderAsync(signal);
    }

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }
    }

    private async Task ConsiderAsync(PosixSignal signal)
    {
        if (!PassedSignals.Ending.Contains(signal) || (signal == PosixSignal.SIGTERM && await _leavesTerm().ConfigureAwait(false)))
        {
            return;
        }

        lock (_gate)
        {
            if (_isTaskNear || _supervisor is not null || EndedBy is not null)
            {
                return;
            }

            EndedBy = signal;
        }

        await _ended.CancelAsync().ConfigureAwait(false);
    }
}
