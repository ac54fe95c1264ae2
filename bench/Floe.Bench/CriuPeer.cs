namespace Floe.Bench;

/// <summary>CRIU by hand, as shell text for a machine: images in /run/images, which is a tmpfs.</summary>
internal static class CriuPeer
{
    /// <summary>Defines <c>criu</c> as the bundle's.</summary>
    public const string Function = """
        lib=/opt/floe/lib/floe/criu/lib
        criu() { $lib/ld-linux-*.so.* --inhibit-cache --library-path $lib $lib/../bin/criu "$@" || { tail -n 5 /run/images/*.log >&2; exit 1; }; }
        """;

    public const string DumpOptions = "-D /run/images -o dump.log -v1 --network-lock skip --tcp-close --ghost-limit 1G --link-remap --file-locks";

    public const string RestoreOptions = "-D /run/images -o restore.log -v1 -d --tcp-close --link-remap --file-locks";
}
