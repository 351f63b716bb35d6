// Made the *.batch files here with Apache Kafka's own writer:
//   javac -cp "kafka-4.3.1/libs/*" -d out GoldenBatches.java
//   java -cp "kafka-4.3.1/libs/*:out" GoldenBatches write DIRECTORY
// and reads batches that Highwater wrote (files NAME.batch in DIRECTORY):
//   java -cp "kafka-4.3.1/libs/*:out" GoldenBatches read DIRECTORY

import java.nio.ByteBuffer;
import java.nio.file.*;
import java.util.Arrays;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;

public class GoldenBatches {
    public static void main(String[] args) throws Exception {
        Path directory = Path.of(args[1]);
        if (args[0].equals("write")) {
            write(directory, "none", Compression.NONE);
            write(directory, "gzip", Compression.gzip().build());
            write(directory, "snappy", Compression.snappy().build());
            write(directory, "lz4", Compression.lz4().build());
            write(directory, "zstd", Compression.zstd().build());
        } else {
            try (var files = Files.newDirectoryStream(directory, "*.batch")) {
                for (Path file : files) read(file);
            }
        }
    }

    static void write(Path directory, String name, Compression compression) throws Exception {
        byte[] large = new byte[70_000];
        for (int i = 0; i < large.length; i++) large[i] = (byte) (i / 7);
        MemoryRecords records = MemoryRecords.withIdempotentRecords(
            RecordBatch.MAGIC_VALUE_V2, 0L, compression, 4711L, (short) 3, 17, -1,
            new SimpleRecord(1_700_000_000_000L, null, "v0".getBytes()),
            new SimpleRecord(1_700_000_000_005L, "k".getBytes(), null, new Header[] {
                new RecordHeader("a", "1".getBytes()),
                new RecordHeader("a", null),
                new RecordHeader("b", new byte[0])}),
            new SimpleRecord(1_699_999_999_990L, new byte[0], large));
        ByteBuffer buffer = records.buffer();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        Files.write(directory.resolve(name + ".batch"), bytes);
    }

    static void read(Path file) throws Exception {
        MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(Files.readAllBytes(file)));
        for (RecordBatch batch : records.batches()) {
            batch.ensureValid();
            System.out.println(file.getFileName() + " " + batch);
            for (org.apache.kafka.common.record.internal.Record record : batch) {
                System.out.println("  " + record + " headers " + Arrays.toString(record.headers()));
            }
        }
    }
}
