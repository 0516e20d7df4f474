//! The readings of a line and of lines, see [`crate::http::fuzzing`].

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use crate::http::Problem;
use crate::store::ProducerSeq;

use super::lines::Lines;
use super::{line, plain};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The event's name.
    pub name: String,
    /// Its JSON.
    pub data: String,
    /// What it says of the job, in words; nothing where the store has to be asked.
    pub fact: String,
    /// Its place in its producer's count.
    pub producer: Option<ProducerSeq>,
}

/// Why a line is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// In words.
    pub detail: String,
    /// The fields that are wrong.
    pub pointers: Vec<String>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let pointers = problem.errors().iter().map(|error| error.pointer.clone()).collect();
        Self { detail: problem.detail().to_owned(), pointers }
    }
}

/// The quick reading, if the line is plain.
#[must_use]
pub fn quick(line: &[u8]) -> Option<Reading> {
    let line = Bytes::copy_from_slice(line);
    let plain::Plain { name, data, fact, producer } = plain::read(&line)?;
    Some(Reading { name: name.into(), data: data.into(), fact: format!("{fact:?}"), producer })
}

/// The exact reading.
///
/// # Errors
/// Why the line is refused.
pub fn exact(line: &[u8]) -> Result<Reading, Refused> {
    let incoming = line::parse(line)?;
    incoming.end()?;
    let fact = format!("{:?}", incoming.own_fact()?);
    let (name, data) = (incoming.kind.as_str().to_owned(), incoming.data.to_owned());
    Ok(Reading { name, data, fact, producer: incoming.producer })
}

/// The lines of a body that arrives in these pieces, with their numbers, and whether all of it was
/// read: no line was longer than the limit, in bytes.
pub async fn lines(pieces: Vec<Vec<u8>>, limit: usize) -> (Vec<(u64, Vec<u8>)>, bool) {
    let pieces = pieces.into_iter().map(Ok::<_, std::convert::Infallible>);
    let mut lines = Lines::new(Body::from_stream(stream::iter(pieces)), limit);
    let mut read = Vec::new();
    loop {
        match lines.next_together().await {
            Ok(together) if together.is_empty() => return (read, true),
            Ok(together) => {
                read.extend(together.into_iter().map(|line| (line.number, line.bytes.to_vec())));
            }
            Err(_) => return (read, false),
        }
    }
}
