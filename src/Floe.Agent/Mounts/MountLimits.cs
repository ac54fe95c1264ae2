using Floe.FileSystem.Moving;

namespace Floe.Agent.Mounts;

/// <summary>What a restore refuses is in no snapshot: the task would be frozen and ended, and could not be thawed anywhere.</summary>
internal static class MountLimits
{
    /// <summary>The bytes, if a restore takes so many.</summary>
    /// <exception cref="MountStateException">It does not. The snapshot fails, and the task runs on.</exception>
    public static byte[] Checked(byte[] bytes, int maxBytes, string what) => bytes.Length <= maxBytes
        ? bytes
        : throw new MountStateException(
            $"{what} comes to {bytes.Length} bytes, and no restore takes more than {maxBytes}");
}
