"""kafka-python's KafkaAdminClient makes the calls of admin_calls.py.

Usage: kafka_python_admin.py BROKER PREFIX
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

import admin_calls

# Kafka shows an altered configuration a moment later.
SETTLES_S = 0.2
KINDS = {admin_calls.TOPIC: ConfigResourceType.TOPIC, admin_calls.BROKER: ConfigResourceType.BROKER}
SPECS = {
    "earliest": OffsetSpec.EARLIEST,
    "latest": OffsetSpec.LATEST,
    "max timestamp": OffsetSpec.MAX_TIMESTAMP,
}
# It describes no configurations of what is not there, and cannot replace all of them.
ABSENT = ("config of nothing", "replace all")


class Refused(Exception):
    """An error that the library gives as an answer instead of raising it."""


def check(answer):
    if answer not in ("OK", "NoError"):
        raise Refused(answer.removeprefix("[Error ").split("]")[0] if answer.startswith("[") else answer)


def code_of(error):
    return error.args[0] if isinstance(error, Refused) else error.errno


class KafkaPython:
    def __init__(self, broker):
        self.broker = broker
        self.admin = KafkaAdminClient(bootstrap_servers=broker)

    def create(self, topic, partitions, config, validate_only):
        new = NewTopic(topic, partitions, 1, topic_configs=config)
        self.admin.create_topics([new], validate_only=validate_only)

    def assign(self, topic, brokers):
        assignment = dict(enumerate(brokers))
        self.admin.create_topics([NewTopic(topic, replica_assignments=assignment)])

    def leaders(self, topic):
        (described,) = self.admin.describe_topics([topic])
        if described["error_code"] != 0:
            raise Refused(described["error_code"])
        return [partition["leader_id"] for partition in described["partitions"]]

    def more_partitions(self, topic, count):
        self.admin.create_partitions({topic: NewPartitions(count)})

    def topics(self):
        return self.admin.list_topics()

    def delete(self, topic):
        self.admin.delete_topics([topic])

    def config(self, kind, name, key):
        asked = ConfigResource(KINDS[kind], name, [key])
        entry = self.admin.describe_configs([asked], config_filter="all")[kind][name][key]
        return f"{entry['value']} of {entry['config_source']}"

    def alter(self, kind, name, key, operation, to):
        change = {key: (AlterConfigOp[operation.upper()], to)}
        resource = ConfigResource(KINDS[kind], name, change)
        check(self.admin.alter_configs([resource], raise_on_unknown=False)[kind][name])
        time.sleep(SETTLES_S)

    def produce(self, topic, records):
        producer = KafkaProducer(bootstrap_servers=self.broker, linger_ms=50)
        for timestamp, value in records:
            producer.send(topic, value.encode(), timestamp_ms=timestamp)
        producer.close(30)

    def offset(self, topic, spec):
        spec = SPECS[spec] if spec in SPECS else OffsetTimestamp(spec)
        asked = {TopicPartition(topic, 0): spec}
        (found,) = self.admin.list_partition_offsets(asked, timeout_ms=3_000).values()
        return found.offset

    def delete_records(self, topic, before):
        (deleted,) = self.admin.delete_records({TopicPartition(topic, 0): before}).values()
        return deleted["low_watermark"]

    def commit(self, group, topic, offset):
        where = TopicPartition(topic, 0)
        reader = KafkaConsumer(
            bootstrap_servers=self.broker, group_id=group, enable_auto_commit=False
        )
        reader.assign([where])
        reader.commit({where: OffsetAndMetadata(offset, "", -1)})
        reader.close()

    def group_state(self, group):
        found = self.admin.list_groups()
        return " ".join(str(g["group_state"]).upper() for g in found if g["group_id"] == group)

    def describe_group(self, group):
        found = self.admin.describe_groups([group])[group]
        return str(found["group_state"]).upper(), len(found["members"])

    def committed(self, group, topic):
        where = TopicPartition(topic, 0)
        return self.admin.list_group_offsets({group: [where]})[group][where].offset

    def alter_committed(self, group, topic, to):
        where = TopicPartition(topic, 0)
        self.admin.alter_group_offsets(group, {where: OffsetAndMetadata(to, "", -1)})

    def delete_group(self, group):
        check(self.admin.delete_groups([group])[group])

    def cluster(self):
        found = self.admin.describe_cluster()
        return f"{len(found['brokers'])} nodes, controller {found['controller_id']}"


if __name__ == "__main__":
    broker, prefix = sys.argv[1:]
    admin_calls.make(KafkaPython(broker), prefix, (KafkaError, Refused), code_of, ABSENT)
