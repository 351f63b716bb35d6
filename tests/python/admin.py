"""confluent-kafka's AdminClient makes the calls of admin_calls.py.

Usage: admin.py BROKER PREFIX
"""

import sys
import time

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
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

import admin_calls

# Kafka shows an altered configuration a moment later.
SETTLES_S = 0.2
KINDS = {admin_calls.TOPIC: ResourceType.TOPIC, admin_calls.BROKER: ResourceType.BROKER}
SPECS = {
    "earliest": OffsetSpec.earliest(),
    "latest": OffsetSpec.latest(),
    "max timestamp": OffsetSpec.max_timestamp(),
}


def only(futures):
    """The result of a call about one thing."""
    (future,) = futures.values()
    return future.result(30)


class Confluent:
    def __init__(self, broker):
        self.broker = broker
        self.admin = AdminClient({"bootstrap.servers": broker})

    def create(self, topic, partitions, config, validate_only):
        new = NewTopic(topic, partitions, 1, config=config)
        only(self.admin.create_topics([new], validate_only=validate_only))

    def assign(self, topic, brokers):
        new = NewTopic(topic, len(brokers), replica_assignment=brokers)
        only(self.admin.create_topics([new]))

    def leaders(self, topic):
        described = only(self.admin.describe_topics(TopicCollection([topic])))
        return [partition.leader.id for partition in described.partitions]

    def more_partitions(self, topic, count):
        only(self.admin.create_partitions([NewPartitions(topic, count)]))

    def topics(self):
        return self.admin.list_topics(timeout=30).topics

    def delete(self, topic):
        only(self.admin.delete_topics([topic]))

    def config(self, kind, name, key):
        entry = only(self.admin.describe_configs([ConfigResource(KINDS[kind], name)]))[key]
        return f"{entry.value} of {ConfigSource(entry.source).name}"

    def alter(self, kind, name, key, operation, to):
        operation = AlterConfigOpType[operation.upper()]
        entry = ConfigEntry(key, to, incremental_operation=operation)
        resource = ConfigResource(KINDS[kind], name, incremental_configs=[entry])
        only(self.admin.incremental_alter_configs([resource]))
        time.sleep(SETTLES_S)

    def replace_configs(self, topic, configs):
        only(self.admin.alter_configs([ConfigResource(ResourceType.TOPIC, topic, set_config=configs)]))
        time.sleep(SETTLES_S)

    def produce(self, topic, records):
        producer = Producer({"bootstrap.servers": self.broker, "linger.ms": 50})
        for timestamp, value in records:
            producer.produce(topic, value, timestamp=timestamp)
        producer.flush(30)

    def offset(self, topic, spec):
        spec = SPECS[spec] if spec in SPECS else OffsetSpec.for_timestamp(spec)
        return only(self.admin.list_offsets({TopicPartition(topic, 0): spec})).offset

    def delete_records(self, topic, before):
        asked = TopicPartition(topic, 0, before)
        return only(self.admin.delete_records([asked])).low_watermark

    def commit(self, group, topic, offset):
        reader = Consumer({"bootstrap.servers": self.broker, "group.id": group})
        deadline = time.monotonic() + 30
        while True:
            try:
                reader.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
                break
            except KafkaException as error:
                # The topic of the offsets was just created; librdkafka leaves this to its user.
                if error.args[0].code() != KafkaError.NOT_COORDINATOR or time.monotonic() > deadline:
                    raise
                time.sleep(SETTLES_S)
        reader.close()

    def group_state(self, group):
        found = self.admin.list_consumer_groups().result(30)
        while found.errors:
            # The coordinators of a topic that was just created are still loading.
            time.sleep(SETTLES_S)
            found = self.admin.list_consumer_groups().result(30)
        return " ".join(one.state.name for one in found.valid if one.group_id == group)

    def describe_group(self, group):
        found = only(self.admin.describe_consumer_groups([group]))
        return found.state.name, len(found.members)

    def committed(self, group, topic):
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
        (found,) = only(self.admin.list_consumer_group_offsets([asked])).topic_partitions
        return found.offset

    def alter_committed(self, group, topic, to):
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, to)])
        only(self.admin.alter_consumer_group_offsets([asked]))

    def delete_group(self, group):
        only(self.admin.delete_consumer_groups([group]))

    def cluster(self):
        found = self.admin.describe_cluster().result(30)
        return f"{len(found.nodes)} nodes, controller {found.controller.id}"


if __name__ == "__main__":
    broker, prefix = sys.argv[1:]
    admin_calls.make(Confluent(broker), prefix, KafkaException, lambda error: error.args[0].code())
