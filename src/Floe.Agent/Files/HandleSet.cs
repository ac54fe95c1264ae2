using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// Files by their handles (struct file_handle: u32 length, i32 type, the bytes). What is no more is dropped now and then, so there are at most twice as many
/// as there are such files, or a fixed number. For any thread.
/// </summary>
internal sealed unsafe class HandleSet
{
    private const int HeaderBytes = 8;
    private const int MaxHandleBytes = 128;

    private readonly Lock _gate = new();
    private readonly int _minReview;

    // Handles of most local file systems fit in a key; of the others the key is a hash, and the value the handle.
    private Dictionary<UInt128, byte[]?> _files = [];
    private Dictionary<UInt128, byte[]?> _underReview = [];
    private int _nextReview;

    /// <param name="minReview">With fewer it is not looked for those that are no more.</param>
    public HandleSet(int minReview)
    {
        _minReview = minReview;
        _nextReview = minReview;
    }

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _files.Count + _underReview.Count;
            }
        }
    }

    public void Add(ReadOnlySpan<byte> handle)
    {
        var isWhole = TryPack(handle, out var key);
        lock (_gate)
        {
            ref var value = ref CollectionsMarshal.GetValueRefOrAddDefault(_files, key, out var exists);
            if (!exists && !isWhole)
            {
                value = handle.ToArray();
            }
        }
    }

    public bool Contains(ReadOnlySpan<byte> handle)
    {
        _ = TryPack(handle, out var key);
        lock (_gate)
        {
            return _files.ContainsKey(key) || _underReview.ContainsKey(key);
        }
    }

    /// <summary>Drops those that are on none of the file systems any more, if it is time to. Others go on adding and asking meanwhile. By one thread.</summary>
    /// <param name="fileSystems">A descriptor on each file system that handles are of.</param>
    public void Review(IReadOnlyList<int> fileSystems, Func<bool> stop)
    {
        lock (_gate)
        {
            if (_files.Count < _nextReview)
            {
                return;
            }

            _underReview = _files;
            _files = [];
        }

        foreach (var (key, handle) in _underReview)
        {
            if (stop())
            {
                return;
            }

            if (!IsGone(fileSystems, key, handle))
            {
                lock (_gate)
                {
                    _files.TryAdd(key, handle);
                }
            }
        }

        lock (_gate)
        {
            _underReview = [];
            _nextReview = Math.Max(_minReview, 2 * _files.Count);
        }
    }

    private static bool IsGone(IReadOnlyList<int> fileSystems, UInt128 key, byte[]? handle)
    {
        var room = stackalloc byte[HeaderBytes + MaxHandleBytes];
        var bytes = new Span<byte>(room, HeaderBytes + MaxHandleBytes);
        if (handle is null)
        {
            Unpack(key, bytes);
        }
        else
        {
            handle.CopyTo(bytes);
        }

        foreach (var fileSystem in fileSystems)
        {
            var file = Interop.open_by_handle_at(fileSystem, room, Interop.O_PATH | Interop.O_CLOEXEC);
            if (file >= 0)
            {
                _ = Interop.close(file);
                return false;
            }

            if (Marshal.GetLastPInvokeError() != Errno.ESTALE)
            {
                // Not known.
                return false;
            }
        }

        return true;
    }

    /// <summary>Length and type in a byte each, then the handle's bytes.</summary>
    /// <returns>False for a hash, of which the handle cannot be told.</returns>
    private static bool TryPack(ReadOnlySpan<byte> handle, out UInt128 key)
    {
        Span<byte> packed = stackalloc byte[16];
        packed.Clear();
        var bytes = handle[HeaderBytes..];
        var type = BinaryPrimitives.ReadInt32LittleEndian(handle[4..]);
        if (bytes.Length > packed.Length - 2 || type is < 0 or > byte.MaxValue)
        {
            key = XxHash128.HashToUInt128(handle);
            return false;
        }

        packed[0] = (byte)bytes.Length;
        packed[1] = (byte)type;
        bytes.CopyTo(packed[2..]);
        key = BinaryPrimitives.ReadUInt128LittleEndian(packed);
        return true;
    }

    private static void Unpack(UInt128 key, Span<byte> handle)
    {
        Span<byte> packed = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128LittleEndian(packed, key);
        BinaryPrimitives.WriteInt32LittleEndian(handle, packed[0]);
        BinaryPrimitives.WriteInt32LittleEndian(handle[4..], packed[1]);
        packed.Slice(2, packed[0]).CopyTo(handle[HeaderBytes..]);
    }
}
