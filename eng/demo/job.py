#!/usr/bin/python3
"""job.py OUTDIR: the demonstration's computation. Four workers, each with 96 MiB that change at scattered places; a coordinator that
speaks with them through pipes, keeps a table of Python objects, a shared-memory segment, an open log and an unlinked scratch file.
About 25 seconds, mostly pauses. Whatever machine it runs on, and however often it moves, it prints the same."""
import hashlib
import mmap
import os
import random
import sys
import tempfile
import time
from multiprocessing import shared_memory

WORKERS, STEPS, MIB = 4, 120, 1 << 20


def worker(number, orders, answers, segment):
    rng = random.Random(number)
    memory = mmap.mmap(-1, 96 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for at in range(0, 64 * MIB, 4 * MIB):  # two thirds random, one third text that compresses well
        memory[at : at + 4 * MIB] = rng.randbytes(4 * MIB)
    line = f"worker {number}: the quick brown fox jumps over the lazy dog\n".encode()
    memory[64 * MIB :] = (line * (32 * MIB // len(line) + 1))[: 32 * MIB]
    digest = hashlib.sha256()
    while order := orders.readline():
        for _ in range(64):
            at = rng.randrange(0, 96 * MIB - 256)
            digest.update(memory[at : at + 256])
            memory[at : at + 32] = digest.digest()
        segment[number * 64 : number * 64 + 32] = digest.digest()
        answers.write(f"{order.strip()} {digest.hexdigest()}\n")
        answers.flush()
    answers.write(hashlib.sha256(memory).hexdigest() + "\n")
    answers.flush()
    os._exit(0)


def main(out):
    os.makedirs(out)
    segment = shared_memory.SharedMemory(create=True, size=32 * MIB)
    segment.buf[:] = random.Random(99).randbytes(MIB) * 32
    workers = []
    for number in range(WORKERS):
        down, up = os.pipe(), os.pipe()
        if os.fork() == 0:
            os.close(down[1])
            os.close(up[0])
            for _, orders, answers in workers:
                orders.close()
                answers.close()
            worker(number, os.fdopen(down[0]), os.fdopen(up[1], "w"), segment.buf)
        os.close(down[0])
        os.close(up[1])
        workers.append((number, os.fdopen(down[1], "w"), os.fdopen(up[0])))
    table, scratch = {}, tempfile.TemporaryFile(dir="/tmp")
    scratch.write(random.Random(5).randbytes(24 * MIB))
    with open(f"{out}/log", "w") as log:
        for step in range(1, STEPS + 1):
            for _, orders, _ in workers:
                orders.write(f"step {step}\n")
                orders.flush()
            for number, _, answers in workers:
                answer = answers.readline().strip()
                table.update({(number, step, i): f"{answer[-16:]}-{i}" for i in range(300)})
                scratch.write(answer.encode())
                log.write(f"{number} {answer}\n")
                log.flush()
            if step % 10 == 0:
                state = hashlib.sha256(repr(sorted(table.items())[-50:]).encode() + segment.buf[:512]).hexdigest()
                print(f"step {step:3} of {STEPS}   {len(table):6} entries   {state[:32]}", flush=True)
            time.sleep(0.15)
    for _, orders, _ in workers:
        orders.close()
    memories = [answers.readline().strip() for _, _, answers in workers]
    scratch.seek(0)
    everything = hashlib.sha256("".join(memories).encode() + scratch.read() + segment.buf + repr(table).encode()).hexdigest()
    with open(f"{out}/result", "w") as file:
        print(everything, file=file)
    print(f"result {everything}")
    segment.close()
    segment.unlink()


main(sys.argv[1])
