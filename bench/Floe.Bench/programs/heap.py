# A real Python heap: records as a program that parses a table keeps them. Argument: resident memory to reach, MiB.
import gc, random, sys, time

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) >> 8

gc.disable()
random.seed(7)
wanted, records, names = int(sys.argv[1]), [], [f"sample-{i:05d}" for i in range(5000)]
while resident() < wanted:
    for _ in range(20000):
        position = random.getrandbits(28)
        records.append({
            "id": len(records), "name": random.choice(names), "position": position, "score": random.random(),
            "sequence": "".join(random.choices("ACGT", k=60)), "tags": [position & 7, position >> 20, str(position)],
        })
gc.freeze()
print("ready", flush=True)
while True:
    time.sleep(1)
