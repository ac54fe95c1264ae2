using Floe.Criu.Images;

namespace Floe.Criu.Streaming;

/// <summary>
/// Where a dump's images go. Called from one thread, the capture server's; a call that blocks holds CRIU back, and an
/// exception aborts the dump (the task then runs on). Names are CRIU's own file names, such as <c>core-1000.img</c>.
/// </summary>
public interface IImageSink
{
    /// <summary>An image of at most <see cref="ImageStreamLimits.MaxSmallImageBytes"/>, whole. The array's ownership passes.</summary>
    void AddSmallImage(string name, byte[] content);

    /// <summary>Starts an image that is larger, or that has no room among the small ones: shared-memory pages, unlinked files, pipe and socket data, long pagemaps.</summary>
    IImageStream OpenStream(string name);

    /// <summary>
    /// The image that holds a process's pages. Its bytes do not come: CRIU only says, while it goes through the task, which
    /// pages they are. Nothing of the task runs any more, so they can be read by address at once, except in executable
    /// mappings, where CRIU puts code of its own for moments until the dump's callback is called.
    /// </summary>
    /// <param name="pid">The process, as its pid namespace (ours too) numbers it.</param>
    /// <param name="name">Such as <c>pages-1.img</c>.</param>
    IPageStream OpenPages(int pid, string name);
}

/// <summary>One process's pages as CRIU names them. The image holds their contents one after the other without gaps.</summary>
public interface IPageStream
{
    /// <summary>The next pages; addresses ascend.</summary>
    void Add(PageRange range);

    /// <summary>The process has no more.</summary>
    void Complete();
}

/// <summary>One large image on its way into the sink. Disposed before it is complete it gives up what it holds, and waits for nothing.</summary>
public interface IImageStream : IDisposable
{
    /// <summary>The next bytes. The span is borrowed for the call.</summary>
    void Append(ReadOnlySpan<byte> data);

    /// <summary>The image is whole. A stream that is never completed belongs to a dump that failed.</summary>
    void Complete();
}

/// <summary>Sizes of the image stream.</summary>
public static class ImageStreamLimits
{
    /// <summary>1 MiB. A larger image is a stream.</summary>
    public const int MaxSmallImageBytes = 1 << 20;

    /// <summary>16 MiB. When the small images of a dump have that much together, larger ones than <see cref="MinStreamBytes"/> are streams too.</summary>
    public const int MaxSmallImagesBytes = 16 << 20;

    /// <summary>16 KiB. An image up to that is never a stream.</summary>
    public const int MinStreamBytes = 16 << 10;

    /// <summary>CRIU's image names are short; anything longer is not one.</summary>
    public const int MaxNameBytes = 255;
}
