"""genome.py reference LENGTH | reads REFERENCE COUNT LENGTH SECONDS: a random genome, and error-prone reads of it at a steady pace."""
import random
import sys
import time


def reference(length):
    rng = random.Random(7)
    print(">chr1")
    for start in range(0, length, 80):
        print("".join(rng.choice("ACGT") for _ in range(min(80, length - start))))


def reads(path, count, length, seconds):
    genome = "".join(line.strip() for line in open(path) if not line.startswith(">"))
    rng, turn = random.Random(11), str.maketrans("ACGT", "TGCA")
    for number in range(count):
        at = rng.randrange(len(genome) - length)
        bases = list(genome[at : at + length])
        for _ in range(length // 60):
            bases[rng.randrange(length)] = rng.choice("ACGT")
        text = "".join(bases)
        if rng.random() < 0.5:
            text = text[::-1].translate(turn)
        sys.stdout.write(f"@read{number}\n{text}\n+\n{'I' * length}\n")
        if number % (count // 100) == 0:
            sys.stdout.flush()
            time.sleep(seconds / 100)


if sys.argv[1] == "reference":
    reference(int(sys.argv[2]))
else:
    reads(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
