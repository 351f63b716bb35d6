package highwater;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * Kafka's own message classes as an oracle for another codec.
 *
 * <p>Each line of standard input is answered by one line:
 *
 * <ul>
 *   <li>{@code read NAME VERSION HEX}: the class reads these bytes, all of them, and writes what it
 *       has read; the answer is what it wrote.
 *   <li>{@code make NAME VERSION SEED}: random values for every field of that version's schema, read
 *       and written by the class; the answer is what it wrote.
 * </ul>
 *
 * <p>An answer is hexadecimal, or {@code error} and a text.
 */
public final class Messages {
    private static final List<String> PACKAGES =
            List.of("org.apache.kafka.common.message.", "org.apache.kafka.coordinator.group.generated.");
    private static final int MAKE_BYTES = 1 << 20;

    private Messages() {}

    public static void main(String[] args) throws IOException {
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        BufferedWriter out =
                new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", 4);
            try {
                out.write(answer(words[0], classOf(words[1]), Short.parseShort(words[2]), words[3]));
            } catch (ReflectiveOperationException | RuntimeException error) {
                out.write("error " + error.toString().replace('\n', ' '));
            }
            out.write('\n');
        }
        out.flush();
    }

    private static String answer(String verb, Class<?> type, short version, String rest)
            throws ReflectiveOperationException {
        ByteBuffer bytes =
                switch (verb) {
                    case "read" -> ByteBuffer.wrap(HexFormat.of().parseHex(rest));
                    case "make" -> make(type, version, Long.parseLong(rest));
                    default -> throw new IllegalArgumentException(verb);
                };
        Message message = (Message) type.getConstructor().newInstance();
        message.read(new ByteBufferAccessor(bytes), version);
        if (bytes.hasRemaining()) {
            throw new IllegalStateException(bytes.remaining() + " bytes left");
        }
        ByteBuffer written = MessageUtil.toByteBufferAccessor(message, version).buffer();
        byte[] copy = new byte[written.remaining()];
        written.get(copy);
        return HexFormat.of().formatHex(copy);
    }

    private static Class<?> classOf(String name) throws ClassNotFoundException {
        for (String prefix : PACKAGES) {
            for (String suffix : List.of("Data", "")) {
                try {
                    return Class.forName(prefix + name + suffix);
                } catch (ClassNotFoundException absent) {
                    // The next one may have it.
                }
            }
        }
        throw new ClassNotFoundException(name);
    }

    private static ByteBuffer make(Class<?> type, short version, long seed)
            throws ReflectiveOperationException {
        Schema schema = ((Schema[]) type.getField("SCHEMAS").get(null))[version];
        ByteBuffer buffer = ByteBuffer.allocate(MAKE_BYTES);
        new Values(new Random(seed)).struct(schema).writeTo(buffer);
        return buffer.flip();
    }

    /** Random values for the types of a schema. */
    private record Values(Random random) {
        Struct struct(Schema schema) {
            Struct struct = new Struct(schema);
            for (BoundField field : schema.fields()) {
                struct.set(field, value(field.def.type));
            }
            return struct;
        }

        Object value(Type type) {
            if (type.isNullable() && random.nextInt(4) == 0) {
                return null;
            }
            if (type instanceof TaggedFields tagged) {
                return tagged(tagged);
            }
            if (type instanceof Schema schema) {
                return struct(schema);
            }
            if (type.isArray()) {
                Object[] elements = new Object[random.nextInt(4)];
                for (int at = 0; at < elements.length; at++) {
                    elements[at] = value(type.arrayElementType().orElseThrow());
                }
                return elements;
            }
            return scalar(type.toString());
        }

        private Map<Integer, Object> tagged(TaggedFields tagged) {
            Map<Integer, Object> values = new TreeMap<>();
            for (Map.Entry<Integer, Field> field : tagged.fields().entrySet()) {
                if (random.nextBoolean()) {
                    values.put(field.getKey(), value(field.getValue().type));
                }
            }
            return values;
        }

        private Object scalar(String type) {
            boolean edge = random.nextInt(5) == 0;
            long number = edge ? (random.nextBoolean() ? -1 : 0) : random.nextLong();
            return switch (type) {
                case "BOOLEAN" -> random.nextBoolean();
                case "INT8" -> (byte) number;
                case "INT16" -> (short) number;
                case "UINT16" -> (int) number & 0xffff;
                case "INT32" -> (int) number;
                case "UINT32" -> number & 0xffff_ffffL;
                case "INT64" -> number;
                case "UUID" -> new Uuid(random.nextLong(), number);
                case "FLOAT64" -> random.nextDouble() * 1e9 - 5e8;
                default -> {
                    if (type.endsWith("STRING")) {
                        yield text();
                    }
                    byte[] bytes = new byte[length()];
                    random.nextBytes(bytes);
                    ByteBuffer buffer = ByteBuffer.wrap(bytes);
                    yield type.endsWith("RECORDS") ? MemoryRecords.readableRecords(buffer) : buffer;
                }
            };
        }

        /** Sometimes long enough for a length of two bytes. */
        private int length() {
            return random.nextInt(random.nextInt(10) == 0 ? 600 : 20);
        }

        private String text() {
            StringBuilder text = new StringBuilder();
            for (int left = length(); left > 0; left--) {
                text.append(random.nextInt(20) == 0 ? 'ž' : (char) ('a' + random.nextInt(26)));
            }
            return text.toString();
        }
    }
}
