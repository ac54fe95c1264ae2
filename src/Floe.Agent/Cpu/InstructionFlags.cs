namespace Floe.Agent.Cpu;

/// <summary>
/// Which of the kernel's flags stand for instructions that a program may use, so that losing one kills it. Others (arat, smep, vmmcall, …) are
/// the kernel's own business or describe speed, and a restore must not fail for them.
/// Sources: Linux arch/x86/include/asm/cpufeatures.h, arch/arm64/include/uapi/asm/hwcap.h.
/// </summary>
internal static class InstructionFlags
{
    private static readonly HashSet<string> X86 = new(StringComparer.Ordinal)
    {
        "fpu", "tsc", "cx8", "sep", "cmov", "clflush", "mmx", "fxsr", "sse", "sse2", "syscall", "mmxext", "rdtscp", "3dnowext", "3dnow", "nopl",
        "pni", "pclmulqdq", "ssse3", "fma", "cx16", "sse4_1", "sse4_2", "movbe", "popcnt", "aes", "xsave", "avx", "f16c", "rdrand",
        "lahf_lm", "abm", "sse4a", "misalignsse", "3dnowprefetch", "xop", "fma4", "tbm", "lwp",
        "fsgsbase", "bmi1", "hle", "avx2", "bmi2", "rtm", "mpx", "rdseed", "adx", "clflushopt", "clwb", "sha_ni",
        "avx512f", "avx512dq", "avx512ifma", "avx512pf", "avx512er", "avx512cd", "avx512bw", "avx512vl",
        "avx512vbmi", "avx512_vbmi2", "gfni", "vaes", "vpclmulqdq", "avx512_vnni", "avx512_bitalg", "avx512_vpopcntdq", "avx512_4vnniw",
        "avx512_4fmaps", "avx512_vp2intersect", "avx512_fp16", "avx512_bf16", "avx_vnni", "avx_ifma", "avx_ne_convert", "avx_vnni_int8",
        "avx_vnni_int16", "amx_bf16", "amx_tile", "amx_int8", "amx_fp16", "amx_complex", "sha512", "sm3", "sm4", "cmpccxadd", "raoint",
        "xsaveopt", "xsavec", "xgetbv1", "rdpid", "cldemote", "movdiri", "movdir64b", "enqcmd", "serialize", "pku", "ospke", "waitpkg",
        "clzero", "monitorx", "mwaitx", "user_shstk", "apx", "tsxldtrk",
    };

    /// <summary>On arm64 every Feature is a promise to programs, but these two carry no instruction.</summary>
    private static readonly HashSet<string> ArmNotInstructions = new(StringComparer.Ordinal) { "evtstrm", "cpuid" };

    public static bool IsInstruction(string architecture, string flag) =>
        architecture == "aarch64" ? !ArmNotInstructions.Contains(flag) : X86.Contains(flag);
}
