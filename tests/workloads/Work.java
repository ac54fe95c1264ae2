import java.io.*;
import java.nio.*;
import java.nio.channels.FileChannel;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;

/** Threads, a heap under collection, direct and mapped buffers, random access files. */
public class Work {
    public static void main(String[] args) throws Exception {
        Path out = Files.createDirectories(Path.of(args[0]));
        ExecutorService pool = Executors.newFixedThreadPool(4);
        ConcurrentHashMap<Integer, Long> sums = new ConcurrentHashMap<>();
        List<Future<Long>> futures = new ArrayList<>();
        try (RandomAccessFile file = new RandomAccessFile(out.resolve("mapped").toFile(), "rw")) {
            MappedByteBuffer mapped = file.getChannel().map(FileChannel.MapMode.READ_WRITE, 0, 4 << 16);
            ByteBuffer direct = ByteBuffer.allocateDirect(4 << 20);
            for (int thread = 0; thread < 4; thread++) {
                final int number = thread;
                futures.add(pool.submit(() -> {
                    Random random = new Random(number);
                    ArrayDeque<byte[]> kept = new ArrayDeque<>();
                    long sum = 0;
                    for (int step = 0; step < 90; step++) {
                        byte[] block = new byte[64 << 10];
                        random.nextBytes(block);
                        kept.addLast(block);
                        if (kept.size() > 32) for (byte b : kept.removeFirst()) sum = sum * 31 + b;
                        mapped.putLong((number << 16) + step * 8, sum);
                        direct.putLong((number << 20) + step * 8, ~sum);
                        sums.merge(step, sum, Long::sum);
                        Thread.sleep(60);
                    }
                    return sum;
                }));
            }
            for (Future<Long> future : futures) System.out.println(future.get());
            mapped.force();
            for (int i = 0; i < 4; i++) System.out.println(direct.getLong((i << 20) + 89 * 8));
        }
        pool.shutdown();
        try (PrintWriter writer = new PrintWriter(out.resolve("sums").toFile())) {
            new TreeMap<>(sums).forEach((step, sum) -> writer.println(step + " " + sum));
        }
    }
}
