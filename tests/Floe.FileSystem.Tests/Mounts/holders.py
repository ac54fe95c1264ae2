"""
holders.py MOUNT FOLDERS FILES NOTES: holds files and folders in every way, looks at all files, leaves the note 'walked', waits for 'go'; what is held must
still have its name and its bytes then. Each file holds its own path below the mount.
"""
import mmap, os, sys, time

mount, folders, files, notes = os.path.realpath(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


def path(folder, file):
    return f"{mount}/{folder}/{file}"


opened = {name: os.open(name, flags) for name, flags in [
    (path(0, 0), os.O_RDONLY), (path(1, 1), os.O_RDWR), (path(2, 2), os.O_PATH), (f"{mount}/3", os.O_PATH | os.O_DIRECTORY), (f"{mount}/4", os.O_RDONLY | os.O_DIRECTORY)]}
os.chdir(f"{mount}/5")
with open(path(6, 6), "r+b") as f:
    mapped = mmap.mmap(f.fileno(), 0)
mapped[:1] = b"!"
made = os.open(path(7, "made"), os.O_RDWR | os.O_CREAT)
os.write(made, b"made")

seen = sum(os.stat(path(folder, file)).st_size for folder in range(folders) for file in range(files))
expected = sum(len(f"{folder}/{file}") for folder in range(folders) for file in range(files))
assert seen == expected, (seen, expected)
open(f"{notes}/walked", "w").close()
while not os.path.exists(f"{notes}/go"):
    time.sleep(0.01)

for name, fd in (opened | {path(7, "made"): made}).items():
    assert os.readlink(f"/proc/self/fd/{fd}") == name, os.readlink(f"/proc/self/fd/{fd}")
    assert os.path.samestat(os.fstat(fd), os.stat(name)), name
assert os.getcwd() == f"{mount}/5" and os.stat("5").st_size == 3
assert any(line.endswith(path(6, 6)) for line in open("/proc/self/maps").read().splitlines())
assert os.pread(opened[path(0, 0)], 9, 0) == b"0/0" and open(path(6, 6)).read() == "!/6" and open(path(7, "made")).read() == "made"
assert os.pwrite(opened[path(1, 1)], b"?", 0) == 1 and open(path(1, 1)).read() == "?/1"
for folder in range(folders):
    assert open(path(folder, 8)).read() == f"{folder}/8"
