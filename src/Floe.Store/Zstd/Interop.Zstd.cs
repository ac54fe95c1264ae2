using System.Reflection;
using System.Runtime.InteropServices;

namespace Floe.Store.Zstd;

/// <summary>
/// The few functions of libzstd (zstd.h, stable API since 1.4) that frames need. The static program links the archive
/// (DirectPInvoke); under the JIT the system's shared library is loaded by its SONAME.
/// </summary>
internal static unsafe partial class Interop
{
    private const string Library = "libzstd";

    static Interop() => NativeLibrary.SetDllImportResolver(typeof(Interop).Assembly, Resolve);

    [LibraryImport(Library)]
    internal static partial nint ZSTD_createCCtx();

    [LibraryImport(Library)]
    internal static partial nuint ZSTD_freeCCtx(nint context);

    [LibraryImport(Library)]
    internal static partial nint ZSTD_createDCtx();

    [LibraryImport(Library)]
    internal static partial nuint ZSTD_freeDCtx(nint context);

    [LibraryImport(Library)]
    internal static partial nuint ZSTD_compressCCtx(nint context, byte* destination, nuint capacity, byte* source, nuint length, int level);

    [LibraryImport(Library)]
    internal static partial nuint ZSTD_decompressDCtx(nint context, byte* destination, nuint capacity, byte* source, nuint length);

    [LibraryImport(Library)]
    internal static partial uint ZSTD_isError(nuint code);

    [LibraryImport(Library)]
    internal static partial nuint ZSTD_compressBound(nuint length);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath)
    {
        if (name != Library)
        {
            return 0;
        }

        return NativeLibrary.TryLoad("libzstd.so.1", assembly, searchPath, out var handle)
            ? handle
            : throw new DllNotFoundException("libzstd.so.1 is missing; install it (Debian: libzstd1)");
    }
}
