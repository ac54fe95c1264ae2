"""work.py STEPS: numbered output from state that is only in memory, 8 MiB of it, shared with a child through pipes; a log in the working
directory. Started anew instead of resumed, it would write its first lines a second time."""
import os
import sys
import time
import zlib

steps = int(sys.argv[1])
memory = bytearray(8 << 20)
ask, tell, hear, answer = *os.pipe(), *os.pipe()
if os.fork() == 0:
    total = 1
    while number := os.read(ask, 8):
        total = zlib.crc32(number, total)
        os.write(answer, total.to_bytes(8, "little"))
    os._exit(0)

total = 0
with open("log", "a", buffering=1) as log:
    for step in range(1, steps + 1):
        os.write(tell, (step ^ total).to_bytes(8, "little"))
        total = int.from_bytes(os.read(hear, 8), "little")
        at = total % (len(memory) - 4096)
        memory[at : at + 4096] = total.to_bytes(8, "little") * 512
        print(f"step {step} {total:08x}", flush=True)
        log.write(f"{step} {zlib.crc32(memory):08x}\n")
        time.sleep(0.05)
print(f"end {zlib.crc32(memory):08x}")
