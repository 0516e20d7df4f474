//! How much anybody may have of this server at once.
//!
//! What is counted, is counted by [`Who`]: by address where nobody has said who he is, by key or
//! ticket where somebody has, by job for what belongs to one. Addresses are held against their
//! limits before a request is looked at; keys and tickets by whoever checks them, with the same
//! calls.

mod rate;
mod refuse;
mod tally;

pub(super) use refuse::{refusal, refuse_all};

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::job::JobId;

use super::peer::{Client, block};
use super::{Code, Problem};

use rate::Rate;
use tally::{Hold, Tally};

/// The limits; 0 is none.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections altogether, those of streams too.
    pub connections: usize,
    /// Connections of one address.
    pub connections_per_address: u32,
    /// Requests of one address in a second; twice as many after a pause.
    pub requests_per_second: u32,
    /// Requests of one key in a second; twice as many after a pause. A ticket may make as many as an
    /// address.
    pub requests_per_key: u32,
    /// Streams that one key has open, with its sessions.
    pub streams_per_key: u32,
    /// Streams that one ticket has open.
    pub streams_per_ticket: u32,
    /// Streams that one address has open.
    pub streams_per_address: u32,
    /// Streams that are open of one job.
    pub streams_per_job: u32,
    /// Whether addresses of this machine are held to the limits of an address.
    pub loopback: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: usize::MAX,
            connections_per_address: 0,
            requests_per_second: 0,
            requests_per_key: 0,
            streams_per_key: 0,
            streams_per_ticket: 0,
            streams_per_address: 0,
            streams_per_job: 0,
            loopback: false,
        }
    }
}

/// Whose share something counts to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A client that is known by its address only; from [`Limits::address`].
    Address(IpAddr),
    /// An API key, by its id.
    Key(Arc<str>),
    /// A ticket, by what names it in the log; never the ticket itself.
    Ticket(Arc<str>),
    /// Everybody who watches a job.
    Job(JobId),
}

/// The limits, and what is counted against them; cheap to clone.
#[derive(Clone, Debug)]
pub struct Limits {
    options: Arc<Options>,
    connections: Arc<Tally>,
    streams: Arc<Tally>,
    requests: Option<Arc<Rate>>,
    requests_of_keys: Option<Arc<Rate>>,
    crowd: Crowd,
}

/// Everybody who has a stream open; to be one of them is to have a clone.
#[derive(Clone, Debug, Default)]
pub struct Crowd(Arc<()>);

impl Crowd {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// What is held while something lasts; given back when it is dropped. Nothing is held where there is
/// no limit.
#[derive(Debug, Default)]
pub struct Held(Vec<Hold>);

impl Held {
    /// Whether there is nothing to give back.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// Both, as one.
    #[must_use]
    pub fn and(mut self, mut other: Self) -> Self {
        self.0.append(&mut other.0);
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Limits {
    /// Nothing is counted yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let rate = |most| NonZeroU32::new(most).map(Rate::per_second).map(Arc::new);
        let requests = rate(options.requests_per_second);
        let requests_of_keys = rate(options.requests_per_key);
        Self {
            options: Arc::new(options),
            connections: Arc::default(),
            streams: Arc::default(),
            requests,
            requests_of_keys,
            crowd: Crowd::default(),
        }
    }

    /// One more of those who have a stream open.
    #[must_use]
    pub fn crowd(&self) -> Crowd {
        self.crowd.clone()
    }

    /// Whose share a client's requests count to; nobody's where its address is free of limits.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> Option<Who> {
        let counts = self.options.loopback || !address.is_loopback();
        counts.then(|| Who::Address(block(address)))
    }

    /// One more connection of somebody, while there are `open` ones of everybody.
    ///
    /// # Errors
    /// [`Code::Overloaded`], [`Code::TooManyConnections`].
    pub(super) fn connection(&self, who: Option<Who>, open: usize) -> Result<Held, Problem> {
        let most = self.options.connections;
        if open >= most {
            let detail = format!("this server serves {most} connections at once");
            return Err(Problem::new(Code::Overloaded, detail).with("limit", most));
        }
        let most = self.options.connections_per_address;
        take(&self.connections, who.map(|who| (who, most))).map_err(|most| {
            let detail = format!("one address may have {most} connections at once");
            Problem::new(Code::TooManyConnections, detail).with("limit", most)
        })
    }

    /// One more request of somebody.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`], with when to come again.
    pub fn request(&self, who: &Who) -> Result<(), Problem> {
        let (rate, most) = match who {
            Who::Key(_) => (&self.requests_of_keys, self.options.requests_per_key),
            Who::Address(_) | Who::Ticket(_) | Who::Job(_) => {
                (&self.requests, self.options.requests_per_second)
            }
        };
        let Some(rate) = rate else { return Ok(()) };
        rate.check(who).map_err(|wait| {
            let detail = format!("at most {most} requests a second are answered, in the long run");
            Problem::new(Code::TooManyRequests, detail).with("limit", most).retry_after(wait)
        })
    }

    /// One more stream of a client, who came with a key or a ticket perhaps, of these jobs. All of it is
    /// held, or nothing.
    ///
    /// # Errors
    /// [`Code::TooManyStreams`].
    pub(super) fn stream<'a>(
        &self,
        client: &Client,
        who: Option<Who>,
        jobs: impl IntoIterator<Item = &'a JobId>,
    ) -> Result<Held, Problem> {
        let Options { streams_per_address, streams_per_job, .. } = *self.options;
        let own = self.address(client.address).map(|who| (who, streams_per_address));
        let own = take(&self.streams, own).map_err(|most| {
            let detail = format!("one address may have {most} streams at once");
            Problem::new(Code::TooManyStreams, detail).with("limit", most)
        })?;
        let right = who.map(|who| {
            let is_key = matches!(who, Who::Key(_));
            let Options { streams_per_key, streams_per_ticket, .. } = *self.options;
            (who, if is_key { streams_per_key } else { streams_per_ticket })
        });
        let own = own.and(take(&self.streams, right).map_err(|most| {
            let detail = format!("one key or ticket may have {most} streams at once");
            Problem::new(Code::TooManyStreams, detail).with("limit", most)
        })?);
        if streams_per_job == 0 {
            return Ok(own);
        }
        let jobs = jobs.into_iter().map(|job| (Who::Job(job.clone()), streams_per_job));
        let of_jobs = take(&self.streams, jobs).map_err(|most| {
            let detail = format!("a job may have {most} streams at once");
            Problem::new(Code::TooManyStreams, detail).with("limit", most)
        })?;
        Ok(own.and(of_jobs))
    }
}

/// One for each of these, who may have so many; no bound is 0.
///
/// # Errors
/// The bound that somebody is at. Nothing is held then.
fn take(tally: &Arc<Tally>, all: impl IntoIterator<Item = (Who, u32)>) -> Result<Held, u32> {
    let bounded = all.into_iter().filter(|(_, most)| *most > 0);
    let held = bounded.map(|(who, most)| tally.take(who, most).ok_or(most));
    held.collect::<Result<_, _>>().map(Held)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1";
    const THERE: &str = "203.0.113.9";

    fn client(address: &str) -> Client {
        Client { address: address.parse().unwrap(), secure: false }
    }

    fn code<T: std::fmt::Debug>(refused: Result<T, Problem>) -> Code {
        refused.unwrap_err().code()
    }

    #[test]
    fn a_stream_is_held_for_its_address_and_for_each_of_its_jobs_or_not_at_all() {
        let options = Options { streams_per_address: 3, streams_per_job: 1, ..Options::default() };
        let limits = Limits::new(options);
        let (a, b) = (JobId::generate(), JobId::generate());
        let first = limits.stream(&client(THERE), None, [&a]).unwrap();
        for _ in 0..5 {
            assert_eq!(code(limits.stream(&client(THERE), None, [&b, &a])), Code::TooManyStreams);
        }
        let _second = limits.stream(&client(THERE), None, [&b]).unwrap();
        drop(first);
        let _third = limits.stream(&client(THERE), None, [&a]).unwrap();
        let _project = limits.stream(&client(THERE), None, []).unwrap();
        assert_eq!(code(limits.stream(&client(THERE), None, [])), Code::TooManyStreams);
        assert!(limits.stream(&client("203.0.113.10"), None, []).is_ok());
    }

    #[test]
    fn this_machine_is_free_of_an_addresss_limits_unless_it_is_told_otherwise() {
        let options =
            Options { connections_per_address: 1, requests_per_second: 1, ..Options::default() };
        let limits = Limits::new(options.clone());
        for address in [HERE, "::1"] {
            assert_eq!(limits.address(address.parse().unwrap()), None);
            assert!(limits.connection(None, 0).unwrap().is_nothing());
        }
        let limits = Limits::new(Options { loopback: true, ..options });
        let who = limits.address(HERE.parse().unwrap());
        let _held = limits.connection(who.clone(), 0).unwrap();
        assert_eq!(code(limits.connection(who, 0)), Code::TooManyConnections);
    }

    #[test]
    fn a_key_has_a_rate_of_its_own_whatever_address_it_comes_from() {
        let options = Options { requests_per_second: 1, requests_per_key: 1, ..Options::default() };
        let limits = Limits::new(options);
        let who = [limits.address(THERE.parse().unwrap()).unwrap(), Who::Key("a".into())];
        for who in &who {
            assert!(limits.request(who).is_ok() && limits.request(who).is_ok());
            assert_eq!(code(limits.request(who)), Code::TooManyRequests);
        }
    }

    #[test]
    fn a_ticket_has_streams_of_its_own_whoever_has_it() {
        let options = Options { streams_per_ticket: 1, streams_per_key: 2, ..Options::default() };
        let limits = Limits::new(options);
        let open = |address: &str, who: Who| limits.stream(&client(address), Some(who), []);
        let _first = open(THERE, Who::Ticket("a".into())).unwrap();
        let other = open("203.0.113.10", Who::Ticket("a".into()));
        assert_eq!(code(other), Code::TooManyStreams);
        let _ticket = open(THERE, Who::Ticket("b".into())).unwrap();
        let key = || open(THERE, Who::Key("k".into()));
        let _two = (key().unwrap(), key().unwrap());
        assert_eq!(code(key()), Code::TooManyStreams);
    }

    #[test]
    fn past_the_last_connection_everybody_is_told_to_come_later() {
        let limits = Limits::new(Options { connections: 2, ..Options::default() });
        assert!(limits.connection(None, 1).is_ok());
        let problem = limits.connection(None, 2).unwrap_err();
        assert_eq!(
            (problem.code(), problem.to_json()["limit"].as_u64()),
            (Code::Overloaded, Some(2))
        );
    }
}
