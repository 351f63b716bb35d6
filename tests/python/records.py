"""What the programs of this folder share: the rows that they send, the records that they print, the
signal that stops them. The forms are described in tests/src/flights.rs and tests/src/records.rs.
"""

import signal
import sys

# A bucket acknowledges by the hundred milliseconds: the 16 KiB that most clients batch would be slow.
BATCH_BYTES = 256 << 10
BEFORE_NUMBER = len(b'{"seq":')
_stopped = False


def rows(path):
    """The key (None where it is empty), the value and the number of each line of `key TAB value`."""
    with open(path, "rb") as lines:
        for line in lines:
            key, value = line[:-1].split(b"\t", 1)
            yield key or None, value, value[BEFORE_NUMBER : value.index(b",")]


def printed(partition, offset, key, value, headers):
    """One record as tests/src/records.rs reads it."""
    text = ",".join(f"{name}={content.decode()}" for name, content in headers or ())
    key_len = -1 if key is None else len(key)
    value_len = -1 if value is None else len(value)
    head = f"{partition} {offset} {key_len} {value_len} {text}\n"
    return b"".join((head.encode(), key or b"", value or b"", b"\n"))


def say(text):
    print(text, file=sys.stderr, flush=True)


def say_partitions(what, partitions):
    """In kcat's words, which partitions a member was given or lost: pairs of topic and number."""
    say(f"{what}: " + ", ".join(f"{topic} [{number}]" for topic, number in partitions))


def end_on_signals():
    """From now on SIGTERM and SIGINT only make `stopped` true."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)


def _stop(_signal, _frame):
    global _stopped
    _stopped = True


def stopped():
    return _stopped
