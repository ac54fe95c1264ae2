using System.Text;
using Floe.Agent.Files;
using Floe.Linux;
using Floe.Testing;
using Floe.Tests.Files.Doubles;

namespace Floe.Tests.Files;

/// <summary>
/// Machines that have the same image at the same path, one after the other: <see cref="Start"/> takes the present tree away and
/// lays the image out anew, as a fresh machine would have it.
/// </summary>
internal sealed class FileMachine : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly Action<string> _image;
    private int _machines;

    public FileMachine(Action<string> image)
    {
        _image = image;
        Directory.CreateDirectory(At("state"));
    }

    /// <summary>The root of the scope.</summary>
    public string Root => At("live");

    public FileScope Scope => FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Included, Include = [Root] });

    public FileBaseline Baseline { get; private set; } = null!;

    public string At(string name) => Path.Combine(_scratch.Path, name);

    public string In(string name) => Path.Combine(Root, name);

    public async Task StartAsync()
    {
        if (Directory.Exists(Root))
        {
            Directory.Move(Root, At($"gone-{_machines}"));
        }

        Directory.CreateDirectory(Root);
        _image(Root);

        // Past the tick of the coarse clock: images are older than the machines that start from them.
        await Task.Delay(TimeSpan.FromMilliseconds(12));
        Baseline = await FileBaseline.TakeAsync(Scope, At($"state/baseline-{_machines++}"), CancellationToken.None);
    }

    public async Task<MemorySnapshot> CaptureAsync()
    {
        var snapshot = new MemorySnapshot();
        LastCapture = await FileCapture.RunAsync(Scope, Baseline, snapshot, CancellationToken.None);
        return snapshot;
    }

    public FileCaptureResult LastCapture { get; private set; } = null!;

    public Task<PutBackResult> PutBackAsync(MemorySnapshot snapshot) =>
        FilePutBack.RunAsync(Scope, snapshot, new PutBackOptions { Baseline = Baseline }, CancellationToken.None);

    public void Dispose()
    {
        // Names that are no text, which the scratch folder cannot remove.
        foreach (var directory in Directory.EnumerateDirectories(_scratch.Path))
        {
            TreeRemoval.Remove(Interop.AT_FDCWD, [.. Encoding.UTF8.GetBytes(directory), 0], [], null);
        }

        _scratch.Dispose();
    }
}
