//! Real processes for the end-to-end tests and the benchmarks: brokers, buckets and Kafka's clients.
//!
//! | module | its one job |
//! | --- | --- |
//! | [`parts`] | where the prepared real parts lie |
//! | [`process`] | a child process that cannot outlive its owner, with its log |
//! | [`place`] | a temporary folder that is kept when a test fails |
//! | [`ports`], [`wait`], [`http`] | free ports, conditions with a deadline, one request |
//! | [`apache`], [`highwater`], [`minio`], [`localstack`], [`seaweedfs`] | one real server each |
//! | [`buckets`] | a bucket of a test, in whichever of them |
//! | [`answering`], [`bad_s3`], [`aws_services`] | services that a test plays itself |
//! | [`pages`] | the pages that a broker shows to operators |
//! | [`said`] | a command that does one thing and ends, and what it said |
//! | [`walk`] | `highwater verify`, which must find nothing wrong |
//! | [`certificates`] | a private authority and a server's certificate |
//! | [`system`] | the broker under test, whichever of the two it is |
//! | [`clients`] | kcat, confluent-kafka and the Java client behind one interface |
//! | [`records`] | the stream of records that every consuming client prints |
//! | [`flights`] | the data set and the proof that all of it arrived |
//! | [`memory`] | what a process has resident |
//! | [`load`] | a producer under way that tells each acknowledgement |
//! | [`history`] | what a reader has seen of such a load, and whether it is all |
//! | [`kill`] | rounds of `kill -9` under load |
//! | [`faults`] | a bucket's service that fails on purpose, before a real one |
//! | [`asking`] | a client that asks for what needs no disk, and how long that takes |
//! | [`flood`] | a client that sends without end and waits for nothing |
//! | [`dice`] | chance that a seed repeats |
//! | [`raw`] | Kafka frames by hand, well formed or not |
//! | [`led`] | how many partitions have a leader, and when a start is over |
//!
//! The broker is a black box here: nothing in this package names another crate of the workspace, so
//! that a mistake in our own codec cannot hide itself.

pub mod answering;
pub mod apache;
pub mod asking;
pub mod aws_services;
pub mod bad_s3;
pub mod buckets;
pub mod certificates;
pub mod clients;
pub mod dice;
pub mod faults;
pub mod flights;
pub mod flood;
pub mod highwater;
pub mod history;
pub mod http;
pub mod kill;
pub mod led;
pub mod load;
pub mod localstack;
pub mod memory;
pub mod minio;
pub mod pages;
pub mod parts;
pub mod place;
pub mod ports;
pub mod process;
pub mod raw;
pub mod records;
pub mod said;
pub mod seaweedfs;
pub mod system;
pub mod wait;
pub mod walk;
