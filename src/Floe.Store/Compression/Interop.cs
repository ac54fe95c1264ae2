using System.Reflection;
using System.Runtime.InteropServices;

namespace Floe.Store.Compression;

/// <summary>
/// The few functions of libzstd (zstd.h, stable API since 1.4) and liblz4 (lz4.h, since 1.9) that frames need. The static program
/// links the archives (DirectPInvoke); under the JIT the system's shared libraries are loaded by their SONAMEs.
/// </summary>
internal static unsafe partial class Interop
{
    private const string Zstd = "libzstd";
    private const string Lz4 = "liblz4";

    static Interop() => NativeLibrary.SetDllImportResolver(typeof(Interop).Assembly, Resolve);

    [LibraryImport(Zstd)]
    internal static partial nint ZSTD_createCCtx();

    [LibraryImport(Zstd)]
    internal static partial nuint ZSTD_freeCCtx(nint context);

    [LibraryImport(Zstd)]
    internal static partial nint ZSTD_createDCtx();

    [LibraryImport(Zstd)]
    internal static partial nuint ZSTD_freeDCtx(nint context);

    [LibraryImport(Zstd)]
    internal static partial nuint ZSTD_compressCCtx(nint context, byte* destination, nuint capacity, byte* source, nuint length, int level);

    [LibraryImport(Zstd)]
    internal static partial nuint ZSTD_decompressDCtx(nint context, byte* destination, nuint capacity, byte* source, nuint length);

    [LibraryImport(Zstd)]
    internal static partial uint ZSTD_isError(nuint code);

    [LibraryImport(Zstd)]
    internal static partial nuint ZSTD_compressBound(nuint length);

    [LibraryImport(Lz4)]
    internal static partial int LZ4_sizeofState();

    [LibraryImport(Lz4)]
    internal static partial int LZ4_compress_fast_extState(void* state, byte* source, byte* destination, int length, int capacity, int acceleration);

    [LibraryImport(Lz4)]
    internal static partial int LZ4_decompress_safe(byte* source, byte* destination, int length, int capacity);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        var (file, package) = name switch { Zstd => ("libzstd.so.1", "libzstd1"), Lz4 => ("liblz4.so.1", "liblz4-1"), _ => ("", "") };
        return file.Length == 0 ? 0
            : NativeLibrary.TryLoad(file, assembly, searchPath, out var handle) ? handle
            : throw new DllNotFoundException($"{file} is missing; install it (Debian: {package})");
    }
}
