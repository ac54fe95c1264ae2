namespace Floe.Criu.Images;

/// <summary>Consecutive pages of a process whose contents are in its pages image.</summary>
/// <param name="Address">First byte, page-aligned, in the task's address space.</param>
/// <param name="PageCount">Length in pages of <see cref="PageBytes"/>.</param>
public readonly record struct PageRange(ulong Address, ulong PageCount)
{
    /// <summary>Bytes in a page on this machine; images from another page size are refused by CRIU.</summary>
    public static int PageBytes { get; } = Environment.SystemPageSize;
}
