"""posix.py FOLDER: the usual checks of a POSIX file system, one line each: what was tried, and the result or the error's name.

Run on a local folder and on a mount; the outputs must be the same, but for what docs/semantics.md names. Needs root, for other users' rights.
"""
import ctypes, errno, fcntl, mmap, os, resource, signal, socket, stat, sys, time

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


def as_other(action, groups=()):
    """In a child with another user's rights; gives the errno's name or 'ok'."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(groups)
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


def changes_time(action, *names):
    """Whether the status change time of each name moves, and its modification time."""
    before = [os.lstat(p(n)) for n in names]
    time.sleep(0.02)
    action()
    after = [os.lstat(p(n)) for n in names]
    return [(a.st_ctime_ns > b.st_ctime_ns, a.st_mtime_ns > b.st_mtime_ns) for b, a in zip(before, after)]


UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
libc = ctypes.CDLL(None, use_errno=True)


def utimensat(name, access, modification):
    """Times as (seconds, nanoseconds), for what os.utime has no words."""
    if libc.utimensat(-100, p(name).encode(), (ctypes.c_long * 4)(*access, *modification), 0):
        raise OSError(ctypes.get_errno(), name)


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

check("open a file with a slash behind it", lambda: opened("file/", os.O_RDONLY))
check("create with a slash behind it", lambda: opened("nofile/", os.O_CREAT | os.O_WRONLY))
check("create exclusively what is a link to nothing", lambda: (os.symlink("later", p("tolater")), opened("tolater", os.O_CREAT | os.O_EXCL | os.O_WRONLY))[1])
check("create through a link to nothing", lambda: (opened("tolater", os.O_CREAT | os.O_WRONLY), os.path.isfile(p("later")), os.unlink(p("tolater")))[1])
check("a loop in the middle of a path", lambda: os.stat(p("loop/x")))
check("a path that is too long as a whole", lambda: os.stat(p("dir/" * 1100)))
check("a path handle", lambda: (lambda fd: (stat.S_ISREG(os.fstat(fd).st_mode), os.read(fd, 1)))(os.open(p("file"), os.O_PATH)))

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
check("mkdir and rmdir with a slash behind them", lambda: (os.mkdir(p("slash/")), os.stat(p("slash/")).st_size >= 0, os.rmdir(p("slash/")), os.path.exists(p("slash")))[1:])
check("a link to a folder with a slash behind it", lambda: (stat.S_ISDIR(os.lstat(p("dirlink/")).st_mode), stat.S_ISLNK(os.lstat(p("dirlink")).st_mode)))
check("rmdir of a link with a slash behind it", lambda: os.rmdir(p("dirlink/")))
check("a folder has a link count", lambda: os.stat(p("dir")).st_nlink > 0)
check("a removed folder has none", lambda: (os.mkdir(p("rd")), (lambda fd: (os.rmdir(p("rd")), os.fstat(fd).st_nlink)[1])(os.open(p("rd"), os.O_RDONLY)))[1])
check("rmdir of dot", lambda: os.rmdir(p("dir/.")))

# unlink
check("unlink of nothing", lambda: os.unlink(p("no")))
check("unlink of a folder", lambda: os.unlink(p("dir")))
check("unlink below a file", lambda: os.unlink(p("file/x")))
check("unlink with a slash behind it", lambda: os.unlink(p("file/")))
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

check("rename of a file with a slash behind it", lambda: os.rename(p("b"), p("c/")))
check("rename of a folder with a slash behind it", lambda: (os.rename(p("moved"), p("moved2/")), names("moved2"), os.rename(p("moved2/"), p("moved")))[1])
check("rename of dot", lambda: os.rename(p("moved/."), p("x")))

# links
check("symlink with a slash behind it", lambda: os.symlink("x", p("newlink/")))
check("symlink to nothing said", lambda: os.symlink("", p("newlink")))
check("symlink to too long a path", lambda: os.symlink("x" * 5000, p("newlink")))
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


check("chown drops the set-id bits", lambda: (make("ids"), os.chmod(p("ids"), 0o6755), os.chown(p("ids"), 12, 34), os.stat(p("ids")))[3])
check("chown leaves the set-group-id bit of what no group runs", lambda: (os.chmod(p("ids"), 0o2644), os.chown(p("ids"), 13, 35), os.stat(p("ids")))[2])
check("chown of a folder leaves them", lambda: (os.mkdir(p("idd")), os.chmod(p("idd"), 0o2755), os.chown(p("idd"), 12, 34), os.stat(p("idd")))[3])
check("chown of a link alone", lambda: (os.symlink("ids", p("idl")), os.lchown(p("idl"), 5, 6), os.lstat(p("idl")).st_uid, os.stat(p("idl")).st_uid, os.unlink(p("idl")))[2:4])
check("chown of nothing changes nothing", lambda: (os.chown(p("ids"), -1, -1), os.stat(p("ids")))[1])
check("times that are left out", lambda: (utimensat("ids", (7, 8), (9, 10)), utimensat("ids", (0, UTIME_OMIT), (11, 12)), utimensat("ids", (13, 14), (0, UTIME_OMIT)), os.stat(p("ids")).st_atime_ns, os.stat(p("ids")).st_mtime_ns)[3:])
check("times of now", lambda: (utimensat("ids", (15, 16), (0, UTIME_NOW)), os.stat(p("ids")).st_atime_ns, time.time() - os.stat(p("ids")).st_mtime < 100)[1:])
check("times before 1970", lambda: (utimensat("ids", (1, 0), (-5, 0)), os.stat(p("ids")).st_mtime_ns)[1])
check("times of a link alone", lambda: (os.symlink("ids", p("tl")), os.utime(p("tl"), (21, 22), follow_symlinks=False), os.lstat(p("tl")).st_mtime, os.stat(p("tl")).st_mtime == 22, os.unlink(p("tl")))[2:4])

# which times move: (status change, modification) of each
make("ct"); os.mkdir(p("cd")); os.mkdir(p("cd2")); make("cd/x")
check("times after chmod", lambda: changes_time(lambda: os.chmod(p("ct"), 0o600), "ct"))
check("times after chown", lambda: changes_time(lambda: os.chown(p("ct"), 1, 1), "ct"))
check("times after utime", lambda: changes_time(lambda: os.utime(p("ct"), (1, 1)), "ct"))
check("times after a write", lambda: changes_time(lambda: make("ct", "other"), "ct"))
check("times after a truncation", lambda: changes_time(lambda: os.truncate(p("ct"), 2), "ct"))
check("times after a truncation to the same size", lambda: changes_time(lambda: os.truncate(p("ct"), 2), "ct"))
check("times after reading", lambda: changes_time(lambda: text("ct"), "ct"))
check("times after a file was made", lambda: changes_time(lambda: make("cd/y"), "cd"))
check("times after a file was changed", lambda: changes_time(lambda: make("cd/y", "more"), "cd"))
check("times after unlink", lambda: changes_time(lambda: os.unlink(p("cd/y")), "cd"))
check("times after mkdir", lambda: changes_time(lambda: os.mkdir(p("cd/z")), "cd"))
check("times after rmdir", lambda: changes_time(lambda: os.rmdir(p("cd/z")), "cd"))
check("times after symlink", lambda: changes_time(lambda: os.symlink("x", p("cd/l")), "cd"))
check("times after rename", lambda: changes_time(lambda: os.rename(p("cd/x"), p("cd2/x")), "cd", "cd2"))
check("time of a renamed file", lambda: changes_time(lambda: os.rename(p("ct"), p("ct2")) or os.rename(p("ct2"), p("ct")), "ct"))
check("times after chmod of a folder", lambda: changes_time(lambda: os.chmod(p("cd"), 0o700), "cd"))
check("times of an open file after unlink", lambda: (lambda fd: (lambda before: (time.sleep(0.02), os.unlink(p("ct")), os.fstat(fd).st_ctime_ns > before)[2])(os.fstat(fd).st_ctime_ns))(os.open(p("ct"), os.O_RDONLY)))


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
check("seek to data and to the hole at the end", lambda: (make("sk"), (lambda f: (os.lseek(f, 1, os.SEEK_DATA), os.lseek(f, 0, os.SEEK_HOLE)))(os.open(p("sk"), os.O_RDONLY)))[1])
check("seek to data past the end", lambda: os.lseek(os.open(p("t"), os.O_RDONLY), 1 << 30, os.SEEK_DATA))
check("write with set-user-id drops it", lambda: (make("suid"), os.chmod(p("suid"), 0o4777), as_other(lambda: os.write(os.open(p("suid"), os.O_WRONLY), b"x")), os.stat(p("suid")))[3])
check("truncate with set-user-id drops it", lambda: (os.chmod(p("suid"), 0o4777), as_other(lambda: os.truncate(p("suid"), 0)), os.stat(p("suid")))[2])
check("a file without a name", lambda: (lambda fd: (os.write(fd, b"tmp"), os.fstat(fd).st_nlink, os.pread(fd, 9, 0))[1:])(os.open(root, os.O_TMPFILE | os.O_RDWR)))
check("a fifo", lambda: (os.mkfifo(p("fifo")), stat.S_ISFIFO(os.stat(p("fifo")).st_mode), os.unlink(p("fifo")))[1])


check("mknod of a file", lambda: (os.mknod(p("node"), 0o640 | stat.S_IFREG), os.stat(p("node")), os.unlink(p("node")))[1])
check("mknod of what is there", lambda: os.mknod(p("b"), 0o640 | stat.S_IFREG))
check("a device", lambda: (os.mknod(p("null"), 0o640 | stat.S_IFCHR, os.makedev(1, 3)), os.unlink(p("null")))[0])


def limited():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    fd = os.open(p("limited"), os.O_CREAT | os.O_WRONLY)
    found = os.pwrite(fd, b"x" * 100, 950)
    try:
        os.pwrite(fd, b"x", 1000)
    except OSError as e:
        found = (found, errno.errorcode[e.errno])
    try:
        os.ftruncate(fd, 1001)
    except OSError as e:
        found = (*found, errno.errorcode[e.errno])
    return (*found, os.fstat(fd).st_size)


os.chmod(root, 0o777)
check("more than the limit of a file's size", lambda: as_other(limited))


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
os.chmod(p("open/mine"), 0o666); os.chown(p("open/mine"), 0, 0)
check("another sets times of what it may write to now", lambda: as_other(lambda: os.utime(p("open/mine"))))
check("another sets other times of it", lambda: as_other(lambda: os.utime(p("open/mine"), (1, 1))))
check("another leaves access times alone of what is not its own", lambda: as_other(lambda: opened("open/mine", os.O_RDONLY | os.O_NOATIME)))
check("another runs what nobody may", lambda: as_other(lambda: os.execv(p("open/mine"), ["mine"])))
make("grouped", "g", 0o640); os.chown(p("grouped"), 0, 77)
check("another reads by a group of its own", lambda: as_other(lambda: text("grouped"), [77]))
check("another without it", lambda: as_other(lambda: text("grouped"), [78]))
make("theirs"); os.chown(p("theirs"), OTHER, 78)
check("another gives its file to a group of its own", lambda: as_other(lambda: (os.chown(p("theirs"), -1, 77), os.stat(p("theirs")))[1], [77]))
check("another gives it to a group of others", lambda: as_other(lambda: os.chown(p("theirs"), -1, 79), [77]))
check("another gives it away", lambda: as_other(lambda: os.chown(p("theirs"), 5, -1), [77]))
check("another sets the set-group-id bit of a group of others", lambda: as_other(lambda: (os.chmod(p("theirs"), 0o2755), os.stat(p("theirs")))[1]))
os.mkdir(p("open/fixed"), 0o755); os.mkdir(p("open2"), 0o777); os.chmod(p("open2"), 0o777)
check("another moves a folder that it may not write to", lambda: as_other(lambda: os.rename(p("open/fixed"), p("open2/fixed"))))
check("another renames it in its place", lambda: as_other(lambda: os.rename(p("open/fixed"), p("open/fixed2"))))
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
check("a write at an offset of what appends", lambda: (make("ap", "0123"), (lambda f: (os.pwrite(f, b"END", 0), os.close(f), text("ap")))(os.open(p("ap"), os.O_WRONLY | os.O_APPEND)))[1])
check("a write of nothing past the end", lambda: (lambda f: (os.pwrite(f, b"", 100), os.fstat(f).st_size))(os.open(p("ap"), os.O_WRONLY)))
check("a read past the end", lambda: (lambda f: (os.pread(f, 10, 100), os.pread(f, 10, 5)))(os.open(p("ap"), os.O_RDONLY)))
check("a read at less than nothing", lambda: os.pread(os.open(p("ap"), os.O_RDONLY), 1, -1))
check("the longest name", lambda: (os.statvfs(root).f_namemax, opened("n" * 255, os.O_CREAT | os.O_WRONLY), os.unlink(p("n" * 255)))[0])
check("duplicated descriptors share an offset", lambda: (lambda f: (os.read(os.dup(f), 3), os.read(f, 3))[1])(os.open(p("m"), os.O_RDONLY)))
check("fsync", lambda: os.fsync(os.open(p("m"), os.O_WRONLY)))
check("fsync of a folder", lambda: os.fsync(os.open(root, os.O_RDONLY)))
check("copy_file_range", lambda: (lambda a, b: (os.copy_file_range(a, b, 100), os.fstat(b).st_size)[1])(os.open(p("m"), os.O_RDONLY), os.open(p("copied"), os.O_CREAT | os.O_RDWR)))
check("setting an attribute", lambda: os.setxattr(p("m"), "user.mine", b"x"))
check("an attribute that is not there", lambda: os.getxattr(p("m"), "user.none"))
check("names in the folder", names)
