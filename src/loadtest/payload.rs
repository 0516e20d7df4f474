//! What a synthetic event carries, so that a reader can tell from it alone whether it is the right
//! one, whole, and how late.
//!
//! ```text
//! {"load":"0000002a0000000300000a1b2c3d4e5f000000c89f8e7d6c5b4a3928filler…"}
//!          │       │       │               │       └ checksum of everything else
//!          │       │       │               └ length of the whole, in bytes
//!          │       │       └ when it was due, in nanoseconds of the shared clock
//!          │       └ the job
//!          └ the sequence within the job, from 0
//! ```
//!
//! It is JSON, so that any server takes it, and it is found by its beginning in whatever a server
//! wraps around it.

/// How an event's data begins.
const BEGIN: &[u8] = br#"{"load":""#;

/// How it ends.
const END: &[u8] = br#""}"#;

const SEQUENCE_AT: usize = BEGIN.len();
const JOB_AT: usize = SEQUENCE_AT + 8;
const PLANNED_AT: usize = JOB_AT + 8;
const LENGTH_AT: usize = PLANNED_AT + 16;
const CHECKSUM_AT: usize = LENGTH_AT + 8;
const FILLER_AT: usize = CHECKSUM_AT + 16;

/// The smallest data, in bytes: without filler.
pub(super) const SMALLEST: usize = FILLER_AT + END.len();

/// What stands in an event's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The event's place within its job, from 0.
    pub(super) sequence: u32,
    /// Whose event it is.
    pub(super) job: u32,
    /// When it was due, in nanoseconds of [`super::system::now_ns`].
    pub(super) planned: u64,
}

/// Writes an event's data of `size` bytes, or of [`SMALLEST`] if that is more.
pub(super) fn write(mark: Mark, size: usize, buffer: &mut Vec<u8>) {
    let start = buffer.len();
    let size = size.max(SMALLEST);
    buffer.extend_from_slice(BEGIN);
    hex(buffer, u64::from(mark.sequence), 8);
    hex(buffer, u64::from(mark.job), 8);
    hex(buffer, mark.planned, 16);
    hex(buffer, u64::try_from(size).expect("a size in memory"), 8);
    hex(buffer, 0, 16);
    fill(buffer, mark.sequence, size - SMALLEST);
    buffer.extend_from_slice(END);
    let sum = checksum(&buffer[start..]);
    let mut digits = Vec::with_capacity(16);
    hex(&mut digits, sum, 16);
    buffer[start + CHECKSUM_AT..start + FILLER_AT].copy_from_slice(&digits);
}

/// Letters that differ from event to event, so that a mixed-up piece is noticed.
fn fill(buffer: &mut Vec<u8>, sequence: u32, length: usize) {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let first = sequence as usize % LETTERS.len();
    buffer.extend(LETTERS.iter().cycle().skip(first).take(length));
}

/// The first mark in the data, and where behind it the next one may begin; nothing when there is
/// no more. What begins like a mark and is not whole is `Err`.
pub(super) fn next(data: &[u8]) -> Option<(Result<Mark, Damaged>, usize)> {
    let start = memchr::memmem::find(data, BEGIN)?;
    let found = whole(&data[start..]);
    let used = found.map_or(BEGIN.len(), |(_, length)| length);
    Some((found.map(|(mark, _)| mark), start + used))
}

/// Reads data that is one mark and nothing else.
pub(super) fn exactly(data: &[u8]) -> Result<Mark, Damaged> {
    match whole(data)? {
        (mark, length) if length == data.len() => Ok(mark),
        _ => Err(Damaged),
    }
}

/// Reads the mark that the bytes begin with.
fn whole(bytes: &[u8]) -> Result<(Mark, usize), Damaged> {
    if bytes.len() < SMALLEST || !bytes.starts_with(BEGIN) {
        return Err(Damaged);
    }
    let length = usize::try_from(unhex(&bytes[LENGTH_AT..CHECKSUM_AT])?).map_err(|_| Damaged)?;
    let bytes = bytes.get(..length).filter(|bytes| bytes.len() >= SMALLEST).ok_or(Damaged)?;
    if unhex(&bytes[CHECKSUM_AT..FILLER_AT])? != checksum(bytes) {
        return Err(Damaged);
    }
    let sequence = unhex(&bytes[SEQUENCE_AT..JOB_AT])?;
    let job = unhex(&bytes[JOB_AT..PLANNED_AT])?;
    let mark = Mark {
        sequence: u32::try_from(sequence).map_err(|_| Damaged)?,
        job: u32::try_from(job).map_err(|_| Damaged)?,
        planned: unhex(&bytes[PLANNED_AT..LENGTH_AT])?,
    };
    Ok((mark, length))
}

/// Data that begins like ours and is not what was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

fn checksum(data: &[u8]) -> u64 {
    sum(sum(SEED, &data[..CHECKSUM_AT]), &data[FILLER_AT..])
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// A checksum of any bytes. It has to be quick, since it is made for each delivery, and notice cut,
/// mixed and changed bytes; nobody attacks it.
pub(super) fn checksum_of(bytes: &[u8]) -> u64 {
    sum(SEED, bytes)
}

fn sum(mut sum: u64, bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        sum = mix(sum, u64::from_le_bytes(word.try_into().expect("eight bytes")));
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    mix(mix(sum, u64::from_le_bytes(last)), bytes.len() as u64)
}

/// One step: a product that carries every bit up, and a fold that brings it down again.
fn mix(sum: u64, word: u64) -> u64 {
    let product = (sum ^ word).wrapping_mul(0x2545_F491_4F6C_DD1D);
    product ^ (product >> 29)
}

fn hex(buffer: &mut Vec<u8>, number: u64, digits: u32) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |place: u32| DIGITS[(number >> (4 * place)) as usize & 15];
    buffer.extend((0..digits).rev().map(digit));
}

fn unhex(digits: &[u8]) -> Result<u64, Damaged> {
    let (mut number, mut all) = (0, 0);
    for digit in digits {
        let value = VALUES[usize::from(*digit)];
        all |= value;
        number = number << 4 | u64::from(value & 15);
    }
    // Read first and judged once: this is done for every delivery.
    if all < 16 { Ok(number) } else { Err(Damaged) }
}

/// What each byte is worth as a digit, 255 for what is none.
const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark { sequence: 42, job: 3, planned: 987_654_321 };

    fn written(mark: Mark, size: usize) -> Vec<u8> {
        let mut data = Vec::new();
        write(mark, size, &mut data);
        data
    }

    #[test]
    fn data_is_json_of_the_size_that_was_asked_for() {
        for size in [0, SMALLEST, 200, 5_000] {
            let data = written(MARK, size);
            assert_eq!(data.len(), size.max(SMALLEST));
            serde_json::from_slice::<serde_json::Value>(&data).unwrap();
            assert_eq!(exactly(&data), Ok(MARK));
        }
    }

    #[test]
    fn one_changed_byte_anywhere_shows() {
        let data = written(MARK, 120);
        for at in 0..data.len() {
            let mut changed = data.clone();
            changed[at] ^= 1;
            assert_eq!(exactly(&changed), Err(Damaged), "byte {at}");
        }
    }

    #[test]
    fn cut_or_lengthened_data_shows() {
        let data = written(MARK, 120);
        assert_eq!(exactly(&data[..119]), Err(Damaged));
        assert_eq!(exactly(&[&data[..], b" "].concat()), Err(Damaged));
        assert_eq!(exactly(b""), Err(Damaged));
    }

    #[test]
    fn marks_are_found_in_whatever_is_around_them() {
        let other = Mark { sequence: 43, ..MARK };
        let text = [b"[".to_vec(), written(MARK, 80), b",".to_vec(), written(other, 90)].concat();
        let (first, used) = next(&text).unwrap();
        let (second, more) = next(&text[used..]).unwrap();
        assert_eq!((first, second), (Ok(MARK), Ok(other)));
        assert!(next(&text[used + more..]).is_none());
    }

    #[test]
    fn a_damaged_mark_does_not_hide_the_next() {
        let mut cut = written(MARK, 120);
        cut.truncate(70);
        let text = [cut, written(MARK, 80)].concat();
        let (first, used) = next(&text).unwrap();
        assert_eq!(first, Err(Damaged));
        assert_eq!(next(&text[used..]).unwrap().0, Ok(MARK));
    }
}
