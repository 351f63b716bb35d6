//! What one configuration takes: its type, default and rule, with Kafka's words for a refusal.
//!
//! Facts are Apache Kafka 4.3's (`ConfigDef`, `LogConfig`). Two differences: NaN is refused for a
//! ratio, and Java's own spellings of a double (`0.5f`, `0x1p-1`) are not read.

/// Type of a configuration; the discriminant is its number in DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// true or false.
    Boolean = 1,
    /// Text.
    String = 2,
    /// 32-bit integer.
    Int = 3,
    /// 16-bit integer.
    Short = 4,
    /// 64-bit integer.
    Long = 5,
    /// Floating point.
    Double = 6,
    /// Comma-separated texts.
    List = 7,
    /// Name of a Java class.
    Class = 8,
    /// Text that is never shown.
    Password = 9,
}

impl Kind {
    /// Kafka's name of the type, as its refusals spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// Rule that a value of the right type has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// None.
    Any,
    /// A number of at least this.
    AtLeast(i64),
    /// A number in this range, both ends included.
    Between(i64, i64),
    /// A ratio, 0 to 1.
    Ratio,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, in any case.
    OneOfAnyCase(&'static [&'static str]),
    /// A list of these texts; may be empty.
    SubsetOf(&'static [&'static str]),
    /// 1 to 9, or -1 for the codec's own default.
    GzipLevel,
    /// `*`, or `partition:broker` pairs.
    ThrottledReplicas,
}

/// A broker configuration that gives a topic configuration its default, and how many of the
/// topic's units one of its own is (hours to milliseconds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// Name of the broker configuration.
    pub name: &'static str,
    /// Factor from its unit to the topic configuration's.
    pub scale: i64,
}

/// One configuration.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Kafka's name.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
    /// Default as text; `None` where there is none.
    pub default: Option<&'static str>,
    /// Rule.
    pub check: Check,
    /// Broker configurations that it takes its default from, strongest first.
    pub synonyms: &'static [Synonym],
    /// One sentence for people.
    pub doc: &'static str,
    /// Not shown by DescribeConfigs.
    pub hidden: bool,
}

/// A value that a configuration does not take. Shown in Kafka's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// No configuration has this name.
    #[error("Unknown {scope} config name: {key}")]
    Unknown {
        /// `topic` or `broker`.
        scope: &'static str,
        /// The name.
        key: String,
    },
    /// The value is not of the type or against the rule.
    #[error("Invalid value {got} for configuration {key}: {why}")]
    Value {
        /// The configuration.
        key: &'static str,
        /// What was given.
        got: String,
        /// What it takes.
        why: String,
    },
    /// Two values that are each legal but not together.
    #[error("{0}")]
    Conflict(String),
    /// A null value at creation.
    #[error("Null value not supported for topic configs: {0}")]
    Null(String),
}

/// Longest value, bytes; a limit for memory, far above any legal one but the lists'.
pub const MAX_VALUE_LEN: usize = 32 * 1024;

impl InvalidConfig {
    /// The same said of the configuration that a rule was borrowed for.
    pub(crate) fn of(self, name: &'static str) -> Self {
        match self {
            Self::Value { got, why, .. } => Self::Value { key: name, got, why },
            other => other,
        }
    }
}

impl Definition {
    /// Whether `text` is of the type and keeps the rule.
    pub fn check(&self, text: &str) -> Result<(), InvalidConfig> {
        if text.len() > MAX_VALUE_LEN {
            return Err(self.refuse("...", format!("Value must be at most {MAX_VALUE_LEN} bytes long")));
        }
        match self.kind {
            Kind::Boolean => match self.boolean(text) {
                Some(_) => Ok(()),
                None => Err(self.refuse(text, "Expected value to be either true or false".to_owned())),
            },
            Kind::Int | Kind::Short | Kind::Long => {
                let number = self.integer(text).ok_or_else(|| self.not_a_number(text))?;
                self.check_integer(text, number)
            }
            Kind::Double => {
                let number = text.trim().parse::<f64>().map_err(|_| self.not_a_number(text))?;
                self.check_double(text, number)
            }
            Kind::String | Kind::Class | Kind::Password => self.check_string(text.trim()),
            Kind::List => self.check_list(text),
        }
    }

    /// The integer that `text` spells, if it is one of this type.
    pub fn integer(&self, text: &str) -> Option<i64> {
        let number = text.trim().parse::<i64>().ok()?;
        let (least, most) = match self.kind {
            Kind::Short => (i64::from(i16::MIN), i64::from(i16::MAX)),
            Kind::Int => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        (least..=most).contains(&number).then_some(number)
    }

    /// The boolean that `text` spells.
    pub fn boolean(&self, text: &str) -> Option<bool> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("true") {
            Some(true)
        } else if text.eq_ignore_ascii_case("false") {
            Some(false)
        } else {
            None
        }
    }

    fn check_integer(&self, text: &str, number: i64) -> Result<(), InvalidConfig> {
        let why = match self.check {
            Check::AtLeast(least) | Check::Between(least, _) if number < least => {
                format!("Value must be at least {least}")
            }
            Check::Between(_, most) if number > most => {
                format!("Value must be no more than {most}")
            }
            Check::GzipLevel if number != -1 && !(1..=9).contains(&number) => {
                "Value must be between 1 and 9 or equal to -1".to_owned()
            }
            _ => return Ok(()),
        };
        Err(self.refuse(text.trim(), why))
    }

    fn check_double(&self, text: &str, number: f64) -> Result<(), InvalidConfig> {
        let why = match self.check {
            Check::Ratio if number > 1.0 => "Value must be no more than 1",
            Check::Ratio if number < 0.0 => "Value must be at least 0",
            _ if number.is_nan() => return Err(self.not_a_number(text)),
            _ => return Ok(()),
        };
        Err(self.refuse(text.trim(), why.to_owned()))
    }

    fn check_string(&self, text: &str) -> Result<(), InvalidConfig> {
        match self.check {
            Check::OneOfAnyCase(allowed) if !allowed.iter().any(|one| one.eq_ignore_ascii_case(text)) => {
                Err(self.refuse(text, format!("String must be one of (case insensitive): {}", allowed.join(", "))))
            }
            Check::OneOf(allowed) if !allowed.contains(&text) => {
                Err(self.refuse(text, format!("String must be one of: {}", allowed.join(", "))))
            }
            _ => Ok(()),
        }
    }

    fn check_list(&self, text: &str) -> Result<(), InvalidConfig> {
        let items = list(text);
        match self.check {
            Check::SubsetOf(_) if items.iter().any(|item| item.is_empty()) => {
                Err(InvalidConfig::Conflict(format!("Configuration '{}' values must not be empty.", self.name)))
            }
            Check::SubsetOf(allowed) => match items.iter().find(|item| !allowed.contains(item)) {
                Some(item) => Err(self.refuse(item, format!("String must be one of: {}", allowed.join(", ")))),
                None => Ok(()),
            },
            Check::ThrottledReplicas if items != ["*"] && !items.iter().all(|item| is_replica(item)) => Err(self
                .refuse(
                    &format!("[{}]", items.join(", ")),
                    format!(
                        "{} must be the literal '*' or a list of replicas in the following format: \
                     [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                        self.name
                    ),
                )),
            _ => Ok(()),
        }
    }

    fn not_a_number(&self, text: &str) -> InvalidConfig {
        self.refuse(text.trim(), format!("Not a number of type {}", self.kind.name()))
    }

    fn refuse(&self, got: &str, why: String) -> InvalidConfig {
        InvalidConfig::Value { key: self.name, got: got.to_owned(), why }
    }
}

/// The items of a comma-separated list, trimmed; none for an empty text.
pub fn list(text: &str) -> Vec<&str> {
    if text.trim().is_empty() { Vec::new() } else { text.split(',').map(str::trim).collect() }
}

/// `partition:broker`.
fn is_replica(item: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    item.split_once(':').is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
}
