//! How many partitions a broker says have a leader, and when a start is over.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::raw::{Connection, Cursor};
use crate::system::Broker;

/// The key of Metadata, of which every version is still answered.
const METADATA: i16 = 3;
/// Version 1 names all topics by a null list.
const VERSION: i16 = 1;
const ALL_TOPICS: i32 = -1;
/// A look at many partitions is work for the broker, so it looks when this part more of the time has passed,
/// by which the result may be too long.
const PART_OF_THE_TIME: u32 = 50;
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Longer than either broker takes to start with 10,000 partitions.
const DEADLINE: Duration = Duration::from_secs(300);

/// Starts a broker that is down; gives the time from then to the first Metadata answer that names a broker
/// and `partitions` partitions with a leader.
pub fn time_of_start(broker: &mut Broker, partitions: usize) -> Result<Duration> {
    let address = broker.address();
    let began = Instant::now();
    thread::scope(|scope| {
        let looking = scope.spawn(|| look_until(&address, partitions, began));
        // A process is tied to the thread that has started it, so it is the other one that looks.
        broker.up()?;
        looking.join().map_err(|_| anyhow::anyhow!("the thread that looks has failed"))?
    })
}

fn look_until(address: &str, partitions: usize, began: Instant) -> Result<Duration> {
    while began.elapsed() < DEADLINE {
        // An error is a broker that is not there yet.
        if look(address).is_ok_and(|led| led >= partitions) {
            return Ok(began.elapsed());
        }
        thread::sleep((began.elapsed() / PART_OF_THE_TIME).clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
    }
    bail!("no leaders for {partitions} partitions in {DEADLINE:?}")
}

/// The partitions with a leader; an error where there is no broker yet.
fn look(address: &str) -> Result<usize> {
    let mut connection = Connection::open(address)?;
    connection.request(METADATA, VERSION, 1, &ALL_TOPICS.to_be_bytes())?;
    let (_, body) = connection.answer()?;
    led(&body)
}

fn led(body: &[u8]) -> Result<usize> {
    let mut cursor = Cursor::new(body);
    let brokers = cursor.i32()?;
    ensure!(brokers > 0, "no broker");
    for _ in 0..brokers {
        cursor.i32()?; // its number
        skip_string(&mut cursor)?;
        cursor.i32()?; // its port
        skip_string(&mut cursor)?; // its rack
    }
    cursor.i32()?; // the controller
    let mut led = 0;
    for _ in 0..cursor.i32()? {
        cursor.i16()?; // an error of the topic, which then has no partitions
        skip_string(&mut cursor)?;
        cursor.take(1)?; // whether it is internal
        for _ in 0..cursor.i32()? {
            let error = cursor.i16()?;
            cursor.i32()?; // its number
            let leader = cursor.i32()?;
            skip_numbers(&mut cursor)?; // replicas
            skip_numbers(&mut cursor)?; // those in sync
            led += usize::from(error == 0 && leader >= 0);
        }
    }
    Ok(led)
}

/// A string with a length of two bytes; a null one has -1.
fn skip_string(cursor: &mut Cursor<'_>) -> Result<()> {
    let length = cursor.i16()?.max(0);
    cursor.take(usize::try_from(length)?).map(drop)
}

fn skip_numbers(cursor: &mut Cursor<'_>) -> Result<()> {
    let count = usize::try_from(cursor.i32()?).context("a null list")?;
    cursor.take(count.saturating_mul(size_of::<i32>())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::led;
    use crate::raw::put_string;

    #[test]
    fn partitions_without_a_leader_do_not_count() {
        let mut body = Vec::new();
        let number = |body: &mut Vec<u8>, number: i32| body.extend(number.to_be_bytes());
        number(&mut body, 1); // brokers
        number(&mut body, 7);
        put_string(&mut body, "host");
        number(&mut body, 9092);
        body.extend((-1_i16).to_be_bytes()); // no rack
        number(&mut body, 7); // the controller
        number(&mut body, 1); // topics
        body.extend([0, 0]);
        put_string(&mut body, "t");
        body.push(0);
        number(&mut body, 2); // partitions
        for (partition, (error, leader)) in [(0_i16, 7), (5_i16, -1)].into_iter().enumerate() {
            body.extend(error.to_be_bytes());
            for field in [partition as i32, leader, 1, 7, 0] {
                number(&mut body, field);
            }
        }
        assert!(matches!(led(&body), Ok(1)));
        assert!(led(&body[..body.len() - 1]).is_err());
        assert!(led(&0_i32.to_be_bytes()).is_err());
    }
}
