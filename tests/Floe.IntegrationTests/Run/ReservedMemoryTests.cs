using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>Address space that a program reserves, as .NET's runtime does for its heap: many times the machine's memory.</summary>
public sealed class ReservedMemoryTests
{
    [Fact]
    public async Task Run_ReservesFarMoreThanTheMachineHas_IsRestored()
    {
        const string program = """
            import ctypes, os, time
            libc = ctypes.CDLL(None, use_errno=True)
            libc.mmap.restype, libc.mmap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
            libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
            size = 4 << 40
            start = libc.mmap(None, size, 0, 0x22, -1, 0)
            def use(at, byte):
                assert libc.mprotect(start + at, 4 << 20, 3) == 0
                ctypes.memset(start + at, byte, 4 << 20)
            use(1 << 30, 1); use(size - (4 << 20), 2)
            held = open('/var/tmp/large', 'wb+'); held.truncate(size)
            libc.mmap(None, size, 1, 2, held.fileno(), 0)
            print('ready', flush=True)
            while not os.path.exists('/run/go'): time.sleep(0.01)
            use(size // 2, 3)
            print([ctypes.string_at(start + at, 2) for at in (1 << 30, size - (4 << 20), size // 2)])
            """;
        await using var fleet = new Fleet();
        var ended = await fleet.MoveAsync("/usr/bin/python3", "-c", program);
        Fleet.AssertStatus(0, ended);
        Assert.Equal("[b'\\x01\\x01', b'\\x02\\x02', b'\\x03\\x03']\n", ended.Text);
    }
}
