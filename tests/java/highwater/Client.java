package highwater;

import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Apache Kafka's own client as a program for the end-to-end tests.
 *
 * <p>Usage: {@code Client ROLE BROKER ARGUMENTS...}, where the roles are {@code produce TOPIC FILE CODEC},
 * {@code consume TOPIC} and {@code member TOPIC GROUP}, as in tests/python/client.py. The form of a
 * printed record is described in tests/src/records.rs.
 */
public final class Client {
    private static final Duration POLL = Duration.ofMillis(200);
    /** A bucket acknowledges by the hundred milliseconds: the default of 16 KiB would be slow. */
    private static final int BATCH_BYTES = 256 << 10;
    private static final int OUTPUT_BYTES = 1 << 20;

    private Client() {}

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "produce" -> produce(args[1], args[2], Path.of(args[3]), args[4]);
            case "consume" -> consume(args[1], args[2]);
            case "member" -> member(args[1], args[2], args[3]);
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private static void produce(String broker, String topic, Path file, String codec)
            throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("key.serializer", ByteArraySerializer.class.getName());
        settings.put("value.serializer", ByteArraySerializer.class.getName());
        settings.put("linger.ms", "5");
        settings.put("batch.size", BATCH_BYTES);
        settings.put("compression.type", codec);
        AtomicReference<Exception> failure = new AtomicReference<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings);
                BufferedReader lines = Files.newBufferedReader(file)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                int tab = line.indexOf('\t');
                byte[] key = tab == 0 ? null : bytes(line.substring(0, tab));
                String value = line.substring(tab + 1);
                ProducerRecord<byte[], byte[]> record =
                        new ProducerRecord<>(topic, key, bytes(value));
                String number = value.substring("{\"seq\":".length(), value.indexOf(','));
                record.headers().add("seq", bytes(number));
                producer.send(
                        record,
                        (metadata, error) -> {
                            if (error != null) {
                                failure.compareAndSet(null, error);
                            }
                        });
            }
            producer.flush();
        }
        if (failure.get() != null) {
            throw failure.get();
        }
    }

    private static Properties consumerSettings(String broker) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("key.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("value.deserializer", ByteArrayDeserializer.class.getName());
        settings.put("auto.offset.reset", "earliest");
        settings.put("check.crcs", "true");
        return settings;
    }

    private static void consume(String broker, String topic) throws IOException {
        Properties settings = consumerSettings(broker);
        settings.put("auto.offset.reset", "none");
        settings.put("enable.auto.commit", "false");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings);
                OutputStream out = new BufferedOutputStream(System.out, OUTPUT_BYTES)) {
            List<TopicPartition> partitions =
                    consumer.partitionsFor(topic).stream()
                            .map(info -> new TopicPartition(topic, info.partition()))
                            .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (!ends.entrySet().stream()
                    .allMatch(end -> consumer.position(end.getKey()) >= end.getValue())) {
                print(consumer.poll(POLL), out);
            }
        }
    }

    private static void member(String broker, String topic, String group) throws Exception {
        Properties settings = consumerSettings(broker);
        settings.put("group.id", group);
        settings.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor");
        CountDownLatch closed = new CountDownLatch(1);
        OutputStream out = new BufferedOutputStream(System.out, OUTPUT_BYTES);
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> end(consumer, closed)));
        consumer.subscribe(List.of(topic), new Teller());
        try {
            while (true) {
                print(consumer.poll(POLL), out);
                out.flush();
            }
        } catch (WakeupException stopped) {
            consumer.close();
            closed.countDown();
        } catch (RuntimeException | IOException failed) {
            failed.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    /** On SIGTERM: leave the loop, commit, leave the group, and end with status 0. */
    private static void end(KafkaConsumer<?, ?> consumer, CountDownLatch closed) {
        consumer.wakeup();
        try {
            Runtime.getRuntime().halt(closed.await(25, TimeUnit.SECONDS) ? 0 : 1);
        } catch (InterruptedException interrupted) {
            Runtime.getRuntime().halt(1);
        }
    }

    private static void print(ConsumerRecords<byte[], byte[]> records, OutputStream out)
            throws IOException {
        for (ConsumerRecord<byte[], byte[]> record : records) {
            StringBuilder head = new StringBuilder();
            head.append(record.partition()).append(' ').append(record.offset()).append(' ');
            head.append(length(record.key())).append(' ').append(length(record.value()));
            char separator = ' ';
            for (Header header : record.headers()) {
                head.append(separator).append(header.key()).append('=');
                head.append(new String(header.value(), StandardCharsets.UTF_8));
                separator = ',';
            }
            if (separator == ' ') {
                head.append(' ');
            }
            out.write(bytes(head.append('\n').toString()));
            if (record.key() != null) {
                out.write(record.key());
            }
            if (record.value() != null) {
                out.write(record.value());
            }
            out.write('\n');
        }
    }

    private static int length(byte[] bytes) {
        return bytes == null ? -1 : bytes.length;
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Says in kcat's words which partitions it has. */
    private static final class Teller implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            System.err.println("assigned: " + names(partitions));
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            System.err.println("revoked: " + names(partitions));
        }

        private static String names(Collection<TopicPartition> partitions) {
            return partitions.stream()
                    .map(each -> each.topic() + " [" + each.partition() + "]")
                    .collect(Collectors.joining(", "));
        }
    }
}
