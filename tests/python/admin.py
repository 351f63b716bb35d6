"""confluent-kafka's AdminClient: every call about topics, configurations, records and groups.

Usage: admin.py BROKER PREFIX. One line `call: outcome` for each call; tests/it/admin.rs knows what must
come out. An outcome is what the broker answered, or the code of its error.
"""

import sys
import time

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

# Kafka shows an altered configuration a moment later.
SETTLES_S = 0.2
TOPIC, BROKER = ResourceType.TOPIC, ResourceType.BROKER
SET, DELETE = AlterConfigOpType.SET, AlterConfigOpType.DELETE
APPEND, SUBTRACT = AlterConfigOpType.APPEND, AlterConfigOpType.SUBTRACT


def tell(call, outcome):
    """Prints what `outcome` gives, or the code of the error that it raises."""
    try:
        print(f"{call}: {outcome()}", flush=True)
    except KafkaException as error:
        print(f"{call}: error {error.args[0].code()}", flush=True)


def only(futures):
    """The result of a call about one thing."""
    (future,) = futures.values()
    return future.result(30)


def topics(admin, prefix):
    def create(name, partitions=3, config=None, validate_only=False):
        topic = NewTopic(prefix + name, partitions, 1, config=config or {})
        only(admin.create_topics([topic], validate_only=validate_only))
        return "ok"

    def assign(name, brokers):
        only(admin.create_topics([NewTopic(prefix + name, 2, replica_assignment=brokers)]))
        return partitions(name)

    def partitions(name):
        described = only(admin.describe_topics(TopicCollection([prefix + name])))
        leaders = {p.leader.id for p in described.partitions}
        return f"{len(described.partitions)} partitions led by {sorted(leaders)}"

    def more(name, count):
        only(admin.create_partitions([NewPartitions(prefix + name, count)]))
        return partitions(name)

    def listed():
        found = sorted(t for t in admin.list_topics(timeout=30).topics if t.startswith(prefix))
        return " ".join(name.removeprefix(prefix) for name in found)

    def delete(name):
        only(admin.delete_topics([prefix + name]))
        return "ok"

    tell("create", lambda: create("a"))
    tell("create again", lambda: create("a"))
    tell("create with a space", lambda: create("a b"))
    tell("create x.y", lambda: create("x.y"))
    tell("create x_y", lambda: create("x_y"))
    tell("create without partitions", lambda: create("none", partitions=0))
    tell("create with an unknown config", lambda: create("none", config={"no.such": "1"}))
    tell("create with a bad config", lambda: create("none", config={"retention.ms": "x"}))
    tell("validate", lambda: create("none", validate_only=True))
    tell("validate again", lambda: create("a", validate_only=True))
    tell("create assigned", lambda: assign("assigned", [[1], [1]]))
    tell("create assigned to nobody", lambda: assign("none", [[9], [9]]))
    tell("describe", lambda: partitions("a"))
    tell("describe nothing", lambda: partitions("none"))
    tell("more partitions", lambda: more("a", 5))
    tell("fewer partitions", lambda: more("a", 2))
    tell("more partitions of nothing", lambda: more("none", 5))
    tell("list", listed)
    tell("delete", lambda: delete("assigned"))
    tell("delete nothing", lambda: delete("assigned"))
    tell("list after", listed)


def configs(admin, prefix):
    def value(kind, name, key):
        entry = only(admin.describe_configs([ConfigResource(kind, name)]))[key]
        return f"{entry.value} of {ConfigSource(entry.source).name}"

    def alter(kind, name, key, operation, value):
        entry = ConfigEntry(key, value, incremental_operation=operation)
        resource = ConfigResource(kind, name, incremental_configs=[entry])
        only(admin.incremental_alter_configs([resource]))
        time.sleep(SETTLES_S)

    def topic(key, name="a"):
        return value(TOPIC, prefix + name, key)

    def changed(key, operation, to=None, name="a"):
        alter(TOPIC, prefix + name, key, operation, to)
        return topic(key, name)

    def broker(key, operation, to=None):
        alter(BROKER, "1", key, operation, to)
        return "ok"

    def replace():
        resource = ConfigResource(TOPIC, prefix + "a", set_config={"segment.bytes": "3000000"})
        only(admin.alter_configs([resource]))
        time.sleep(SETTLES_S)
        return topic("cleanup.policy") + ", " + topic("segment.bytes")

    tell("config", lambda: topic("retention.ms"))
    tell("config of nothing", lambda: topic("retention.ms", name="none"))
    tell("set", lambda: changed("retention.ms", SET, "1234567"))
    tell("set badly", lambda: changed("retention.ms", SET, "x"))
    tell("set the unknown", lambda: changed("no.such", SET, "1"))
    tell("set of nothing", lambda: changed("retention.ms", SET, "1", name="none"))
    tell("append", lambda: changed("cleanup.policy", APPEND, "compact"))
    tell("subtract", lambda: changed("cleanup.policy", SUBTRACT, "delete"))
    tell("append to a number", lambda: changed("retention.ms", APPEND, "1"))
    tell("unset", lambda: changed("retention.ms", DELETE))
    tell("replace all", replace)
    tell("broker's config", lambda: value(BROKER, "1", "message.max.bytes"))
    tell("broker's dynamic config", lambda: broker("log.retention.ms", SET, "700000"))
    tell("broker's unset config", lambda: broker("log.retention.ms", DELETE))
    tell("broker's fixed config", lambda: broker("num.partitions", SET, "3"))


def records(admin, broker, prefix):
    where = prefix + "records"
    only(admin.create_topics([NewTopic(where, 1, 1)]))
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 50})
    for number in range(20):
        producer.produce(where, str(number), timestamp=1_000_000 + number)
    producer.flush(30)

    def offset(spec, topic=where):
        return only(admin.list_offsets({TopicPartition(topic, 0): spec})).offset

    def delete(before, topic=where):
        deleted = only(admin.delete_records([TopicPartition(topic, 0, before)]))
        return f"from {deleted.low_watermark} on"

    tell("earliest", lambda: offset(OffsetSpec.earliest()))
    tell("latest", lambda: offset(OffsetSpec.latest()))
    tell("of a time", lambda: offset(OffsetSpec.for_timestamp(1_000_013)))
    tell("of a time to come", lambda: offset(OffsetSpec.for_timestamp(2_000_000)))
    tell("of the latest time", lambda: offset(OffsetSpec.max_timestamp()))
    tell("offset of nothing", lambda: offset(OffsetSpec.latest(), prefix + "none"))
    tell("delete records", lambda: delete(7))
    tell("delete fewer records", lambda: delete(3))
    tell("delete records beyond", lambda: delete(21))
    tell("delete records of nothing", lambda: delete(1, prefix + "none"))
    tell("earliest after", lambda: offset(OffsetSpec.earliest()))
    tell("delete all records", lambda: delete(-1))


def groups(admin, broker, prefix):
    group, where = prefix + "group", TopicPartition(prefix + "records", 0)
    reader = Consumer({"bootstrap.servers": broker, "group.id": group})
    reader.commit(offsets=[TopicPartition(where.topic, 0, 11)], asynchronous=False)
    reader.close()

    def listed():
        found = admin.list_consumer_groups().result(30)
        while found.errors:
            # The coordinators of a topic that was just created are still loading.
            time.sleep(SETTLES_S)
            found = admin.list_consumer_groups().result(30)
        return " ".join(g.state.name for g in found.valid if g.group_id == group)

    def described(name):
        found = only(admin.describe_consumer_groups([name]))
        return f"{found.state.name} with {len(found.members)} members"

    def committed():
        asked = ConsumerGroupTopicPartitions(group, [where])
        (found,) = only(admin.list_consumer_group_offsets([asked])).topic_partitions
        return found.offset

    def alter(to):
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(where.topic, 0, to)])
        only(admin.alter_consumer_group_offsets([asked]))
        return committed()

    def delete():
        only(admin.delete_consumer_groups([group]))
        return "ok"

    tell("list groups", listed)
    tell("describe group", lambda: described(group))
    tell("committed", committed)
    tell("alter committed", lambda: alter(5))
    tell("delete group", delete)
    tell("delete group again", delete)


def cluster(admin):
    def described():
        found = admin.describe_cluster().result(30)
        return f"{len(found.nodes)} nodes, controller {found.controller.id}"

    tell("cluster", described)


def main(broker, prefix):
    admin = AdminClient({"bootstrap.servers": broker})
    topics(admin, prefix)
    configs(admin, prefix)
    records(admin, broker, prefix)
    groups(admin, broker, prefix)
    cluster(admin)


if __name__ == "__main__":
    main(*sys.argv[1:])
