using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using Floe.FileSystem.Content;
using Floe.S3;
using Floe.S3.Buckets;
using Microsoft.Win32.SafeHandles;

namespace Floe.FileSystem.Operations;

/// <summary>
/// The objects of a folder that is being renamed, and their copies. A folder may hold millions, so they lie in a file, in the order of the listing; each
/// later listing comes in the same order, and is gone through beside it (<see cref="Pass"/>). Those of files that the mount knows are kept in memory too.
/// </summary>
/// <remarks>
/// A record: length of the key behind the prefix in bytes (2), mark of the original (16), mark of the copy (16; 0: none is known), that key. A page is
/// written as it was listed; a copy's mark follows in its place when it is made, in whatever order copies end.
/// </remarks>
/// <param name="known">Keys, before the rename, of the files that the mount knows.</param>
/// <param name="file">Owned.</param>
internal sealed class MovedObjects(HashSet<string> known, string prefix, string newPrefix, SafeFileHandle file) : IDisposable
{
    private const int MarkBytes = 16;
    private const int HeaderBytes = 2 + (2 * MarkBytes);

    // Nobody can choose versions whose marks are the same.
    private readonly long _seed = Random.Shared.NextInt64();
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (ObjectVersion Original, ObjectVersion Copy)> _known = new(StringComparer.Ordinal);
    private readonly string _prefix = prefix;
    private readonly string _newPrefix = newPrefix;
    private readonly SafeFileHandle _file = file;
    private long _length;
    private ETag? _madeMarker;

    /// <summary>Whether the folder has an object of its own.</summary>
    public bool HasMarker { get; private set; }

    /// <summary>A listed object, and where the mark of its copy goes.</summary>
    public readonly record struct Item(ObjectVersion Version, long At);

    /// <summary>The next page of the folder's listing. One caller at a time.</summary>
    /// <exception cref="ContentException">The disk has no room.</exception>
    public List<Item> Note(IReadOnlyList<ObjectVersion> page)
    {
        var items = new List<Item>(page.Count);
        using var records = new MemoryStream();
        Span<byte> header = stackalloc byte[HeaderBytes];
        foreach (var version in page)
        {
            var key = Encoding.UTF8.GetBytes(version.Key[_prefix.Length..]);
            items.Add(new Item(version, _length + records.Length + 2 + MarkBytes));
            header.Clear();
            BinaryPrimitives.WriteUInt16LittleEndian(header, (ushort)key.Length);
            BinaryPrimitives.WriteUInt128LittleEndian(header[2..], MarkOf(version.ETag));
            records.Write(header);
            records.Write(key);
        }

        Write(records.GetBuffer().AsSpan(0, (int)records.Length), _length);
        _length += records.Length;
        return items;
    }

    /// <summary>Its copy is made. The mark's place was taken with the page: a full disk does not refuse it.</summary>
    public void Add(Item item, ObjectVersion copy)
    {
        Span<byte> mark = stackalloc byte[MarkBytes];
        BinaryPrimitives.WriteUInt128LittleEndian(mark, MarkOf(copy.ETag));
        Write(mark, item.At);
        lock (_lock)
        {
            HasMarker |= item.Version.Key == _prefix;
            if (known.Contains(item.Version.Key))
            {
                _known[item.Version.Key] = (item.Version, copy);
            }
        }
    }

    /// <summary>The folder's own object, which was made anew.</summary>
    public void AddMarker(ETag etag) => (_madeMarker, HasMarker) = (etag, true);

    /// <summary>The object of a known file and its copy; null: it had none.</summary>
    public (ObjectVersion Original, ObjectVersion Copy)? KnownAt(string key)
    {
        lock (_lock)
        {
            return _known.TryGetValue(key, out var both) ? both : null;
        }
    }

    /// <summary>For one listing of the old keys, in its order.</summary>
    public Pass Originals() => new(this, ofCopies: false);

    /// <summary>For one listing of the new keys, in its order.</summary>
    public Pass Copies() => new(this, ofCopies: true);

    public void Dispose() => _file.Dispose();

    private void Write(ReadOnlySpan<byte> bytes, long at)
    {
        try
        {
            RandomAccess.Write(_file, bytes, at);
        }
        catch (IOException e)
        {
            throw ContentErrors.Map(e, "the cache folder");
        }
    }

    // Never that of no copy.
    private UInt128 MarkOf(ETag etag) => XxHash128.HashToUInt128(MemoryMarshal.AsBytes(etag.Value.AsSpan()), _seed) | 1;

    /// <summary>One way through the records. To be asked of keys in UTF-8 byte order, as the bucket lists them.</summary>
    internal sealed class Pass(MovedObjects moved, bool ofCopies)
    {
        private readonly byte[] _buffer = new byte[64 << 10];
        private long _next;
        private int _at;
        private int _end;

        /// <summary>Whether it is an object that was copied, as it was then, or such a copy.</summary>
        public bool Holds(ObjectVersion version)
        {
            if (ofCopies && version.Key == moved._newPrefix && moved._madeMarker == version.ETag)
            {
                return true;
            }

            var key = Encoding.UTF8.GetBytes(version.Key[(ofCopies ? moved._newPrefix : moved._prefix).Length..]);
            while (TryPeek(out var record, out var length))
            {
                var order = record[HeaderBytes..].SequenceCompareTo(key);
                if (order > 0)
                {
                    return false;
                }

                _at += length;
                if (order == 0)
                {
                    var copy = BinaryPrimitives.ReadUInt128LittleEndian(record[(2 + MarkBytes)..]);
                    return copy != 0 && moved.MarkOf(version.ETag) == (ofCopies ? copy : BinaryPrimitives.ReadUInt128LittleEndian(record[2..]));
                }
            }

            return false;
        }

        private bool TryPeek(out ReadOnlySpan<byte> record, out int length)
        {
            length = 0;
            if (!TryFill(HeaderBytes))
            {
                record = default;
                return false;
            }

            length = HeaderBytes + BinaryPrimitives.ReadUInt16LittleEndian(_buffer.AsSpan(_at));
            if (!TryFill(length))
            {
                throw new IOException("the list of copied objects is cut short");
            }

            record = _buffer.AsSpan(_at, length);
            return true;
        }

        private bool TryFill(int count)
        {
            if (_end - _at >= count)
            {
                return true;
            }

            _buffer.AsSpan(_at, _end - _at).CopyTo(_buffer);
            (_at, _end) = (0, _end - _at);
            while (_end < count && RandomAccess.Read(moved._file, _buffer.AsSpan(_end), _next) is > 0 and var read)
            {
                (_end, _next) = (_end + read, _next + read);
            }

            return _end >= count;
        }
    }
}
