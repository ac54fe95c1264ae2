"""appenders.py FILE PROCESSES LINES: so many processes append their lines to one file at the same time, each line with one write."""
import os, sys

path, processes, lines = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
children = []
for process in range(processes):
    pid = os.fork()
    if pid == 0:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for line in range(lines):
            text = f"{process} {line} {'x' * ((line * 37 + process) % 300)}\n".encode()
            if os.write(fd, text) != len(text):
                os._exit(1)
        os.close(fd)
        os._exit(0)
    children.append(pid)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children))
