"""fsx.py FILE MODEL SEED STEPS MAXBYTES [full]: the same random reads, writes, mapped reads and writes, truncations, holes, syncs and reopenings on a
file of the mount and on a local one; every read is compared, and both files as a whole at the end. Prints the steps when they differ. With "full" two writers go on in order as well, with 1 MiB or more
at a time and holes that are filled later, so that a cache smaller than the file is full throughout."""
import ctypes, mmap, os, random, sys

path, model_path, seed, steps, limit = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
rng = random.Random(seed)
log = []
libc = ctypes.CDLL(None, use_errno=True)


def fail(what):
    print(f"seed {seed}: {what} differs after:\n" + "\n".join(log[-40:]))
    sys.exit(1)


def same(what, a, b):
    if a != b:
        if not isinstance(a, bytes) or len(a) != len(b):
            fail(f"{what} ({len(a) if isinstance(a, bytes) else a} and {len(b) if isinstance(b, bytes) else b})")
        wrong = [i for i, (x, y) in enumerate(zip(a, b)) if x != y]
        fail(f"{what} ({len(wrong)} of {len(a)} bytes from {wrong[0]} to {wrong[-1]}; {a[wrong[0]:][:8].hex()} and {b[wrong[0]:][:8].hex()})")


def both(action):
    return action(fd), action(model)


def open_both():
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o644), os.open(model_path, os.O_RDWR | os.O_CREAT, 0o644)


def span():
    """Somewhere in the file, or a little behind it; lengths small or large, often at the borders of pages, blocks and parts."""
    size = os.fstat(model).st_size
    offset = rng.choice([rng.randrange(size + 1), rng.randrange(limit), rng.randrange(limit) & ~4095, rng.randrange(limit) & ~65535])
    length = rng.choice([rng.randrange(1, 100), rng.randrange(1, 5000), rng.randrange(1, 300_000), 4096, 65536])
    return offset, max(1, min(length, limit - offset))


def mapping(f, length, access):
    return mmap.mmap(f, length, mmap.MAP_SHARED, access)


heads, holes = [0, limit // 2], []
held = None
fd, model = open_both()
for step in range(steps):
    kind = rng.choice("WWWRRRMMmmTThSOA" + ("PPPPPPPPPPPPFFFF" if len(sys.argv) > 6 else ""))
    offset, length = span()
    size = os.fstat(model).st_size
    if kind == "W":
        data = rng.randbytes(length)
        log.append(f"{step} write {offset}+{length}")
        both(lambda f: os.pwrite(f, data, offset))
    elif kind == "P":
        writer = rng.randrange(2)
        offset, data = heads[writer], rng.randbytes(rng.randrange(1 << 20, 2 << 20))
        hole = rng.choice([0, 65536, rng.randrange(1, 200_000)])
        log.append(f"{step} writer {writer} {offset}+{len(data)}, leaving {hole}")
        both(lambda f: os.pwrite(f, data, offset))
        holes.append((offset + len(data), hole))
        heads[writer] = offset + len(data) + hole
        if heads[writer] > limit - (3 << 20):
            heads[writer] = rng.randrange(limit // 2)
    elif kind == "F" and holes:
        offset, length = rng.choice(holes)
        offset = max(0, offset - rng.choice([0, rng.randrange(100_000)]))
        data = rng.randbytes(max(1, length))
        log.append(f"{step} fill {offset}+{len(data)}")
        both(lambda f: os.pwrite(f, data, offset))
    elif kind == "A":
        data = rng.randbytes(min(length, max(1, limit - size)))
        log.append(f"{step} append {len(data)}")
        for name in (path, model_path):
            f = os.open(name, os.O_WRONLY | os.O_APPEND)
            os.write(f, data)
            os.close(f)
    elif kind == "R":
        log.append(f"{step} read {offset}+{length}")
        same("a read", *both(lambda f: os.pread(f, length, offset)))
        if held is not None:
            same("a read of the other handle", os.pread(held, length, offset), os.pread(model, length, offset))
    elif kind in "Mm" and size > 0:
        offset = rng.randrange(size)
        length = min(length, size - offset)
        data = rng.randbytes(length)
        log.append(f"{step} map {'write' if kind == 'M' else 'read'} {offset}+{length}")

        def through(f):
            with mapping(f, size, mmap.PROT_READ | mmap.PROT_WRITE if kind == "M" else mmap.PROT_READ) as m:
                if kind == "M":
                    m[offset:offset + length] = data
                return m[offset:offset + length]

        same("a mapped read", *both(through))
    elif kind == "T":
        log.append(f"{step} truncate {offset}")
        both(lambda f: os.ftruncate(f, offset))
    elif kind == "h" and size > 0:
        log.append(f"{step} punch {offset}+{length}")
        for f in (fd, model):
            if libc.fallocate(f, 3, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
                fail(f"fallocate ({os.strerror(ctypes.get_errno())})")
    elif kind == "S":
        log.append(f"{step} fsync")
        both(os.fsync)
    elif kind == "O":
        # Synced, closed and opened for reading first: then the kernel may read the mount's local file itself.
        hold = rng.random() < 0.5
        log.append(f"{step} reopen {'behind a reader' if hold else ''}")
        if held is not None:
            os.close(held)
            held = None
        if hold:
            os.fsync(fd)
        both(os.close)
        if hold:
            held = os.open(path, os.O_RDONLY)
        fd, model = open_both()
    same("the size", *both(lambda f: os.fstat(f).st_size))
size = os.fstat(model).st_size
same("the file", *both(lambda f: os.pread(f, size, 0)))
both(os.close)
