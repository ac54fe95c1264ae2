"""posix.py FOLDER: the usual checks of a POSIX file system, one line each: what was tried, and the result or the error's name.

Run on a local folder and on a mount; the outputs must be the same, but for what docs/semantics.md names. Needs root, for other users' rights.
"""
import errno, fcntl, mmap, os, socket, stat, sys, time

# From inside, so that other users need no rights above.
os.chdir(sys.argv[1])
root = "."
OTHER = 65534
LONG = "n" * 256


def p(name):
    return name


def told(result):
    if isinstance(result, os.stat_result):
        return f"{oct(result.st_mode)} links={result.st_nlink if stat.S_ISREG(result.st_mode) else '-'} uid={result.st_uid} gid={result.st_gid} size={result.st_size if stat.S_ISREG(result.st_mode) else '-'}"
    return repr(result)


def check(what, action):
    try:
        result = told(action())
    except OSError as e:
        result = errno.errorcode[e.errno]
    print(f"{what}: {result}", flush=True)


def as_other(action):
    """In a child with another user's rights; gives the errno's name or 'ok'."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(OTHER, OTHER, OTHER)
            os.setresuid(OTHER, OTHER, OTHER)
            result = told(action())
        except OSError as e:
            result = errno.errorcode[e.errno]
        os.write(write, result.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return text


def make(name, text="text", mode=0o644):
    fd = os.open(p(name), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
    os.write(fd, text.encode())
    os.close(fd)


def text(name):
    with open(p(name)) as f:
        return f.read()


def opened(name, flags, mode=0o644):
    os.close(os.open(p(name), flags, mode))


def names(folder=""):
    return sorted(os.listdir(p(folder) if folder else root))


os.umask(0o022)

# open
check("open what is not there", lambda: opened("no", os.O_RDONLY))
check("open below a file", lambda: (make("file"), opened("file/x", os.O_RDONLY))[1])
check("create exclusively what is there", lambda: opened("file", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
check("open a folder for writing", lambda: (os.mkdir(p("dir")), opened("dir", os.O_WRONLY))[1])
check("open a file as a folder", lambda: opened("file", os.O_RDONLY | os.O_DIRECTORY))
check("open too long a name", lambda: opened(LONG, os.O_CREAT | os.O_WRONLY))
check("open with O_TRUNC", lambda: (opened("file", os.O_WRONLY | os.O_TRUNC), os.stat(p("file")))[1])
check("create takes the umask off", lambda: (opened("masked", os.O_CREAT | os.O_WRONLY, 0o777), os.stat(p("masked")))[1])
check("create with mode 0 can be written", lambda: (lambda fd: (os.write(fd, b"x"), os.close(fd), os.stat(p("zero")))[2])(os.open(p("zero"), os.O_CREAT | os.O_WRONLY, 0)))
check("open a link without following", lambda: (os.symlink("file", p("link")), opened("link", os.O_RDONLY | os.O_NOFOLLOW))[1])
check("open a loop of links", lambda: (os.symlink("loop", p("loop")), opened("loop", os.O_RDONLY))[1])
check("write to what is open for reading", lambda: (lambda fd: os.write(fd, b"x"))(os.open(p("file"), os.O_RDONLY)))
check("read what is open for writing", lambda: (lambda fd: os.read(fd, 1))(os.open(p("file"), os.O_WRONLY)))
check("a folder is no file to read", lambda: os.read(os.open(p("dir"), os.O_RDONLY), 1))

# mkdir, rmdir
check("mkdir what is there", lambda: os.mkdir(p("dir")))
check("mkdir over a file", lambda: os.mkdir(p("file")))
check("mkdir below nothing", lambda: os.mkdir(p("no/x")))
check("mkdir below a file", lambda: os.mkdir(p("file/x")))
check("mkdir keeps its mode", lambda: (os.mkdir(p("dir/private"), 0o700), os.stat(p("dir/private")))[1])
check("rmdir of what is not empty", lambda: os.rmdir(p("dir")))
check("rmdir of a file", lambda: os.rmdir(p("file")))
check("rmdir of nothing", lambda: os.rmdir(p("no")))
check("rmdir of a link to a folder", lambda: (os.symlink("dir", p("dirlink")), os.rmdir(p("dirlink")))[1])
check("rmdir", lambda: (os.rmdir(p("dir/private")), names("dir"))[1])
check("rmdir of dot", lambda: os.rmdir(p("dir/.")))

# unlink
check("unlink of nothing", lambda: os.unlink(p("no")))
check("unlink of a folder", lambda: os.unlink(p("dir")))
check("unlink below a file", lambda: os.unlink(p("file/x")))
check("unlink of a link leaves its target", lambda: (os.symlink("file", p("l2")), os.unlink(p("l2")), os.path.exists(p("file")))[2])


def unlinked_but_open():
    make("gone", "still here")
    fd = os.open(p("gone"), os.O_RDWR)
    os.unlink(p("gone"))
    os.pwrite(fd, b"STILL", 0)
    os.ftruncate(fd, 8)
    found = (os.pread(fd, 100, 0), os.fstat(fd).st_nlink, os.fstat(fd).st_size, os.path.exists(p("gone")))
    os.close(fd)
    return found


check("unlinked but open", unlinked_but_open)


def replaced_but_open():
    make("old", "old"); make("new", "new")
    fd = os.open(p("old"), os.O_RDONLY)
    os.rename(p("new"), p("old"))
    found = (os.read(fd, 10), os.fstat(fd).st_nlink, text("old"))
    os.close(fd)
    return found


check("replaced but open", replaced_but_open)
check("removed folder as working directory", lambda: (os.mkdir(p("wd")), (lambda fd: (os.rmdir(p("wd")), os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=fd))[1])(os.open(p("wd"), os.O_RDONLY)))[1])

# rename
make("a", "a"); make("b", "b"); os.mkdir(p("empty")); os.mkdir(p("full")); make("full/x", "x")
check("rename of nothing", lambda: os.rename(p("no"), p("c")))
check("rename to below nothing", lambda: os.rename(p("a"), p("no/c")))
check("rename of a file over a folder", lambda: os.rename(p("a"), p("empty")))
check("rename of a folder over a file", lambda: os.rename(p("empty"), p("a")))
check("rename of a folder over a full one", lambda: os.rename(p("empty"), p("full")))
check("rename of a folder into itself", lambda: os.rename(p("full"), p("full/below")))
check("rename to itself", lambda: (os.rename(p("a"), p("a")), text("a"))[1])
check("rename to too long a name", lambda: os.rename(p("a"), p(LONG)))
check("rename over a file", lambda: (os.rename(p("a"), p("b")), text("b"), os.path.exists(p("a")))[1:])
check("rename of a full folder over an empty one", lambda: (os.rename(p("full"), p("empty")), names("empty"), text("empty/x"))[1:])
check("rename of a folder with an open file", lambda: (lambda fd: (os.rename(p("empty"), p("moved")), os.pwrite(fd, b"yz", 1), os.close(fd), text("moved/x"))[3])(os.open(p("empty/x"), os.O_RDWR)))
check("rename of a link moves the link", lambda: (os.symlink("b", p("lb")), os.rename(p("lb"), p("lc")), os.readlink(p("lc")), text("b"))[2:])

# links
check("readlink of a file", lambda: os.readlink(p("b")))
check("symlink over what is there", lambda: os.symlink("x", p("b")))
check("symlink to nothing", lambda: (os.symlink("nowhere", p("dangling")), os.path.lexists(p("dangling")), os.path.exists(p("dangling")))[1:])
check("a link's own attributes", lambda: os.lstat(p("dangling")))
check("a hard link", lambda: (os.link(p("masked"), p("hard")), os.unlink(p("hard")))[0])

# attributes
check("chmod", lambda: (os.chmod(p("b"), 0o4711), os.stat(p("b")))[1])
check("chmod of nothing", lambda: os.chmod(p("no"), 0o600))
check("chown", lambda: (os.chown(p("b"), 12, 34), os.stat(p("b")))[1])
check("times", lambda: (os.utime(p("b"), ns=(5_000_000_007, 6_000_000_008)), os.stat(p("b")).st_mtime_ns, os.stat(p("b")).st_atime_ns)[1:])
check("times of a folder", lambda: (os.utime(p("dir"), ns=(5_000_000_007, 6_000_000_008)), os.stat(p("dir")).st_mtime_ns)[1])


def mtime_moves():
    os.utime(p("b"), (1, 1))
    fd = os.open(p("b"), os.O_WRONLY)
    os.write(fd, b"!")
    os.close(fd)
    return os.stat(p("b")).st_mtime > time.time() - 1000


check("a write moves the modification time", mtime_moves)
check("a name made moves the folder's", lambda: (os.utime(p("dir"), (1, 1)), make("dir/n"), os.stat(p("dir")).st_mtime > 1000)[2])
check("truncate shorter", lambda: (make("t", "0123456789"), os.truncate(p("t"), 4), text("t"))[2])
check("truncate longer", lambda: (os.truncate(p("t"), 6), text("t"))[1])
check("truncate of a folder", lambda: os.truncate(p("dir"), 0))
check("truncate to less than nothing", lambda: os.ftruncate(os.open(p("t"), os.O_WRONLY), -1))
check("ftruncate of what is open for reading", lambda: os.ftruncate(os.open(p("t"), os.O_RDONLY), 1))
check("fallocate", lambda: (lambda fd: (os.posix_fallocate(fd, 0, 5000), os.fstat(fd).st_size)[1])(os.open(p("t"), os.O_WRONLY)))
check("a hole reads as zeros", lambda: (lambda fd: (os.pwrite(fd, b"end", 300_000), os.pread(fd, 4, 200_000), os.fstat(fd).st_size)[1:])(os.open(p("hole"), os.O_CREAT | os.O_RDWR)))
check("seek to data past the end", lambda: os.lseek(os.open(p("t"), os.O_RDONLY), 1 << 30, os.SEEK_DATA))
check("write with set-user-id drops it", lambda: (make("suid"), os.chmod(p("suid"), 0o4777), as_other(lambda: os.write(os.open(p("suid"), os.O_WRONLY), b"x")), os.stat(p("suid")))[3])
check("a file without a name", lambda: (lambda fd: (os.write(fd, b"tmp"), os.fstat(fd).st_nlink, os.pread(fd, 9, 0))[1:])(os.open(root, os.O_TMPFILE | os.O_RDWR)))
check("a fifo", lambda: (os.mkfifo(p("fifo")), stat.S_ISFIFO(os.stat(p("fifo")).st_mode), os.unlink(p("fifo")))[1])


def socket_file():
    s = socket.socket(socket.AF_UNIX)
    s.bind(p("sock"))
    s.listen()
    c = socket.socket(socket.AF_UNIX)
    c.connect(p("sock"))
    return stat.S_ISSOCK(os.stat(p("sock")).st_mode)


check("a socket", socket_file)
check("bytes of a pipe through it", lambda: (os.mkfifo(p("pipe")), (lambda pid: (pid or os._exit((make("pipe", "through"), 0)[1]), text("pipe"), os.waitpid(pid, 0)[1])[1:])(os.fork()))[1])

# other users
os.chmod(root, 0o755)
make("secret", "s", 0o600); make("shared", "s", 0o644); os.mkdir(p("closed"), 0o700); make("closed/x"); os.mkdir(p("open"), 0o777); os.chmod(p("open"), 0o777)
os.mkdir(p("sticky")); os.chmod(p("sticky"), 0o1777); make("sticky/mine"); make("open/theirs")
check("another reads what is private", lambda: as_other(lambda: opened("secret", os.O_RDONLY)))
check("another reads what is public", lambda: as_other(lambda: text("shared")))
check("another writes what is readable", lambda: as_other(lambda: opened("shared", os.O_WRONLY)))
check("another looks into a closed folder", lambda: as_other(lambda: os.stat(p("closed/x"))))
check("another lists a closed folder", lambda: as_other(lambda: os.listdir(p("closed"))))
check("another makes a file in a folder of others", lambda: as_other(lambda: make("dir/x2")))
check("another makes a file in an open folder", lambda: as_other(lambda: (make("open/mine"), os.stat(p("open/mine")))[1]))
check("another removes from an open folder", lambda: as_other(lambda: os.unlink(p("open/theirs"))))
check("another removes from a sticky folder", lambda: as_other(lambda: os.unlink(p("sticky/mine"))))
check("another renames in a sticky folder", lambda: as_other(lambda: os.rename(p("sticky/mine"), p("sticky/x"))))
check("another changes the mode", lambda: as_other(lambda: os.chmod(p("shared"), 0o777)))
check("another changes the owner", lambda: as_other(lambda: os.chown(p("shared"), OTHER, OTHER)))
check("another sets times", lambda: as_other(lambda: os.utime(p("shared"), (1, 1))))
check("another truncates", lambda: as_other(lambda: os.truncate(p("shared"), 0)))
check("the owner's group is taken over", lambda: (os.mkdir(p("sgid")), os.chown(p("sgid"), 0, 77), os.chmod(p("sgid"), 0o2777), as_other(lambda: make("sgid/x")), os.stat(p("sgid/x")))[4])
check("access", lambda: as_other(lambda: (os.access(p("shared"), os.R_OK), os.access(p("shared"), os.W_OK), os.access(p("secret"), os.R_OK))))


# locks
def in_child(action):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            action()
            result = "granted"
        except OSError as e:
            result = errno.errorcode[e.errno]
        os.write(write, result.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as f:
        result = f.read()
    os.waitpid(pid, 0)
    return result


make("locked")
fd = os.open(p("locked"), os.O_RDWR)
fcntl.flock(fd, fcntl.LOCK_EX)
check("flock held by another", lambda: in_child(lambda: fcntl.flock(os.open(p("locked"), os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)))
fcntl.flock(fd, fcntl.LOCK_UN)
check("flock given back", lambda: in_child(lambda: fcntl.flock(os.open(p("locked"), os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)))
fcntl.lockf(fd, fcntl.LOCK_EX, 10, 0)
check("fcntl lock held by another", lambda: in_child(lambda: fcntl.lockf(os.open(p("locked"), os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5)))
check("fcntl lock beside it", lambda: in_child(lambda: fcntl.lockf(os.open(p("locked"), os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 10)))
os.close(os.open(p("locked"), os.O_RDONLY))
check("fcntl lock gone with any close", lambda: in_child(lambda: fcntl.lockf(os.open(p("locked"), os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5)))
os.close(fd)


# mappings and descriptors
def mapped():
    make("m", "0123456789" * 1000)
    f = os.open(p("m"), os.O_RDWR)
    m = mmap.mmap(f, 10000)
    m[100:104] = b"MMAP"
    seen = os.pread(f, 4, 100)
    os.pwrite(f, b"PWRITE", 5000)
    back = bytes(m[5000:5006])
    m.flush()
    m.close()
    os.close(f)
    return seen, back, text("m")[100:104], text("m")[5000:5006]


check("a shared mapping and the file are one", mapped)
check("a mapping of what is open for reading", lambda: mmap.mmap(os.open(p("m"), os.O_RDONLY), 100, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))
check("append goes to the end", lambda: (lambda f: (os.lseek(f, 0, 0), os.write(f, b"END"), os.fstat(f).st_size, os.close(f))[2])(os.open(p("m"), os.O_WRONLY | os.O_APPEND)))
check("duplicated descriptors share an offset", lambda: (lambda f: (os.read(os.dup(f), 3), os.read(f, 3))[1])(os.open(p("m"), os.O_RDONLY)))
check("fsync", lambda: os.fsync(os.open(p("m"), os.O_WRONLY)))
check("fsync of a folder", lambda: os.fsync(os.open(root, os.O_RDONLY)))
check("copy_file_range", lambda: (lambda a, b: (os.copy_file_range(a, b, 100), os.fstat(b).st_size)[1])(os.open(p("m"), os.O_RDONLY), os.open(p("copied"), os.O_CREAT | os.O_RDWR)))
check("setting an attribute", lambda: os.setxattr(p("m"), "user.mine", b"x"))
check("an attribute that is not there", lambda: os.getxattr(p("m"), "user.none"))
check("names in the folder", names)
