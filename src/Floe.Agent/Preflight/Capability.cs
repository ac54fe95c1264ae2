namespace Floe.Agent.Preflight;

/// <summary>Bit numbers of linux/capability.h that matter here.</summary>
public enum Capability
{
    NetAdmin = 12,
    SysPtrace = 19,
    SysAdmin = 21,
    SysResource = 24,
    SysTime = 25,
}

public static class CapabilityNames
{
    /// <summary>As the kernel and container runtimes write it: CAP_SYS_ADMIN.</summary>
    public static string KernelName(this Capability capability) => capability switch
    {
        Capability.NetAdmin => "CAP_NET_ADMIN",
        Capability.SysPtrace => "CAP_SYS_PTRACE",
        Capability.SysAdmin => "CAP_SYS_ADMIN",
        Capability.SysResource => "CAP_SYS_RESOURCE",
        Capability.SysTime => "CAP_SYS_TIME",
        _ => $"capability {(int)capability}",
    };

    public static bool Has(this ulong set, Capability capability) => (set & (1UL << (int)capability)) != 0;
}
