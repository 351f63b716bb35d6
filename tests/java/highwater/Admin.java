package highwater;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeProducersOptions;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own AdminClient: every call about topics, configurations, records and groups.
 *
 * <p>Usage: {@code Admin BROKER PREFIX}. The calls and their lines are those of tests/python/admin_calls.py,
 * and a few more.
 */
public final class Admin {
    /** Kafka shows an altered configuration a moment later. */
    private static final long SETTLES_MS = 200;

    private final AdminClient admin;
    private final String broker;
    private final String prefix;

    private Admin(AdminClient admin, String broker, String prefix) {
        this.admin = admin;
        this.broker = broker;
        this.prefix = prefix;
    }

    public static void main(String[] args) {
        Map<String, Object> settings = Map.of("bootstrap.servers", args[0]);
        try (AdminClient admin = AdminClient.create(settings)) {
            Admin calls = new Admin(admin, args[0], args[1]);
            calls.topics();
            calls.configs();
            calls.records();
            calls.groups();
            calls.cluster();
        }
    }

    /** What a call has come to. */
    private interface Outcome {
        Object get() throws ExecutionException, InterruptedException;
    }

    /** Prints what {@code outcome} gives, or the code of the error that it throws. */
    private static void tell(String call, Outcome outcome) {
        try {
            System.out.println(call + ": " + outcome.get());
        } catch (ExecutionException error) {
            System.out.println(call + ": error " + Errors.forException(error.getCause()).code());
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }

    private static Object ok(KafkaFuture<?> future) throws ExecutionException, InterruptedException {
        future.get();
        return "ok";
    }

    private static <T> T only(Map<?, KafkaFuture<T>> futures)
            throws ExecutionException, InterruptedException {
        return futures.values().iterator().next().get();
    }

    // Topics.

    private Object create(NewTopic topic) throws ExecutionException, InterruptedException {
        return ok(admin.createTopics(List.of(topic)).all());
    }

    private NewTopic topic(String name) {
        return new NewTopic(prefix + name, 3, (short) 1);
    }

    private Object validate(String name) throws ExecutionException, InterruptedException {
        CreateTopicsOptions options = new CreateTopicsOptions().validateOnly(true);
        return ok(admin.createTopics(List.of(topic(name)), options).all());
    }

    private Object assign(String name, int broker) throws ExecutionException, InterruptedException {
        create(new NewTopic(prefix + name, Map.of(0, List.of(broker), 1, List.of(broker))));
        return partitions(name);
    }

    private TopicDescription describe(String name) throws ExecutionException, InterruptedException {
        return only(admin.describeTopics(List.of(prefix + name)).topicNameValues());
    }

    private static String shown(TopicDescription described) {
        Collection<TopicPartitionInfo> partitions = described.partitions();
        String leaders =
                partitions.stream().map(one -> one.leader().idString()).distinct().collect(Collectors.joining(", "));
        return partitions.size() + " partitions led by [" + leaders + "]";
    }

    private Object partitions(String name) throws ExecutionException, InterruptedException {
        return shown(describe(name));
    }

    private Object byId(Uuid id) throws ExecutionException, InterruptedException {
        return shown(only(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).topicIdValues()));
    }

    private Object more(String name, int count) throws ExecutionException, InterruptedException {
        admin.createPartitions(Map.of(prefix + name, NewPartitions.increaseTo(count))).all().get();
        return partitions(name);
    }

    private Object list() throws ExecutionException, InterruptedException {
        return admin.listTopics().names().get().stream()
                .filter(name -> name.startsWith(prefix))
                .map(name -> name.substring(prefix.length()))
                .collect(Collectors.toCollection(TreeSet::new))
                .stream()
                .collect(Collectors.joining(" "));
    }

    private Object delete(String name) throws ExecutionException, InterruptedException {
        return ok(admin.deleteTopics(List.of(prefix + name)).all());
    }

    private Object deleteById(Uuid id) throws ExecutionException, InterruptedException {
        return ok(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all());
    }

    private void topics() {
        tell("create", () -> create(topic("a")));
        tell("create again", () -> create(topic("a")));
        tell("create with a space", () -> create(topic("a b")));
        tell("create x.y", () -> create(topic("x.y")));
        tell("create x_y", () -> create(topic("x_y")));
        tell("create without partitions", () -> create(new NewTopic(prefix + "none", 0, (short) 1)));
        tell("create with an unknown config", () -> create(topic("none").configs(Map.of("no.such", "1"))));
        tell("create with a bad config", () -> create(topic("none").configs(Map.of("retention.ms", "x"))));
        tell("validate", () -> validate("none"));
        tell("validate again", () -> validate("a"));
        tell("create assigned", () -> assign("assigned", 1));
        tell("create assigned to nobody", () -> assign("none", 9));
        tell("describe", () -> partitions("a"));
        tell("describe nothing", () -> partitions("none"));
        tell("describe by id", () -> byId(describe("a").topicId()));
        tell("describe by no id", () -> byId(Uuid.randomUuid()));
        tell("more partitions", () -> more("a", 5));
        tell("fewer partitions", () -> more("a", 2));
        tell("more partitions of nothing", () -> more("none", 5));
        tell("list", this::list);
        tell("delete", () -> delete("assigned"));
        tell("delete nothing", () -> delete("assigned"));
        tell("delete by no id", () -> deleteById(Uuid.randomUuid()));
        tell("list after", this::list);
    }

    // Configurations.

    private static ConfigResource brokers(String name) {
        return new ConfigResource(ConfigResource.Type.BROKER, name);
    }

    private ConfigResource ofTopic(String name) {
        return new ConfigResource(ConfigResource.Type.TOPIC, prefix + name);
    }

    private Object value(ConfigResource of, String key) throws ExecutionException, InterruptedException {
        ConfigEntry entry = only(admin.describeConfigs(List.of(of)).values()).get(key);
        return entry.value() + " of " + entry.source();
    }

    private Object alter(ConfigResource of, String key, OpType operation, String to)
            throws ExecutionException, InterruptedException {
        AlterConfigOp change = new AlterConfigOp(new ConfigEntry(key, to), operation);
        admin.incrementalAlterConfigs(Map.of(of, List.of(change))).all().get();
        Thread.sleep(SETTLES_MS);
        return "ok";
    }

    private Object changed(String key, OpType operation, String to)
            throws ExecutionException, InterruptedException {
        alter(ofTopic("a"), key, operation, to);
        return value(ofTopic("a"), key);
    }

    private void configs() {
        tell("config", () -> value(ofTopic("a"), "retention.ms"));
        tell("config of nothing", () -> value(ofTopic("none"), "retention.ms"));
        tell("set", () -> changed("retention.ms", OpType.SET, "1234567"));
        tell("set badly", () -> changed("retention.ms", OpType.SET, "x"));
        tell("set the unknown", () -> changed("no.such", OpType.SET, "1"));
        tell("set of nothing", () -> alter(ofTopic("none"), "retention.ms", OpType.SET, "1"));
        tell("append", () -> changed("cleanup.policy", OpType.APPEND, "compact"));
        tell("subtract", () -> changed("cleanup.policy", OpType.SUBTRACT, "delete"));
        tell("append to a number", () -> changed("retention.ms", OpType.APPEND, "1"));
        tell("unset", () -> changed("retention.ms", OpType.DELETE, ""));
        tell("broker's config", () -> value(brokers("1"), "message.max.bytes"));
        tell("broker's dynamic config", () -> alter(brokers("1"), "log.retention.ms", OpType.SET, "700000"));
        tell("broker's unset config", () -> alter(brokers("1"), "log.retention.ms", OpType.DELETE, ""));
        tell("broker's fixed config", () -> alter(brokers("1"), "num.partitions", OpType.SET, "3"));
    }

    // Records.

    private TopicPartition first(String topic) {
        return new TopicPartition(prefix + topic, 0);
    }

    private Object offset(String topic, OffsetSpec spec) throws ExecutionException, InterruptedException {
        ListOffsetsOptions options = new ListOffsetsOptions().timeoutMs(3_000);
        return admin.listOffsets(Map.of(first(topic), spec), options).partitionResult(first(topic)).get().offset();
    }

    private Object deleteRecords(String topic, long before) throws ExecutionException, InterruptedException {
        Map<TopicPartition, RecordsToDelete> asked = Map.of(first(topic), RecordsToDelete.beforeOffset(before));
        return "from " + only(admin.deleteRecords(asked).lowWatermarks()).lowWatermark() + " on";
    }

    private Object producers() throws ExecutionException, InterruptedException {
        DescribeProducersOptions options = new DescribeProducersOptions().brokerId(1);
        return admin.describeProducers(List.of(first("records")), options)
                        .partitionResult(first("records"))
                        .get()
                        .activeProducers()
                        .size()
                + " producers";
    }

    private Object logs() throws ExecutionException, InterruptedException {
        return admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).values().stream()
                .flatMap(folder -> folder.replicaInfos().entrySet().stream())
                .filter(replica -> replica.getKey().equals(first("records")))
                .map(replica -> replica.getValue().size() > 0 ? "some bytes" : "no bytes")
                .collect(Collectors.joining());
    }

    private void records() {
        tell("create for records", () -> create(new NewTopic(prefix + "records", 1, (short) 1)));
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("linger.ms", "50");
        ByteArraySerializer bytes = new ByteArraySerializer();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, bytes, bytes)) {
            for (int number = 0; number < 20; number++) {
                byte[] value = Integer.toString(number).getBytes(StandardCharsets.US_ASCII);
                producer.send(new ProducerRecord<>(prefix + "records", 0, 1_000_000L + number, null, value));
            }
        }
        tell("earliest", () -> offset("records", OffsetSpec.earliest()));
        tell("latest", () -> offset("records", OffsetSpec.latest()));
        tell("earliest here", () -> offset("records", OffsetSpec.earliestLocal()));
        tell("of a time", () -> offset("records", OffsetSpec.forTimestamp(1_000_013)));
        tell("of a time to come", () -> offset("records", OffsetSpec.forTimestamp(2_000_000)));
        tell("of the latest time", () -> offset("records", OffsetSpec.maxTimestamp()));
        tell("offset of nothing", () -> offset("none", OffsetSpec.latest()));
        tell("producers", this::producers);
        tell("logs", this::logs);
        tell("delete records", () -> deleteRecords("records", 7));
        tell("delete fewer records", () -> deleteRecords("records", 3));
        tell("delete records beyond", () -> deleteRecords("records", 21));
        tell("earliest after", () -> offset("records", OffsetSpec.earliest()));
        tell("delete all records", () -> deleteRecords("records", -1));
    }

    // Groups and the cluster.

    private String group() {
        return prefix + "group";
    }

    private Object listGroups() throws ExecutionException, InterruptedException {
        return admin.listGroups().all().get().stream()
                .filter(found -> found.groupId().equals(group()))
                .map(found -> found.groupState().map(state -> state.name()).orElse("?"))
                .collect(Collectors.joining(" "));
    }

    private Object describeGroup(String name) throws ExecutionException, InterruptedException {
        ConsumerGroupDescription found = only(admin.describeConsumerGroups(List.of(name)).describedGroups());
        return found.groupState().name() + " with " + found.members().size() + " members";
    }

    private Object committed() throws ExecutionException, InterruptedException {
        Map<TopicPartition, OffsetAndMetadata> offsets =
                admin.listConsumerGroupOffsets(group()).partitionsToOffsetAndMetadata().get();
        return Optional.ofNullable(offsets.get(first("records"))).map(OffsetAndMetadata::offset).orElse(-1L);
    }

    private Object alterCommitted(long to) throws ExecutionException, InterruptedException {
        admin.alterConsumerGroupOffsets(group(), Map.of(first("records"), new OffsetAndMetadata(to))).all().get();
        return committed();
    }

    private Object deleteGroup() throws ExecutionException, InterruptedException {
        return ok(admin.deleteConsumerGroups(List.of(group())).all());
    }

    private void groups() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        settings.put("group.id", group());
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, bytes, bytes)) {
            Map<TopicPartition, OffsetAndMetadata> at = Map.of(first("records"), new OffsetAndMetadata(11));
            consumer.assign(at.keySet());
            consumer.commitSync(at, Duration.ofSeconds(30));
        }
        tell("list groups", this::listGroups);
        tell("describe group", () -> describeGroup(group()));
        tell("describe no group", () -> describeGroup(prefix + "none"));
        tell("committed", this::committed);
        tell("alter committed", () -> alterCommitted(5));
        tell("delete group", this::deleteGroup);
        tell("delete group again", this::deleteGroup);
    }

    private Object describeCluster() throws ExecutionException, InterruptedException {
        DescribeClusterResult cluster = admin.describeCluster();
        return cluster.nodes().get().size() + " nodes, controller " + cluster.controller().get().id();
    }

    private void cluster() {
        tell("cluster", this::describeCluster);
    }
}
