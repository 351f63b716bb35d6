"""kafka-python as a program for the end-to-end tests.

Usage: kafka_python_client.py ROLE BROKER ARGUMENTS..., with the roles `produce TOPIC FILE CODEC` and
`member TOPIC GROUP` of client.py.
"""

import sys

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer

from records import BATCH_BYTES, end_on_signals, printed, rows, say_partitions, stopped


def produce(broker, topic, path, codec):
    producer = KafkaProducer(
        bootstrap_servers=broker,
        enable_idempotence=True,
        compression_type=None if codec == "none" else codec,
        batch_size=BATCH_BYTES,
        linger_ms=5,
    )
    sent = [
        producer.send(topic, value, key, headers=[("seq", number)])
        for key, value, number in rows(path)
    ]
    producer.flush(120)
    for one in sent:
        one.get(1)
    producer.close()


class Teller(ConsumerRebalanceListener):
    def on_partitions_assigned(self, assigned):
        say_partitions("assigned", assigned)

    def on_partitions_revoked(self, revoked):
        say_partitions("revoked", revoked)


def member(broker, topic, group):
    reader = KafkaConsumer(
        bootstrap_servers=broker,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=True,
        check_crcs=True,
    )
    reader.subscribe([topic], listener=Teller())
    out = sys.stdout.buffer
    while not stopped():
        for messages in reader.poll(timeout_ms=100, max_records=2_000).values():
            for m in messages:
                out.write(printed(m.partition, m.offset, m.key, m.value, m.headers))
        out.flush()
    reader.close()


ROLES = {"produce": produce, "member": member}

if __name__ == "__main__":
    end_on_signals()
    ROLES[sys.argv[1]](*sys.argv[2:])
