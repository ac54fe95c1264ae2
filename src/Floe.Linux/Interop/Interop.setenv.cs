using System.Runtime.InteropServices;

namespace Floe.Linux;

public static partial class Interop
{
    /// <summary>For native libraries: .NET keeps an environment of its own.</summary>
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int setenv(string name, string value, int overwrite);
}
