"""lookers.py FOLDER FILES: makes files while other processes ask for their names all the time; each must keep its name while it is open."""
import os, signal, sys

folder, files = os.path.realpath(sys.argv[1]), int(sys.argv[2])
names = [f"{folder}/{i}" for i in range(files)]
lookers = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        signal.alarm(300)
        for name in names:
            while not os.path.exists(name):
                pass
        os._exit(0)
    lookers.append(pid)
lost = []
for name in names:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644)
    if (shown := os.readlink(f"/proc/self/fd/{fd}")) != name:
        lost.append(shown)
    os.close(fd)
for looker in lookers:
    os.waitpid(looker, 0)
print("\n".join(lost))
sys.exit(bool(lost))
