"""aiokafka as a program for the end-to-end tests.

Usage: aiokafka_client.py ROLE BROKER ARGUMENTS..., with the roles `produce TOPIC FILE CODEC` and
`member TOPIC GROUP` of client.py.
"""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener

from records import BATCH_BYTES, end_on_signals, printed, rows, say_partitions, stopped


async def produce(broker, topic, path, codec):
    producer = AIOKafkaProducer(
        bootstrap_servers=broker,
        enable_idempotence=True,
        compression_type=None if codec == "none" else codec,
        max_batch_size=BATCH_BYTES,
        linger_ms=5,
    )
    await producer.start()
    sent = [
        await producer.send(topic, value, key, headers=[("seq", number)])
        for key, value, number in rows(path)
    ]
    await asyncio.wait_for(asyncio.gather(*sent), 120)
    await producer.stop()


class Teller(ConsumerRebalanceListener):
    async def on_partitions_assigned(self, assigned):
        say_partitions("assigned", assigned)

    async def on_partitions_revoked(self, revoked):
        say_partitions("revoked", revoked)


async def member(broker, topic, group):
    reader = AIOKafkaConsumer(
        bootstrap_servers=broker,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=True,
        check_crcs=True,
    )
    reader.subscribe([topic], listener=Teller())
    await reader.start()
    out = sys.stdout.buffer
    while not stopped():
        # Nothing is awaited between taking and printing: a rebalance commits what was taken.
        for messages in (await reader.getmany(timeout_ms=100, max_records=2_000)).values():
            for m in messages:
                out.write(printed(m.partition, m.offset, m.key, m.value, m.headers))
        out.flush()
    await reader.stop()


ROLES = {"produce": produce, "member": member}

if __name__ == "__main__":
    end_on_signals()
    asyncio.run(ROLES[sys.argv[1]](*sys.argv[2:]))
