namespace Floe.IntegrationTests.Criu;

/// <summary>Tasks to dump. Each makes a file "ready" in its working folder when it is in the middle of its work.</summary>
internal static class Programs
{
    /// <summary>Three worker processes over shared memory, a memfd, a large unlinked file, a second thread, pipes and 40 MiB of heap.</summary>
    public const string Tree = """
        import hashlib, mmap, multiprocessing as mp, os, tempfile, threading, time
        from multiprocessing import shared_memory

        def worker(name, index, rounds, pipe):
            shm = shared_memory.SharedMemory(name=name)
            state = hashlib.sha256(b"worker %d" % index)
            for r in range(rounds):
                part = shm.buf[index * (1 << 20):(index + 1) * (1 << 20)]
                state.update(part)
                digest = state.digest()
                for i in range(0, 1 << 20, 4096):
                    part[i:i + 32] = digest
                del part
                pipe.send(digest)
                time.sleep(0.02)
            shm.close()
            pipe.close()

        def main():
            workers, rounds = 3, 100
            shm = shared_memory.SharedMemory(create=True, size=workers << 20)
            fd = os.memfd_create("state")
            os.ftruncate(fd, 3 << 20)
            mem = mmap.mmap(fd, 3 << 20)
            unlinked = tempfile.TemporaryFile(dir=".")
            unlinked.write(hashlib.sha256(b"file").digest() * (4 << 15))
            unlinked.flush()
            heap = bytearray(hashlib.sha256(b"heap").digest() * (1 << 20))
            private = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            ticks = []
            stop = threading.Event()
            thread = threading.Thread(target=lambda: [ticks.append(1) or time.sleep(0.005) for _ in iter(stop.is_set, True)])
            thread.start()
            pipes, children = [], []
            for i in range(workers):
                here, there = mp.Pipe(duplex=False)
                p = mp.Process(target=worker, args=(shm.name, i, rounds, there))
                p.start()
                there.close()
                pipes.append(here)
                children.append(p)
            total = hashlib.sha256()
            for r in range(rounds):
                for p in pipes:
                    total.update(p.recv())
                at = (r * 7919 * 4096) % (3 << 20)
                mem[at:at + 32] = total.digest()
                private[at:at + 32] = total.digest()
                heap[at:at + 32] = total.digest()
                unlinked.seek(at)
                unlinked.write(total.digest())
                unlinked.flush()
                print("round", r, total.hexdigest(), flush=True)
                if r == 20:
                    open("ready", "w").close()
            for p in children:
                p.join()
            stop.set()
            thread.join()
            unlinked.seek(0)
            print("shm", hashlib.sha256(shm.buf).hexdigest())
            print("memfd", hashlib.sha256(mem).hexdigest())
            print("file", hashlib.sha256(unlinked.read()).hexdigest())
            print("heap", hashlib.sha256(heap).hexdigest())
            print("private", hashlib.sha256(private).hexdigest())
            print("codes", [p.exitcode for p in children], "ticked", len(ticks) > 50)
            shm.close()
            shm.unlink()

        main()
        """;

    /// <summary>Waits in read() for a periodic timer that has expired unread at the dump; 20 more ticks must come.</summary>
    public const string PeriodicTimer = """
        import ctypes, os, struct, time
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.timerfd_create(1, 0)
        libc.timerfd_settime(fd, 0, struct.pack("qqqq", 0, 50_000_000, 0, 50_000_000), None)
        time.sleep(0.2)
        open("ready", "w").close()
        end = time.monotonic() + 3
        while time.monotonic() < end:
            pass
        ticks = 0
        while ticks < 20:
            ticks += struct.unpack("Q", os.read(fd, 8))[0]
        print("ticked", flush=True)
        """;

    /// <summary>Holds an io_uring and goes on for a second.</summary>
    public const string IoUring = """
        import ctypes, sys, time
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.syscall(425, 8, ctypes.create_string_buffer(120))
        if fd < 0:
            sys.exit("io_uring_setup: errno %d" % ctypes.get_errno())
        open("ready", "w").close()
        time.sleep(1)
        print("went on", flush=True)
        """;
}
