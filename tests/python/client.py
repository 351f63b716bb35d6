"""confluent-kafka as a program for the end-to-end tests.

Usage: client.py ROLE BROKER ARGUMENTS...

  create-topic TOPIC PARTITIONS    creates a topic and waits for its leaders
  create-topics PREFIX COUNT       creates topics of one partition, PREFIX-0 and on, waits for their leaders,
                                   and prints how many seconds that took
  delete-topic TOPIC               deletes a topic
  produce TOPIC FILE CODEC         sends lines of `key TAB value` (an empty key is null), header seq
  consume TOPIC                    prints a topic from its beginning to its present end
  member TOPIC GROUP               prints as a member of a group until SIGTERM, then commits
  tail TOPIC PARTITIONS            prints a topic from its beginning, on and on, until SIGTERM
  latency TOPIC COUNT RATE         prints p50 and p99 in us from a send to its acknowledgement
  load TOPIC PARTITIONS RATE [endure]
                                   idempotent load until SIGTERM; prints each acknowledgement; a record
                                   that fails ends it, or with `endure` is left out

The form of a printed record is described in tests/src/records.rs. Whatever cannot be recovered from
ends the program with a status other than 0.
"""

import random
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from records import end_on_signals, printed, rows, say, say_partitions, stopped

BEGINNING = -2
# Of one request; Apache Kafka takes at most 10,000 records of metadata in one.
TOPICS_AT_ONCE = 500


def create_topic(broker, topic, partitions):
    admin = AdminClient({"bootstrap.servers": broker})
    created = admin.create_topics([NewTopic(topic, int(partitions), 1)], operation_timeout=30)
    created[topic].result(60)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = admin.list_topics(topic, timeout=10).topics[topic]
        ready = found.error is None and len(found.partitions) == int(partitions)
        if ready and all(p.leader >= 0 for p in found.partitions.values()):
            return
        time.sleep(0.02)
    sys.exit(f"{topic} has no leaders")


def create_topics(broker, prefix, count):
    count, begun = int(count), time.monotonic()
    admin = AdminClient({"bootstrap.servers": broker})
    for first in range(0, count, TOPICS_AT_ONCE):
        numbers = range(first, min(first + TOPICS_AT_ONCE, count))
        topics = [NewTopic(f"{prefix}-{number}", 1, 1) for number in numbers]
        created = admin.create_topics(topics, operation_timeout=60, request_timeout=120)
        for future in created.values():
            future.result(180)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        found = [topic for name, topic in admin.list_topics(timeout=60).topics.items() if name.startswith(prefix)]
        led = [p for topic in found if topic.error is None for p in topic.partitions.values() if p.leader >= 0]
        if len(led) == count:
            return print(round(time.monotonic() - begun, 3))
        time.sleep(0.1)
    sys.exit(f"not all of {prefix} have leaders")


def delete_topic(broker, topic):
    admin = AdminClient({"bootstrap.servers": broker})
    admin.delete_topics([topic], operation_timeout=30)[topic].result(60)


def produce(broker, topic, path, codec):
    failures = []

    def delivered(error, _message):
        if error is not None:
            failures.append(error)

    producer = Producer(
        {
            "bootstrap.servers": broker,
            "enable.idempotence": True,
            "compression.type": codec,
            "linger.ms": 5,
            "queue.buffering.max.messages": 200_000,
            "message.timeout.ms": 120_000,
        }
    )
    for key, value, number in rows(path):
        while True:
            try:
                producer.produce(topic, value, key, headers=[("seq", number)], callback=delivered)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(120)
    if failures or left:
        sys.exit(f"{left} not sent, {len(failures)} failed: {failures[:3]}")


def print_records(messages, out):
    for message in messages:
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                yield message.partition()
                continue
            if error.retriable() or error.code() in TRANSIENT:
                say(f"transient: {error}")
                continue
            raise KafkaException(error)
        where = message.partition(), message.offset()
        out.write(printed(*where, message.key(), message.value(), message.headers()))


# A broker that is down for a moment; the library connects again by itself.
TRANSIENT = {
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
}


def consumer(broker, group, **more):
    return Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": group,
            "auto.offset.reset": "error",
            "check.crcs": True,
            "enable.auto.commit": False,
            "reconnect.backoff.max.ms": 500,
            **more,
        }
    )


def assign_all(reader, topic, partitions):
    reader.assign([TopicPartition(topic, partition, BEGINNING) for partition in partitions])


def consume(broker, topic):
    reader = consumer(broker, "unused", **{"enable.partition.eof": True})
    found = reader.list_topics(topic, timeout=30).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    left = set(found.partitions)
    assign_all(reader, topic, sorted(left))
    out = sys.stdout.buffer
    while left:
        left.difference_update(print_records(reader.consume(2_000, 0.5), out))
    out.flush()
    reader.close()


def member(broker, topic, group):
    def tell(what):
        return lambda _, found: say_partitions(what, [(p.topic, p.partition) for p in found])

    reader = consumer(
        broker,
        group,
        **{
            "auto.offset.reset": "earliest",
            "enable.auto.commit": True,
            "partition.assignment.strategy": "range",
        },
    )
    reader.subscribe([topic], on_assign=tell("assigned"), on_revoke=tell("revoked"))
    read_on(reader)


def tail(broker, topic, partitions):
    reader = consumer(broker, "unused", **{"fetch.wait.max.ms": 100})
    assign_all(reader, topic, range(int(partitions)))
    read_on(reader)


def read_on(reader):
    out = sys.stdout.buffer
    while not stopped():
        for _ in print_records(reader.consume(1_000, 0.1), out):
            pass
        out.flush()
    reader.close()
    out.flush()


def filler(partition, number):
    """The rest of a value, which a reader can tell from the two numbers; see tests/src/load.rs."""
    length = 64 + number * 7_919 % 1_937
    word = f"{partition}-{number}."
    return (word * (length // len(word) + 1))[:length]


def load(broker, topic, partitions, rate, errors="end"):
    partitions, rate, endure = int(partitions), int(rate), errors == "endure"
    out = sys.stdout

    def delivered(error, message):
        if error is not None:
            if endure:
                return say(f"not delivered: {error}")
            raise KafkaException(error)
        number = message.value().split(b" ", 2)[1].decode()
        out.write(f"{message.partition()} {message.offset()} {number}\n")

    producer = Producer(
        {
            "bootstrap.servers": broker,
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.timeout.ms": 0,
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 200,
            "retry.backoff.ms": 20,
            "retry.backoff.max.ms": 200,
            "request.timeout.ms": 10_000,
            "socket.timeout.ms": 12_000,
        }
    )
    last, allowance, sent, next_flush = time.monotonic(), 0.0, 0, 0.0
    while not stopped():
        now = time.monotonic()
        # A broker that was down must not be met by everything that it missed, all at once.
        allowance = min(allowance + (now - last) * rate, rate / 10)
        last = now
        while allowance >= 1 and len(producer) < rate:
            partition, number = sent % partitions, sent // partitions
            value = f"{partition} {number} {filler(partition, number)}"
            try:
                producer.produce(
                    topic, value, partition=partition, key=str(number), callback=delivered
                )
            except KafkaException as error:
                delivered(error.args[0], None)
            sent += 1
            allowance -= 1
        producer.poll(0.005)
        if now > next_flush:
            out.flush()
            next_flush = now + 0.05
    left = producer.flush(90)
    out.flush()
    if left:
        sys.exit(f"{left} records were never acknowledged")


def latency(broker, topic, count, rate):
    count, gap = int(count), 1 / int(rate)
    # The first ones pay for connections and compilers.
    warm_up = count // 5
    taken = []
    producer = Producer({"bootstrap.servers": broker, "acks": "all", "linger.ms": 0})
    value = bytes(random.randrange(256) for _ in range(1_024))
    next_send = time.perf_counter()
    for _ in range(count + warm_up):
        while (left := next_send - time.perf_counter()) > 0:
            time.sleep(left)
        next_send += gap
        sent = time.perf_counter()
        producer.produce(
            topic, value, callback=lambda error, _: taken.append((error, time.perf_counter() - sent))
        )
        if producer.flush(30):
            sys.exit("no acknowledgement within 30 s")
    failures = [error for error, _ in taken if error is not None]
    if failures:
        sys.exit(f"{len(failures)} failed: {failures[0]}")
    sorted_us = sorted(seconds * 1e6 for _, seconds in taken[warm_up:])
    print(*(round(sorted_us[int(len(sorted_us) * part)], 1) for part in (0.5, 0.99)))


ROLES = {
    "create-topic": create_topic,
    "create-topics": create_topics,
    "delete-topic": delete_topic,
    "produce": produce,
    "consume": consume,
    "member": member,
    "tail": tail,
    "load": load,
    "latency": latency,
}

if __name__ == "__main__":
    end_on_signals()
    ROLES[sys.argv[1]](*sys.argv[2:])
