using Floe.Criu.Images;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Agent.Memory;

/// <summary>Which pages of a process are anonymous and mapped elsewhere too, as a fork leaves them. Source: Documentation/admin-guide/mm/pagemap.rst.</summary>
internal sealed unsafe class SharedPages(int pid) : IDisposable
{
    private static readonly ulong s_pageBytes = (ulong)PageRange.PageBytes;
    private const int WindowPages = 512;
    private const ulong Present = 1ul << 63;
    private const ulong Swapped = 1ul << 62;
    private const ulong FileOrSharedAnonymous = 1ul << 61;
    private const ulong Exclusive = 1ul << 56;

    private readonly ulong[] _entries = new ulong[WindowPages];
    private SafeFileHandle? _pagemap;
    private ulong _first;
    private ulong _count;

    /// <summary>
    /// Whether any of the ranges has such a page. False where the kernel does not tell. What was read of the pagemap is kept: the process stands still.
    /// </summary>
    public bool Touches(ReadOnlySpan<Interop.IoVec> ranges)
    {
        foreach (var range in ranges)
        {
            var page = (ulong)range.Base / s_pageBytes;
            for (var stop = page + (range.Length / s_pageBytes); page < stop; page++)
            {
                if (page - _first >= _count && !Load(page))
                {
                    return false;
                }

                var entry = _entries[page - _first];
                if ((entry & (Present | Swapped)) != 0 && (entry & (FileOrSharedAnonymous | Exclusive)) == 0)
                {
                    return true;
                }
            }
        }

        return false;
    }

    public void Dispose() => _pagemap?.Dispose();

    /// <summary>One read for this page and those behind it.</summary>
    private bool Load(ulong page)
    {
        _pagemap ??= File.OpenHandle($"/proc/{pid}/pagemap", FileMode.Open, FileAccess.Read);
        // SAFETY: the array is pinned for the call and at most its length is asked for.
        fixed (ulong* target = _entries)
        {
            var got = Interop.pread((int)_pagemap.DangerousGetHandle(), target, WindowPages * sizeof(ulong), (long)(page * sizeof(ulong)));
            (_first, _count) = (page, got > 0 ? (ulong)got / sizeof(ulong) : 0);
        }

        return _count > 0;
    }
}
