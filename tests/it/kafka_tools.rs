//! Kafka's own command-line tools against the broker: what administrators type.
//!
//! Expectations hold for Apache Kafka, too; where its answer has more in it, only what both have is
//! looked for.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use highwater_tests::apache;

use crate::stage::{self, Stage};

/// As much as a tool needs; several run one after another.
const JVM: [&str; 3] = ["-Xmx128M", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];

#[test]
fn topics_and_configurations_by_kafkas_tools() -> Result<()> {
    stage::on_directory("kafka-tools", |stage| {
        let tools = Tools { stage };
        tools.topics()?;
        tools.configurations()?;
        tools.records()
    })
}

struct Tools<'a> {
    stage: &'a Stage,
}

impl Tools<'_> {
    fn topics(&self) -> Result<()> {
        const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
        let create = ["--create", "--topic", "a", "--partitions", "3", "--config", "retention.ms=1000"];
        self.says(TOPICS, &create, &["Created topic a."])?;
        self.fails(TOPICS, &["--create", "--topic", "a"], "Topic 'a' already exists.")?;
        self.fails(
            TOPICS,
            &["--create", "--topic", "b", "--config", "no.such=1"],
            "Unknown topic config name: no.such",
        )?;
        self.says(TOPICS, &["--alter", "--topic", "a", "--partitions", "5"], &[])?;
        self.fails(TOPICS, &["--alter", "--topic", "a", "--partitions", "2"], "would not be an increase")?;
        let described = ["PartitionCount: 5", "retention.ms=1000", "Partition: 4\tLeader: 1\tReplicas: 1\tIsr: 1"];
        self.says(TOPICS, &["--describe", "--topic", "a"], &described)?;
        self.says(TOPICS, &["--list"], &["a"])
    }

    fn configurations(&self) -> Result<()> {
        const CONFIGS: &str = "kafka.admin.ConfigCommand";
        let of_topic = ["--entity-type", "topics", "--entity-name", "a"];
        let alter = ["--alter", "--add-config", "cleanup.policy=[compact,delete],segment.bytes=2000000"];
        let delete = ["--delete-config", "retention.ms"];
        self.says(CONFIGS, &[&alter[..], &delete, &of_topic].concat(), &["Completed updating config for topic a."])?;
        let expected = ["cleanup.policy=compact,delete", "DYNAMIC_TOPIC_CONFIG:segment.bytes=2000000"];
        self.says(CONFIGS, &[&["--describe"][..], &of_topic].concat(), &expected)?;
        let bad = [&["--alter", "--add-config", "segment.bytes=x"][..], &of_topic].concat();
        self.fails(CONFIGS, &bad, "Invalid value x for configuration segment.bytes")?;

        let of_all = ["--entity-type", "brokers", "--entity-default"];
        let alter = [&["--alter", "--add-config", "log.retention.ms=700000"][..], &of_all].concat();
        self.says(CONFIGS, &alter, &["Completed updating default config for brokers in the cluster."])?;
        let expected = ["DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=700000"];
        self.says(CONFIGS, &[&["--describe"][..], &of_all].concat(), &expected)?;
        let of_one = ["--entity-type", "brokers", "--entity-name", "1"];
        let expected = ["log.retention.ms=700000", "num.partitions=1", "DEFAULT_CONFIG:message.max.bytes=1048588"];
        self.says(CONFIGS, &[&["--describe", "--all"][..], &of_one].concat(), &expected)?;
        let bad = [&["--alter", "--add-config", "num.partitions=3"][..], &of_one].concat();
        self.fails(CONFIGS, &bad, "Cannot update these configs dynamically")
    }

    fn records(&self) -> Result<()> {
        const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
        let lines: String = (1..=20).map(|number| format!("{number}\n")).collect();
        self.run("org.apache.kafka.tools.ConsoleProducer", &["--topic", "records"], &lines)?;
        self.says(OFFSETS, &["--topic", "records"], &["records:0:20"])?;
        let file = self.stage.place.join("offsets.json");
        fs::write(&file, r#"{"partitions":[{"topic":"records","partition":0,"offset":7}],"version":1}"#)?;
        let file = file.display().to_string();
        let delete = ["--offset-json-file", &file];
        self.says("org.apache.kafka.tools.DeleteRecordsCommand", &delete, &["partition: records-0\tlow_watermark: 7"])?;
        self.says(OFFSETS, &["--topic", "records", "--time", "-2"], &["records:0:7"])?;
        let sizes = ["--describe", "--topic-list", "records"];
        self.says(
            "org.apache.kafka.tools.LogDirsCommand",
            &sizes,
            &["\"partition\":\"records-0\"", "\"offsetLag\":0"],
        )?;
        let consume = ["--topic", "records", "--from-beginning", "--max-messages", "13", "--group", "g"];
        let said = self.run("org.apache.kafka.tools.consumer.ConsoleConsumer", &consume, "")?;
        let numbers: Vec<u32> = said.lines().filter_map(|line| line.parse().ok()).collect();
        ensure!(numbers == (8..=20).collect::<Vec<_>>(), "what was not deleted: {said}");
        const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
        let said = self.run(GROUPS, &["--describe", "--group", "g"], "")?;
        let row = said.lines().find(|line| line.contains("records")).context("the group's row")?;
        let columns: Vec<&str> = row.split_whitespace().collect();
        ensure!(columns[3..6] == ["20", "20", "0"], "offset, end and lag: {row}");
        let reset = ["--group", "g", "--topic", "records", "--reset-offsets", "--to-offset", "9", "--execute"];
        self.says(GROUPS, &reset, &["9"])?;
        self.says(GROUPS, &["--delete", "--group", "g"], &["successful"])
    }

    /// Runs a tool, which has to succeed, and looks for words in what it says.
    fn says(&self, class: &str, arguments: &[&str], words: &[&str]) -> Result<()> {
        let said = self.run(class, arguments, "")?;
        for word in words {
            ensure!(said.contains(word), "{class} {arguments:?} does not say '{word}': {said}");
        }
        Ok(())
    }

    /// Runs a tool, which has to say so when something cannot be done.
    fn fails(&self, class: &str, arguments: &[&str], words: &str) -> Result<()> {
        let (_, said) = self.start(class, arguments, "")?;
        ensure!(said.contains(words), "{class} {arguments:?} does not say '{words}': {said}");
        Ok(())
    }

    fn run(&self, class: &str, arguments: &[&str], input: &str) -> Result<String> {
        let (succeeded, said) = self.start(class, arguments, input)?;
        ensure!(succeeded, "{class} {arguments:?}: {said}");
        Ok(said)
    }

    fn start(&self, class: &str, arguments: &[&str], input: &str) -> Result<(bool, String)> {
        let mut command: Command = apache::java(&self.stage.parts.kafka_jars(), &JVM);
        command.args([class, "--bootstrap-server", self.stage.at().broker]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("cannot run java")?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        std::io::Write::write_all(&mut stdin, input.as_bytes())?;
        drop(stdin);
        let done = child.wait_with_output()?;
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        Ok((done.status.success(), said))
    }
}
