"""kafka-python's KafkaAdminClient: every call about topics, configurations, records and groups.

Usage: kafka_python_admin.py BROKER PREFIX. The calls and their lines are those of admin.py.
"""

import sys
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    AlterConfigOp,
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    OffsetTimestamp,
)
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

# Kafka shows an altered configuration a moment later.
SETTLES_S = 0.2
TOPIC, BROKER = ConfigResourceType.TOPIC, ConfigResourceType.BROKER


def tell(call, outcome):
    """Prints what `outcome` gives, or the code of the error that it raises."""
    try:
        print(f"{call}: {outcome()}", flush=True)
    except KafkaError as error:
        print(f"{call}: error {error.errno}", flush=True)


def refused(answer):
    """The result of a call that gives an error as text instead of raising it."""
    if answer in ("OK", "NoError"):
        return "ok"
    code = answer.removeprefix("[Error ").split("]")[0] if answer.startswith("[") else answer
    return f"error {code}"


def topics(admin, prefix):
    def create(name, partitions=3, config=None, validate_only=False):
        topic = NewTopic(prefix + name, partitions, 1, topic_configs=config or {})
        admin.create_topics([topic], validate_only=validate_only)
        return "ok"

    def assign(name, brokers):
        assignment = dict(enumerate(brokers))
        admin.create_topics([NewTopic(prefix + name, replica_assignments=assignment)])
        return partitions(name)

    def partitions(name):
        (described,) = admin.describe_topics([prefix + name])
        if described["error_code"] != 0:
            return f"error {described['error_code']}"
        leaders = {p["leader_id"] for p in described["partitions"]}
        return f"{len(described['partitions'])} partitions led by {sorted(leaders)}"

    def more(name, count):
        admin.create_partitions({prefix + name: NewPartitions(count)})
        return partitions(name)

    def listed():
        found = sorted(topic for topic in admin.list_topics() if topic.startswith(prefix))
        return " ".join(name.removeprefix(prefix) for name in found)

    def delete(name):
        admin.delete_topics([prefix + name])
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
        described = admin.describe_configs([ConfigResource(kind, name, [key])], config_filter="all")
        entry = described[kind.name.lower()][name][key]
        return f"{entry['value']} of {entry['config_source']}"

    def alter(kind, name, key, operation, to):
        resource = ConfigResource(kind, name, {key: (operation, to)})
        answers = admin.alter_configs([resource], raise_on_unknown=False)
        time.sleep(SETTLES_S)
        return refused(answers[kind.name.lower()][name])

    def topic(key):
        return value(TOPIC, prefix + "a", key)

    def changed(key, operation, to=None, name="a"):
        answer = alter(TOPIC, prefix + name, key, operation, to)
        return topic(key) if answer == "ok" else answer

    set_, delete = AlterConfigOp.SET, AlterConfigOp.DELETE
    append, subtract = AlterConfigOp.APPEND, AlterConfigOp.SUBTRACT
    tell("config", lambda: topic("retention.ms"))
    tell("set", lambda: changed("retention.ms", set_, "1234567"))
    tell("set badly", lambda: changed("retention.ms", set_, "x"))
    tell("set the unknown", lambda: changed("no.such", set_, "1"))
    tell("set of nothing", lambda: changed("retention.ms", set_, "1", name="none"))
    tell("append", lambda: changed("cleanup.policy", append, "compact"))
    tell("subtract", lambda: changed("cleanup.policy", subtract, "delete"))
    tell("append to a number", lambda: changed("retention.ms", append, "1"))
    tell("unset", lambda: changed("retention.ms", delete))
    tell("broker's config", lambda: value(BROKER, "1", "message.max.bytes"))
    tell("broker's dynamic config", lambda: alter(BROKER, "1", "log.retention.ms", set_, "700000"))
    tell("broker's unset config", lambda: alter(BROKER, "1", "log.retention.ms", delete, None))
    tell("broker's fixed config", lambda: alter(BROKER, "1", "num.partitions", set_, "3"))


def records(admin, broker, prefix):
    where = prefix + "records"
    admin.create_topics([NewTopic(where, 1, 1)])
    producer = KafkaProducer(bootstrap_servers=broker, linger_ms=50)
    for number in range(20):
        producer.send(where, str(number).encode(), timestamp_ms=1_000_000 + number)
    producer.close(30)

    def offset(spec, topic=where):
        asked = {TopicPartition(topic, 0): spec}
        (found,) = admin.list_partition_offsets(asked, timeout_ms=3_000).values()
        return found.offset

    def delete(before, topic=where):
        (deleted,) = admin.delete_records({TopicPartition(topic, 0): before}).values()
        return f"from {deleted['low_watermark']} on"

    tell("earliest", lambda: offset(OffsetSpec.EARLIEST))
    tell("latest", lambda: offset(OffsetSpec.LATEST))
    tell("of a time", lambda: offset(OffsetTimestamp(1_000_013)))
    tell("of a time to come", lambda: offset(OffsetTimestamp(2_000_000)))
    tell("of the latest time", lambda: offset(OffsetSpec.MAX_TIMESTAMP))
    tell("offset of nothing", lambda: offset(OffsetSpec.LATEST, prefix + "none"))
    tell("delete records", lambda: delete(7))
    tell("delete fewer records", lambda: delete(3))
    tell("delete records beyond", lambda: delete(21))
    tell("delete records of nothing", lambda: delete(1, prefix + "none"))
    tell("earliest after", lambda: offset(OffsetSpec.EARLIEST))
    tell("delete all records", lambda: delete(-1))


def groups(admin, broker, prefix):
    group, where = prefix + "group", TopicPartition(prefix + "records", 0)
    reader = KafkaConsumer(bootstrap_servers=broker, group_id=group, enable_auto_commit=False)
    reader.assign([where])
    reader.commit({where: OffsetAndMetadata(11, "", -1)})
    reader.close()

    def listed():
        found = admin.list_groups()
        return " ".join(str(g["group_state"]).upper() for g in found if g["group_id"] == group)

    def described():
        found = admin.describe_groups([group])[group]
        return f"{str(found['group_state']).upper()} with {len(found['members'])} members"

    def committed():
        return admin.list_group_offsets({group: [where]})[group][where].offset

    def alter(to):
        admin.alter_group_offsets(group, {where: OffsetAndMetadata(to, "", -1)})
        return committed()

    tell("list groups", listed)
    tell("describe group", described)
    tell("committed", committed)
    tell("alter committed", lambda: alter(5))
    tell("delete group", lambda: refused(admin.delete_groups([group])[group]))
    tell("delete group again", lambda: refused(admin.delete_groups([group])[group]))


def cluster(admin):
    def described():
        found = admin.describe_cluster()
        return f"{len(found['brokers'])} nodes, controller {found['controller_id']}"

    tell("cluster", described)


def main(broker, prefix):
    admin = KafkaAdminClient(bootstrap_servers=broker)
    topics(admin, prefix)
    configs(admin, prefix)
    records(admin, broker, prefix)
    groups(admin, broker, prefix)
    cluster(admin)


if __name__ == "__main__":
    main(*sys.argv[1:])
