//! The five codecs of Kafka, one shot, with a limit on what may come out.
//!
//! Snappy is read both in the framing of xerial's snappy-java, which most clients write, and raw,
//! which some do (kafkajs-snappy); it is written in xerial's, which all can read. LZ4 is the
//! standard frame format, as magic 2 demands (older magics had a broken header checksum).

use std::io::{self, Read, Write};

use bytes::Bytes;

use crate::records::RecordError;

/// A codec, numbered as in the attributes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// 0: not compressed.
    None,
    /// 1: gzip.
    Gzip,
    /// 2: snappy.
    Snappy,
    /// 3: LZ4 frame.
    Lz4,
    /// 4: zstd (KIP-110).
    Zstd,
}

impl Compression {
    /// All codecs, by number.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// Its number.
    pub const fn id(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// The codec of a number.
    pub const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// As in Kafka's settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of a name in Kafka's settings (`uncompressed` is also "none").
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "uncompressed" => Some(Self::None),
            _ => Self::ALL.into_iter().find(|codec| codec.name() == name),
        }
    }

    /// Decompresses the records of a batch; shares them when they are not compressed.
    ///
    /// # Errors
    /// [`RecordError::Codec`] for bytes that the codec does not understand,
    /// [`RecordError::TooLarge`] as soon as more comes out than `limit` allows.
    pub fn decompress(self, data: &Bytes, limit: Expansion) -> Result<Bytes, RecordError> {
        let most = limit.most_bytes(data.len());
        let bytes = match self {
            Self::None if data.len() > most => return Err(RecordError::TooLarge { limit: most }),
            Self::None => return Ok(data.clone()),
            Self::Gzip => read_bounded(self, flate2::bufread::MultiGzDecoder::new(&data[..]), most)?,
            Self::Snappy => snappy(data, most)?,
            Self::Lz4 => read_bounded(self, lz4_flex::frame::FrameDecoder::new(&data[..]), most)?,
            Self::Zstd => {
                let reader =
                    zstd::stream::read::Decoder::with_buffer(&data[..]).map_err(|error| self.failed(&error))?;
                read_bounded(self, reader, most)?
            }
        };
        Ok(Bytes::from(bytes))
    }

    /// Compresses records at the codec's usual level.
    ///
    /// # Errors
    /// [`RecordError::Codec`] if the codec fails, which needs more than 4 GiB or no memory.
    pub fn compress(self, data: &[u8]) -> Result<Vec<u8>, RecordError> {
        self.compress_at(None, data)
    }

    /// Compresses records at a level of the codec (gzip 1 to 9, zstd as its library takes it; the
    /// others have none), or at its usual one.
    ///
    /// # Errors
    /// As [`Compression::compress`].
    pub fn compress_at(self, level: Option<i32>, data: &[u8]) -> Result<Vec<u8>, RecordError> {
        let gzip_level = level.and_then(|level| u32::try_from(level).ok()).map(flate2::Compression::new);
        let attempt = || -> io::Result<Vec<u8>> {
            match self {
                Self::None => Ok(data.to_vec()),
                Self::Gzip => {
                    let mut writer = flate2::write::GzEncoder::new(Vec::new(), gzip_level.unwrap_or_default());
                    writer.write_all(data)?;
                    writer.finish()
                }
                Self::Snappy => xerial(data),
                Self::Lz4 => {
                    let info = lz4_flex::frame::FrameInfo::new()
                        .block_mode(lz4_flex::frame::BlockMode::Independent)
                        .block_size(lz4_flex::frame::BlockSize::Max64KB);
                    let mut writer = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
                    writer.write_all(data)?;
                    writer.finish().map_err(io::Error::from)
                }
                Self::Zstd => zstd::bulk::compress(data, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)),
            }
        };
        attempt().map_err(|error| self.failed(&error))
    }

    fn failed(self, error: &dyn std::fmt::Display) -> RecordError {
        RecordError::Codec { codec: self.name(), detail: error.to_string() }
    }
}

/// How much may come out of compressed records: a small batch that unpacks to gigabytes must not
/// take the broker's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expansion {
    /// Most bytes, whatever went in.
    pub max_bytes: usize,
    /// Most bytes for each byte that went in; looked at only beyond [`Expansion::FREE_BYTES`],
    /// since a short run of zeros compresses by thousands.
    pub max_ratio: usize,
}

impl Expansion {
    /// What any batch may unpack to, whatever the ratio.
    pub const FREE_BYTES: usize = 16 << 20;

    /// For a batch that a topic with default settings could have taken: 128 MiB, 256 times.
    pub const DEFAULT: Self = Self { max_bytes: 128 << 20, max_ratio: 256 };

    /// Most bytes for `compressed` bytes.
    pub const fn most_bytes(self, compressed: usize) -> usize {
        let by_ratio = compressed.saturating_mul(self.max_ratio);
        let most = if by_ratio > Self::FREE_BYTES { by_ratio } else { Self::FREE_BYTES };
        if most < self.max_bytes { most } else { self.max_bytes }
    }
}

impl Default for Expansion {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Reads all, growing with what really comes out; never by a length that the data claims.
fn read_bounded(codec: Compression, reader: impl Read, most: usize) -> Result<Vec<u8>, RecordError> {
    let mut out = Vec::new();
    let one_more = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(one_more).read_to_end(&mut out).map_err(|error| codec.failed(&error))?;
    if out.len() > most { Err(RecordError::TooLarge { limit: most }) } else { Ok(out) }
}

/// Marks xerial's framing; a version and a compatible version (4 bytes each) follow.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_HEADER_BYTES: usize = 16;
/// Bytes of plain data in one block, as snappy-java writes by default.
const XERIAL_BLOCK_BYTES: usize = 32 << 10;

fn snappy(data: &[u8], most: usize) -> Result<Vec<u8>, RecordError> {
    let mut out = Vec::new();
    if !data.starts_with(&XERIAL_MAGIC) {
        snappy_block(data, most, &mut out)?;
        return Ok(out);
    }
    let cut = || Compression::Snappy.failed(&"cut short");
    let mut rest = data.get(XERIAL_HEADER_BYTES..).ok_or_else(cut)?;
    while !rest.is_empty() {
        // snappy-java concatenates streams: a header may stand where a block could.
        if rest.starts_with(&XERIAL_MAGIC) {
            rest = rest.get(XERIAL_HEADER_BYTES..).ok_or_else(cut)?;
            continue;
        }
        let (length, behind) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut())?;
        if length > behind.len() {
            return Err(cut());
        }
        let (block, behind) = behind.split_at(length);
        snappy_block(block, most, &mut out)?;
        rest = behind;
    }
    Ok(out)
}

/// Appends one raw block to `out`. The length it claims is checked against `most` and against what
/// snappy can reach (a copy of 64 bytes takes 3) before memory is reserved.
fn snappy_block(block: &[u8], most: usize, out: &mut Vec<u8>) -> Result<(), RecordError> {
    const BEST_RATIO: usize = 32;
    if block.is_empty() {
        return Ok(());
    }
    let codec = Compression::Snappy;
    let length = snap::raw::decompress_len(block).map_err(|error| codec.failed(&error))?;
    if length > block.len().saturating_mul(BEST_RATIO) {
        return Err(codec.failed(&"impossible length"));
    }
    let start = out.len();
    if length > most.saturating_sub(start) {
        return Err(RecordError::TooLarge { limit: most });
    }
    out.resize(start + length, 0);
    let written =
        snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(|error| codec.failed(&error))?;
    out.truncate(start + written);
    Ok(())
}

fn xerial(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(XERIAL_HEADER_BYTES + data.len() / 2);
    out.extend_from_slice(&XERIAL_MAGIC);
    out.extend_from_slice(&1u32.to_be_bytes());
    out.extend_from_slice(&1u32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for plain in data.chunks(XERIAL_BLOCK_BYTES) {
        let block = encoder.compress_vec(plain).map_err(io::Error::other)?;
        let length = u32::try_from(block.len()).map_err(io::Error::other)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&block);
    }
    Ok(out)
}
