namespace Floe.Criu.Images;

/// <summary>
/// What <c>pagemap-PID.img</c> says: which pages of a task count, in the order in which their contents follow each other in
/// <c>pages-N.img</c> (those with <see cref="PageFlags.Present"/>, ascending addresses).
/// </summary>
/// <param name="Pid">The task, as its pid namespace (ours too) numbers it.</param>
/// <param name="PagesId">The N of <c>pages-N.img</c>.</param>
/// <param name="Ranges">Runs of pages.</param>
public sealed record Pagemap(int Pid, uint PagesId, PageRangeList Ranges)
{
    /// <summary>Name of the image that holds the pages' contents, one after the other without gaps.</summary>
    public string PagesImageName => $"pages-{PagesId}.img";
}

/// <param name="Address">First byte, page-aligned, in the task's address space.</param>
/// <param name="PageCount">Length in pages of <see cref="PageRangeList.PageBytes"/>.</param>
public readonly record struct PageRange(ulong Address, ulong PageCount, PageFlags Flags);

/// <summary>The flags of CRIU's pagemap entry (criu/include/page-xfer.h).</summary>
[Flags]
public enum PageFlags
{
    None = 0,

    /// <summary>In a parent image; a full dump has none.</summary>
    Parent = 1,

    /// <summary>Could be restored on demand.</summary>
    Lazy = 2,

    /// <summary>Its content is in the pages image.</summary>
    Present = 4,
}
