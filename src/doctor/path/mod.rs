//! The path: from a browser through whatever stands before the server, and back.
//!
//! A job is made of which every event is pushed by the doctor itself, at a known pace, so that it knows
//! when each should come. Meanwhile another job says nothing at all, to see who loses patience.

mod again;
mod delivery;
mod idle;
mod job;
mod judge;
mod listen;
mod pace;
mod proxy;
mod reach;
mod remedy;
mod upload;
mod way;

pub use proxy::Proxy;
pub use remedy::Remedy;

use super::clock::Asked;
use super::{Finding, Order, Screen, Verdict};

use delivery::Delivery;
use way::Way;

/// Both ways to the server.
#[derive(Clone, Debug)]
pub(super) struct Ways {
    /// The public address.
    through: Option<Way>,
    /// The server's own.
    straight: Option<Way>,
}

impl Ways {
    /// As the order has them.
    ///
    /// # Errors
    /// When one is no web address.
    pub(super) fn of(order: &Order) -> Result<Self, super::DoctorError> {
        let way = |flag, url: &Option<String>| {
            url.as_ref().map(|url| Way::new(flag, url, order.key.clone())).transpose()
        };
        Ok(Self { through: way("url", &order.url)?, straight: way("server", &order.server)? })
    }

    /// Whether there is a path to look at.
    pub(super) const fn has_path(&self) -> bool {
        self.through.is_some()
    }
}

/// Asks the server by its own address; gives the clock of who answered.
pub(super) async fn ask_straight(ways: &Ways, screen: &dyn Screen) -> Option<Asked> {
    let way = ways.straight.as_ref()?;
    let answer = reach::ask(way, "/readyz").await;
    screen.found(judge::reach("server", way, &answer, None));
    answer.ok()?.clock
}

/// Looks at the path; gives the clock of who answered.
pub(super) async fn run(order: &Order, ways: &Ways, screen: &dyn Screen) -> Option<Asked> {
    let through = ways.through.as_ref()?;
    let answer = reach::ask(through, "/readyz").await;
    let proxy = match &answer {
        Ok(answer) => reach::proxy(through, answer).await,
        Err(_) => None,
    };
    let finding = judge::reach("path.reach", through, &answer, proxy);
    let is_there = finding.verdict == Verdict::Good;
    screen.found(finding.with("proxy", proxy.map(Proxy::name)));
    let answer = answer.ok()?;
    if !is_there {
        return answer.clock;
    }
    screen.found(judge::version(through, answer.version, proxy));
    let Ok(info) = reach::ask(through, "/api/info").await else {
        screen.found(Finding::fault("path.key", "a question with the key was not answered"));
        return answer.clock;
    };
    let key = judge::key(through.has_key(), &info, proxy);
    // By the server's own address there is a way for the key all the same.
    let goes_on = key.verdict != Verdict::Fault || ways.straight.is_some();
    screen.found(key);
    if goes_on {
        let path = Path { through, straight: ways.straight.as_ref(), proxy, screen };
        let ((), ()) = tokio::join!(path.flow(info.status != 401), path.waiting(order.idle));
    }
    answer.clock
}

/// A path that leads to the server.
struct Path<'a> {
    through: &'a Way,
    straight: Option<&'a Way>,
    proxy: Option<Proxy>,
    screen: &'a dyn Screen,
}

impl Path<'_> {
    /// Whom jobs are made at, and events pushed to.
    fn maker(&self) -> &Way {
        self.straight.unwrap_or(self.through)
    }

    /// What takes some seconds: events, coming back, errors, pushes.
    async fn flow(&self, key_comes_through: bool) {
        let Self { through, straight, proxy, screen } = self;
        let proxy = *proxy;
        screen.phase("pushing events at a known pace");
        let paced = match pace::run(self.maker(), through, *straight).await {
            Ok(paced) => paced,
            Err(why) => {
                let text = format!("a job of the doctor's own cannot be made and pushed to: {why}");
                return screen.found(Finding::fault("path.job", text));
            }
        };
        let of = |heard| Delivery::of(heard, &paced.pushed, paced.ending);
        let reader = of(&paced.reader);
        let head = paced.reader.head.as_ref();
        screen.found(judge::headers(head, proxy));
        if head.is_some_and(|head| head.encoding().is_some()) {
            let why = "streams are compressed even for who asks for plain bytes";
            screen.found(Finding::not_checked("path.buffering", why));
        } else {
            let straight = paced.straight.as_ref().map(of);
            screen.found(judge::delivery(&reader, straight.as_ref(), proxy));
            screen.found(judge::ids(&reader));
        }
        let packed = paced.browser.head.as_ref();
        screen.found(judge::compression(packed, &of(&paced.browser), proxy));
        let resume = |by_header| again::resume(through, &paced.job, &paced.pushed, by_header);
        screen.found(judge::resuming(&resume(true).await, &resume(false).await, proxy));
        let end = again::come_back_with_all(through, &paced.job, paced.over).await;
        screen.found(judge::the_end(end, proxy));
        if !key_comes_through {
            return;
        }
        screen.found(judge::errors(&again::ask_for_nothing(through).await, proxy));
        screen.phase("pushing many lines over one request");
        match upload::run(self.maker(), through).await {
            Ok(uploaded) => {
                judge::pushes(&uploaded, proxy).into_iter().for_each(|it| screen.found(it));
            }
            Err(why) => screen.found(Finding::fault("path.pushes", why)),
        }
    }

    /// What takes as long as is waited.
    async fn waiting(&self, watched: std::time::Duration) {
        let Self { through, proxy, screen, .. } = self;
        match idle::run(self.maker(), through, watched, *screen).await {
            Ok(idle) => {
                for finding in [
                    judge::silence(&idle, *proxy),
                    judge::age(&idle, *proxy),
                    judge::polls(&idle, *proxy),
                ] {
                    screen.found(finding);
                }
            }
            Err(why) => {
                let text = format!("a job of the doctor's own cannot be made: {why}");
                screen.found(Finding::fault("path.silence", text));
            }
        }
    }
}
