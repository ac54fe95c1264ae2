using Floe.Criu.Images;
using Floe.Store;

namespace Floe.Agent.Memory;

/// <summary>What one thread reads in one go: consecutive pages of a process, whole windows of the block grid.</summary>
/// <param name="Ordinal">Its place in the process's pages image.</param>
internal sealed record PageSegment(StreamId Stream, int Ordinal, int Pid, IReadOnlyList<PageRange> Ranges, int Bytes);
