namespace Floe.S3;

/// <summary>Memory that a range is read into: one piece, or several that are filled one after the other. Borrowed, as any Memory.</summary>
public readonly struct ScatteredMemory
{
    private readonly Memory<byte> _single;
    private readonly IReadOnlyList<Memory<byte>>? _pieces;

    public ScatteredMemory(Memory<byte> single)
    {
        _single = single;
        Length = single.Length;
    }

    /// <param name="pieces">None is empty; together at most 2 GiB.</param>
    public ScatteredMemory(IReadOnlyList<Memory<byte>> pieces)
    {
        _pieces = pieces;
        var length = 0;
        foreach (var piece in pieces)
        {
            ArgumentOutOfRangeException.ThrowIfZero(piece.Length, nameof(pieces));
            length = checked(length + piece.Length);
        }

        Length = length;
    }

    public int Length { get; }

    public static implicit operator ScatteredMemory(Memory<byte> single) => new(single);

    public static implicit operator ScatteredMemory(byte[] single) => new(single);

    /// <summary>The rest of the piece that holds the byte at <paramref name="offset"/>.</summary>
    public Memory<byte> From(int offset)
    {
        if (_pieces is null)
        {
            return _single[offset..];
        }

        foreach (var piece in _pieces)
        {
            if (offset < piece.Length)
            {
                return piece[offset..];
            }

            offset -= piece.Length;
        }

        throw new ArgumentOutOfRangeException(nameof(offset));
    }
}
