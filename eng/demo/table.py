"""table.py SCRATCH SAME NOTICED FROZEN RESUMED FINISHED BEGAN: the demonstration's closing table, from `floe show --json` (the
store's own account), the logs of both floe runs and the moments (Unix milliseconds) that the demonstration measured."""
import json
import re
import sys

scratch, same = sys.argv[1:3]
noticed, frozen, resumed, finished, began = map(int, sys.argv[3:8])


def manifests(value):
    """Every manifest in the answer, wherever it lies."""
    if isinstance(value, dict):
        if "totals" in value and "timings" in value:
            yield value
        for inner in value.values():
            yield from manifests(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from manifests(inner)


def text(name):
    with open(f"{scratch}/{name}") as file:
        return file.read()


def size(count):
    return f"{count / (1 << 20):,.1f} MiB"


def seconds(millis):
    return f"{millis / 1000:.2f} s"


def found(pattern, log):
    match = re.search(pattern, log)
    return match.groups() if match else None


show = max(manifests(json.loads(text("show.json"))), key=lambda manifest: manifest["seq"])
totals, timings = show["totals"], show["timings"]
log_a, log_b = text("machine-a.log"), text("machine-b.log")
committed = found(r"Snapshot \d+ committed: (\d+) processes", log_a)
froze = found(r"frozen for (\d+) ms", log_a)
restored = found(r"Restored snapshot \d+ of machine (\S+): (\d+) MiB in (\d+) ms", log_b)
steps_a = re.findall(r"^step +(\d+)", text("machine-a.out"), re.M)
steps_b = re.findall(r"^step +(\d+)", text("machine-b.out"), re.M)
lost = "none" if same == "yes" and restored and not set(steps_a) & set(steps_b) else "SOME"

rows = [
    ("frozen", f"{committed[0] + ' processes, ' if committed else ''}{size(totals['rawBytes'])} of memory and files"),
    ("  zero, only named", size(totals["zeroBytes"])),
    ("  deduplicated", size(totals["dedupBytes"])),
    ("  new", size(totals["newBytes"])),
    ("sent to the store", f"{size(totals['uploadedBytes'])} (compressed)"),
    ("restored on B", f"{restored[1]} MiB from {restored[0]}" if restored else "NOTHING"),
    None,
    ("notice to exit 75", seconds(frozen - noticed)),
    ("  CRIU's dump of the structure", seconds(timings["dumpMillis"])),
    ("  capture of memory and files", seconds(timings["captureMillis"])),
    ("  upload (beside the capture)", seconds(timings["uploadMillis"])),
    ("  task stood still in all", seconds(int(froze[0])) if froze else "?"),
    ("restore on B", seconds(int(restored[2])) if restored else "?"),
    ("rest of the job on B", seconds(finished - resumed)),
    ("the whole demonstration", seconds(finished - began)),
    None,
    ("last step on A, first on B", f"{steps_a[-1]}, {steps_b[0]}" if steps_a and steps_b else "?"),
    ("output against the undisturbed run", "identical, byte for byte" if same == "yes" else "DIFFERENT"),
    ("work lost", lost),
]
width = max(len(row[0]) for row in rows if row) + 2
line = "  " + "─" * (width + 48)
print(f"\n{line}")
for row in rows:
    print(f"  {row[0]:<{width}}{row[1]}" if row else line)
print(line)
sys.exit(lost != "none")
