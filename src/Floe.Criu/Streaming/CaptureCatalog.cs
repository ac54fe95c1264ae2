using Floe.Criu.Dump;
using Floe.Criu.Images;
using Microsoft.Win32.SafeHandles;

namespace Floe.Criu.Streaming;

/// <summary>
/// Decides what becomes of each image by its name, and gathers what Floe itself needs from them: pagemaps and process tree.
/// </summary>
internal sealed class CaptureCatalog(IImageSink sink, TcpMode tcp)
{
    private const string Inventory = "inventory.img";
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly List<(int Pid, ulong PagesId, ulong Pages)> _pagemaps = [];
    private readonly Dictionary<ulong, long> _discardedBytes = [];
    private readonly Dictionary<ulong, ulong> _sharedPagemaps = [];
    private readonly HashSet<ulong> _keptPages = [];
    private readonly SmallImageRoom _room = new();
    private bool _lastPagemapIsShared;

    public bool HasInventory { get; private set; }

    public IReadOnlyList<FrozenProcess> Processes { get; private set; } = [];

    /// <summary>What the processes' pages images hold together.</summary>
    public long MemoryBytes => _pagemaps.Sum(p => (long)p.Pages * PageRange.PageBytes);

    /// <summary>A file that CRIU announced.</summary>
    /// <exception cref="ImageStreamException">Announced before: images would overwrite each other.</exception>
    public CaptureFile Begin(string name, SafeFileHandle pipe)
    {
        if (!_names.Add(name))
        {
            throw new ImageStreamException($"CRIU sent {name} twice");
        }

        var kind = name is TimerfdMending.ImageName or PstreeImage.Name || ReservedMemoryMending.IsFor(name) ? CaptureKind.Hold : CaptureKind.Keep;
        PagemapParser? parser = null;
        if (name.StartsWith("pagemap-", StringComparison.Ordinal))
        {
            _lastPagemapIsShared = ImageName.Number(name, "pagemap-shmem-") is not null;
            parser = _lastPagemapIsShared ? new PagemapParser(name)
                : ImageName.Number(name, "pagemap-") is <= int.MaxValue and { } pid ? new PagemapParser(name, id => sink.OpenPages((int)pid, $"pages-{id}.img"))
                : throw new ImageStreamException($"CRIU sent an unknown pagemap, {name}");
        }
        else if (ImageName.Number(name, "pages-") is { } id)
        {
            // CRIU opens a pagemap and its pages one after the other (open_page_local_xfer); the pagemap's head, which
            // names the pages, arrives later, and Check() compares.
            if (_lastPagemapIsShared)
            {
                _keptPages.Add(id);
            }
            else
            {
                kind = CaptureKind.Discard;
            }
        }

        return new CaptureFile(name, pipe, kind, parser, sink, _room);
    }

    /// <summary>A file that has come to its end.</summary>
    public void Finish(CaptureFile file)
    {
        if (file.Kind == CaptureKind.Discard)
        {
            _discardedBytes.Add(ImageName.Number(file.Name, "pages-")!.Value, file.Bytes);
            return;
        }

        if (file.Parser is { } parser)
        {
            AddPagemap(file.Name, parser);
        }

        byte[]? held = null;
        if (file.Name == PstreeImage.Name)
        {
            held = file.Held();
            Processes = PstreeImage.Parse(held);
        }
        else if (file.Name == TimerfdMending.ImageName)
        {
            held = TimerfdMending.Mend(file.Held());
            held = tcp == TcpMode.Inside ? OutsideConnections.Close(held) : held;
        }
        else if (ReservedMemoryMending.IsFor(file.Name))
        {
            held = ReservedMemoryMending.Mend(file.Name, file.Held());
        }

        file.Deliver(held, isReadWhole: file.Name == PstreeImage.Name);
        HasInventory |= file.Name == Inventory;
    }

    /// <summary>Whether the images agree with each other, before anything is built on them.</summary>
    /// <exception cref="ImageStreamException">They do not.</exception>
    public void Check()
    {
        if (Processes.Count == 0)
        {
            throw new ImageStreamException($"CRIU sent no {PstreeImage.Name}");
        }

        var pids = Processes.Select(p => p.Pid).ToHashSet();
        foreach (var (pid, pagesId, pages) in _pagemaps)
        {
            if (!pids.Contains(pid))
            {
                throw new ImageStreamException($"CRIU sent a pagemap of {pid}, which is not in the tree");
            }

            if (!_discardedBytes.Remove(pagesId, out var bytes) || (ulong)bytes != pages * (ulong)PageRange.PageBytes)
            {
                throw new ImageStreamException($"CRIU's pagemap of {pid} and pages-{pagesId}.img do not agree");
            }
        }

        if (_discardedBytes.Count > 0 || !_keptPages.SetEquals(_sharedPagemaps.Values))
        {
            throw new ImageStreamException("CRIU sent pages that no pagemap names");
        }
    }

    private void AddPagemap(string name, PagemapParser parser)
    {
        var pagesId = parser.Finish();
        if (ImageName.Number(name, "pagemap-shmem-") is { } shared)
        {
            _sharedPagemaps.Add(shared, pagesId);
        }
        else
        {
            _pagemaps.Add(((int)ImageName.Number(name, "pagemap-")!.Value, pagesId, parser.PresentPages));
        }
    }
}
