import java.util.ArrayList;
import java.util.HashMap;
import java.util.Random;

/** A real Java heap: records in maps and lists. Argument: live memory to reach, MiB. */
final class Heap {
    record Entry(long id, String name, double score, int[] counts) {}

    public static void main(String[] words) throws InterruptedException {
        long wanted = Long.parseLong(words[0]) << 20;
        Random random = new Random(7);
        HashMap<String, ArrayList<Entry>> table = new HashMap<>();
        Runtime runtime = Runtime.getRuntime();
        for (long id = 0; ; id++) {
            int[] counts = random.ints(12, 0, 1000).toArray();
            String key = "sample-" + random.nextInt(50000);
            table.computeIfAbsent(key, name -> new ArrayList<>()).add(new Entry(id, key + "/" + id, random.nextDouble(), counts));
            if (id % 10000 == 0 && runtime.totalMemory() - runtime.freeMemory() > wanted) {
                break;
            }
        }

        System.out.println("ready");
        while (table.size() > 0) {
            Thread.sleep(1000);
        }
    }
}
