"""The calls that administrators make, one line `call: outcome` for each; tests/it/admin.rs knows what must
come out. An outcome is what the broker answered, or the code of its error.

A client is an object with a method for each kind of call (see admin.py) that raises what its library
raises; `code_of` gives the code of such an error. Calls of `absent` are those that a library lacks.
"""

TOPIC, BROKER = "topic", "broker"


def make(client, prefix, errors, code_of, absent=()):
    """Makes every call about topics, configurations, records, groups and the cluster."""

    def tell(call, outcome):
        if call in absent:
            return
        try:
            print(f"{call}: {outcome()}", flush=True)
        except errors as error:
            print(f"{call}: error {code_of(error)}", flush=True)

    _topics(client, prefix, tell)
    _configs(client, prefix, tell)
    _records(client, prefix, tell)
    _groups(client, prefix, tell)
    tell("cluster", client.cluster)


def _topics(client, prefix, tell):
    def create(name, partitions=3, config=None, validate_only=False):
        client.create(prefix + name, partitions, config or {}, validate_only)
        return "ok"

    def partitions(name):
        leaders = client.leaders(prefix + name)
        return f"{len(leaders)} partitions led by {sorted(set(leaders))}"

    def assign(name, brokers):
        client.assign(prefix + name, brokers)
        return partitions(name)

    def more(name, count):
        client.more_partitions(prefix + name, count)
        return partitions(name)

    def listed():
        found = sorted(topic for topic in client.topics() if topic.startswith(prefix))
        return " ".join(name.removeprefix(prefix) for name in found)

    def delete(name):
        client.delete(prefix + name)
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


def _configs(client, prefix, tell):
    def topic(key, name="a"):
        return client.config(TOPIC, prefix + name, key)

    def changed(key, operation, to=None, name="a"):
        client.alter(TOPIC, prefix + name, key, operation, to)
        return topic(key, name)

    def broker(key, operation, to=None):
        client.alter(BROKER, "1", key, operation, to)
        return "ok"

    def replace():
        client.replace_configs(prefix + "a", {"segment.bytes": "3000000"})
        return topic("cleanup.policy") + ", " + topic("segment.bytes")

    tell("config", lambda: topic("retention.ms"))
    tell("config of nothing", lambda: topic("retention.ms", name="none"))
    tell("set", lambda: changed("retention.ms", "set", "1234567"))
    tell("set badly", lambda: changed("retention.ms", "set", "x"))
    tell("set the unknown", lambda: changed("no.such", "set", "1"))
    tell("set of nothing", lambda: changed("retention.ms", "set", "1", name="none"))
    tell("append", lambda: changed("cleanup.policy", "append", "compact"))
    tell("subtract", lambda: changed("cleanup.policy", "subtract", "delete"))
    tell("append to a number", lambda: changed("retention.ms", "append", "1"))
    tell("unset", lambda: changed("retention.ms", "delete"))
    tell("replace all", replace)
    tell("broker's config", lambda: client.config(BROKER, "1", "message.max.bytes"))
    tell("broker's dynamic config", lambda: broker("log.retention.ms", "set", "700000"))
    tell("broker's unset config", lambda: broker("log.retention.ms", "delete"))
    tell("broker's fixed config", lambda: broker("num.partitions", "set", "3"))


def _records(client, prefix, tell):
    where, nowhere = prefix + "records", prefix + "none"
    client.create(where, 1, {}, False)
    client.produce(where, [(1_000_000 + number, str(number)) for number in range(20)])

    def delete(before, topic=where):
        return f"from {client.delete_records(topic, before)} on"

    tell("earliest", lambda: client.offset(where, "earliest"))
    tell("latest", lambda: client.offset(where, "latest"))
    tell("of a time", lambda: client.offset(where, 1_000_013))
    tell("of a time to come", lambda: client.offset(where, 2_000_000))
    tell("of the latest time", lambda: client.offset(where, "max timestamp"))
    tell("offset of nothing", lambda: client.offset(nowhere, "latest"))
    tell("delete records", lambda: delete(7))
    tell("delete fewer records", lambda: delete(3))
    tell("delete records beyond", lambda: delete(21))
    tell("delete records of nothing", lambda: delete(1, nowhere))
    tell("earliest after", lambda: client.offset(where, "earliest"))
    tell("delete all records", lambda: delete(-1))


def _groups(client, prefix, tell):
    group, topic = prefix + "group", prefix + "records"
    client.commit(group, topic, 11)

    def described():
        state, members = client.describe_group(group)
        return f"{state} with {members} members"

    def alter(to):
        client.alter_committed(group, topic, to)
        return client.committed(group, topic)

    def delete():
        client.delete_group(group)
        return "ok"

    tell("list groups", lambda: client.group_state(group))
    tell("describe group", described)
    tell("committed", lambda: client.committed(group, topic))
    tell("alter committed", lambda: alter(5))
    tell("delete group", delete)
    tell("delete group again", delete)
