using Floe.Criu.Images;
using Floe.Criu.Streaming;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.CriuMachine;

/// <summary>Images in a folder under CRIU's own names, as an export would leave them.</summary>
/// <param name="folder">Where they are.</param>
/// <param name="onImage">Called with the name of each image as the sink gets it, before it is kept.</param>
/// <param name="damaged">Name of an image that fails after its first piece when it is given.</param>
internal sealed class FolderImages(string folder, Action<string>? onImage = null, string? damaged = null) : IImageSink, IImageSource
{
    private readonly List<ProcessPages> _processes = [];

    public void AddSmallImage(string name, byte[] content)
    {
        onImage?.Invoke(name);
        File.WriteAllBytes(Path.Combine(folder, name), content);
    }

    public IImageStream OpenStream(string name)
    {
        onImage?.Invoke(name);
        return new FileImage(File.Create(Path.Combine(folder, name)));
    }

    public IPageStream OpenPages(int pid, string name)
    {
        var pages = new ProcessPages(pid, name);
        _processes.Add(pages);
        return pages;
    }

    public bool Exists(string name) => File.Exists(Path.Combine(folder, name));

    public bool TryGetSmall(string name, out ReadOnlyMemory<byte> content)
    {
        var file = new FileInfo(Path.Combine(folder, name));
        if (!file.Exists || file.Length > ImageStreamLimits.MaxSmallImageBytes)
        {
            content = default;
            return false;
        }

        content = File.ReadAllBytes(file.FullName);
        return true;
    }

    public async Task WriteStreamAsync(string name, ImagePipe pipe, CancellationToken cancellationToken)
    {
        using var file = File.OpenHandle(Path.Combine(folder, name));
        var buffer = new byte[1 << 20];
        for (long offset = 0; ;)
        {
            var count = RandomAccess.Read(file, buffer, offset);
            offset += count;
            if (count == 0 || !await pipe.WriteAsync(buffer.AsMemory(0, count), cancellationToken))
            {
                return;
            }

            if (name == damaged)
            {
                throw new InvalidDataException($"{name} is damaged");
            }
        }
    }

    /// <summary>Reads a frozen tree's pages by address into pages-N.img.</summary>
    public void AddMemory()
    {
        var buffer = new byte[1 << 20];
        foreach (var process in _processes)
        {
            using var target = File.Create(Path.Combine(folder, process.Image));
            using var memory = File.OpenHandle($"/proc/{process.Pid}/mem");
            foreach (var range in process.Ranges)
            {
                for (ulong done = 0, length = range.PageCount * (ulong)PageRange.PageBytes; done < length;)
                {
                    var piece = (int)Math.Min((ulong)buffer.Length, length - done);
                    ReadExactly(process.Pid, memory, range.Address + done, buffer.AsSpan(0, piece));
                    target.Write(buffer, 0, piece);
                    done += (ulong)piece;
                }
            }
        }
    }

    private static unsafe void ReadExactly(int pid, SafeFileHandle memory, ulong address, Span<byte> target)
    {
        fixed (byte* start = target)
        {
            var local = new Interop.IoVec { Base = start, Length = (nuint)target.Length };
            var remote = new Interop.IoVec { Base = (void*)address, Length = (nuint)target.Length };
            if (Interop.process_vm_readv(pid, &local, 1, &remote, 1, 0) == target.Length)
            {
                return;
            }

            // A PROT_NONE mapping.
            for (var done = 0; done < target.Length;)
            {
                var count = Interop.pread((int)memory.DangerousGetHandle(), start + done, (nuint)(target.Length - done), (long)address + done);
                if (count <= 0)
                {
                    throw LinuxException.Last($"/proc/{pid}/mem at 0x{address + (ulong)done:x}");
                }

                done += (int)count;
            }
        }
    }

    private sealed class ProcessPages(int pid, string image) : IPageStream
    {
        public int Pid => pid;

        public string Image => image;

        public List<PageRange> Ranges { get; } = [];

        public void Add(PageRange range) => Ranges.Add(range);

        public void Complete()
        {
        }
    }

    private sealed class FileImage(FileStream file) : IImageStream
    {
        public void Append(ReadOnlySpan<byte> data) => file.Write(data);

        public void Complete() => file.Dispose();

        public void Dispose() => file.Dispose();
    }
}
