using System.Globalization;
using Floe.Linux.Processes;

namespace Floe.Agent.Preflight;

/// <summary>The part of <see cref="TaskPreflight"/> that looks at what processes have open and mapped.</summary>
internal sealed class DescriptorInspection
{
    private readonly TaskPreflightOptions options;
    private readonly TaskFindings findings;
    private readonly HashSet<int> mounts;
    private readonly Dictionary<ulong, PipeEnds> pipes = [];
    private readonly Dictionary<string, string> terminals = new(StringComparer.Ordinal);
    private readonly HashSet<string> filesSeen = new(StringComparer.Ordinal);
    private bool hasTerminalMaster;

    public DescriptorInspection(TaskPreflightOptions options, TaskFindings findings)
    {
        this.options = options;
        this.findings = findings;
        mounts = ReadMountIds(Path.Combine(options.ProcRoot, options.RootPid.ToString(CultureInfo.InvariantCulture), "mountinfo"));
    }

    /// <summary>Every socket of the tree by inode, with the process that has it.</summary>
    public Dictionary<ulong, string> Sockets { get; } = [];

    /// <summary>One process; <paramref name="who"/> names it in findings.</summary>
    public void Inspect(string processDirectory, string who)
    {
        InspectTable(processDirectory, who);
        InspectMappings(processDirectory, who);
    }

    /// <summary>What can only be judged when the whole tree has been seen.</summary>
    public void Finish()
    {
        InspectPipes();
        InspectTerminals();
    }

    private void InspectTable(string processDirectory, string who)
    {
        string[] entries;
        try
        {
            entries = Directory.GetFiles(Path.Combine(processDirectory, "fd"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return;
        }

        foreach (var entry in entries)
        {
            if (ProcFiles.TryReadLink(entry) is { } link)
            {
                InspectDescriptor(processDirectory, entry, link, who);
            }
        }
    }

    private void InspectDescriptor(string processDirectory, string entry, string link, string who)
    {
        var kind = Descriptors.Classify(link);
        if (kind is DescriptorKind.File or DescriptorKind.DeletedFile or DescriptorKind.Null)
        {
            InspectMount(processDirectory, entry, link, who);
        }

        switch (kind)
        {
            case DescriptorKind.IoUring:
                findings.Add(TaskCheck.IoUring, $"{who} has an io_uring");
                break;
            case DescriptorKind.TerminalMaster:
                hasTerminalMaster = true;
                break;
            case DescriptorKind.Terminal:
                terminals.TryAdd(link, who);
                break;
            case DescriptorKind.Device:
                findings.Add(TaskCheck.Devices, $"{who} has {link} open");
                break;
            case DescriptorKind.KernelObject:
                findings.Add(TaskCheck.KernelObjects, $"{who} has {link} open");
                break;
            case DescriptorKind.Watch:
                findings.Add(TaskCheck.Watches, $"{who} watches files ({link})");
                break;
            case DescriptorKind.Socket:
                Sockets.TryAdd(Descriptors.Inode(link), who);
                break;
            case DescriptorKind.Pipe:
                AddPipeEnd(processDirectory, entry, link, who);
                break;
            case DescriptorKind.DeletedFile:
                InspectDeletedFile(entry, link, who);
                break;
            case DescriptorKind.File:
                // Thousands of processes share their files; each name is judged once.
                if (options.IsPathCarried is { } isCarried && !filesSeen.Contains(link)
                    && DescriptorInfo.TryRead(processDirectory, entry) is { Mode: not AccessMode.Read })
                {
                    filesSeen.Add(link);
                    if (!isCarried(link))
                    {
                        findings.Add(TaskCheck.FilesOutside, $"{who} writes {link}");
                    }
                }

                break;
        }
    }

    // CRIU finds a file by its mount; one that came in from another mount namespace (an inherited descriptor) has none here.
    private void InspectMount(string processDirectory, string entry, string link, string who)
    {
        if (mounts.Count > 0 && DescriptorInfo.TryRead(processDirectory, entry) is { MountId: { } mount } && !mounts.Contains(mount))
        {
            findings.Add(TaskCheck.Mounts, $"{who} has {link} open on mount {mount}");
        }
    }

    private void AddPipeEnd(string processDirectory, string entry, string link, string who)
    {
        if (DescriptorInfo.TryRead(processDirectory, entry) is not { } info)
        {
            return;
        }

        var inode = Descriptors.Inode(link);
        var ends = pipes.GetValueOrDefault(inode, new PipeEnds(false, false, who));
        pipes[inode] = ends with
        {
            Read = ends.Read || info.Mode != AccessMode.Write,
            Write = ends.Write || info.Mode != AccessMode.Read,
        };
    }

    private void InspectDeletedFile(string entry, string link, string who)
    {
        // CRIU measures allocated bytes: holes are free.
        if (ProcFiles.TryStat(entry) is { } stat && stat.AllocatedBytes > options.GhostLimitBytes)
        {
            findings.Add(TaskCheck.GhostFiles, $"{who} holds {link}, {stat.AllocatedBytes / (1024 * 1024)} MiB");
        }
    }

    private void InspectMappings(string processDirectory, string who)
    {
        try
        {
            foreach (var line in File.ReadLines(Path.Combine(processDirectory, "maps")))
            {
                // The path is the sixth field; anonymous mappings have none, and most lines end the search here.
                var slash = line.IndexOf("/dev/", StringComparison.Ordinal);
                if (slash >= 0 && line.IndexOf('/') == slash && Descriptors.Classify(line[slash..]) == DescriptorKind.Device)
                {
                    findings.Add(TaskCheck.Devices, $"{who} has {line[slash..]} mapped");
                }
                else if (line.EndsWith("anon_inode:[io_uring]", StringComparison.Ordinal))
                {
                    findings.Add(TaskCheck.IoUring, $"{who} has an io_uring mapped");
                }
                else if (line.EndsWith("anon_inode:[perf_event]", StringComparison.Ordinal))
                {
                    findings.Add(TaskCheck.KernelObjects, $"{who} has a perf event mapped");
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone, or not ours to read: the descriptors have been looked at.
        }
    }

    private void InspectPipes()
    {
        foreach (var (inode, ends) in pipes)
        {
            if (ends.Read != ends.Write && !options.AgentPipeInodes.Contains(inode))
            {
                findings.Add(TaskCheck.Pipes, $"{ends.Who} {(ends.Read ? "reads from" : "writes to")} pipe {inode}, whose other end is not in the tree");
            }
        }
    }

    // A terminal whose master is in the tree too (script, expect, a Python pty) travels with it.
    private void InspectTerminals()
    {
        foreach (var (terminal, who) in terminals)
        {
            if (!hasTerminalMaster)
            {
                findings.Add(TaskCheck.Terminal, $"{who} has {terminal} open");
            }
        }
    }

    // The first field of each line; empty when the file cannot be read, and then no mount is doubted.
    private static HashSet<int> ReadMountIds(string path)
    {
        var ids = new HashSet<int>();
        foreach (var line in (ProcFiles.TryReadText(path) ?? "").AsSpan().EnumerateLines())
        {
            var blank = line.IndexOf(' ');
            if (blank > 0 && int.TryParse(line[..blank], NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            {
                ids.Add(id);
            }
        }

        return ids;
    }

    private sealed record PipeEnds(bool Read, bool Write, string Who);
}
