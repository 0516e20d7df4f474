//! The locks, atomics and wake-ups of the parts whose interleavings are explored.
//!
//! They are those of the standard library and of tokio. With the feature `shuttle` they are those of
//! <https://docs.rs/shuttle>: each use of one is a point at which another thread may go on, and a
//! test runs under many thousand such schedules. What is built with it runs in such tests only.

#[cfg(not(feature = "shuttle"))]
pub(crate) use self::usual::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Mutex, MutexGuard, Notify,
};

#[cfg(feature = "shuttle")]
pub(crate) use self::explored::{
    AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Mutex, MutexGuard, Notify,
};

#[cfg(not(feature = "shuttle"))]
mod usual {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
    pub(crate) use std::sync::{Mutex, MutexGuard};
    pub(crate) use tokio::sync::Notify;
}

#[cfg(feature = "shuttle")]
mod explored {
    use std::sync::atomic::Ordering;

    pub(crate) use shuttle::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};
    pub(crate) use shuttle::sync::{Mutex, MutexGuard};
    use tokio::sync::futures::Notified;

    /// Tokio's, with a point before each use at which another thread may go on.
    #[derive(Debug, Default)]
    pub(crate) struct Notify {
        notify: tokio::sync::Notify,
        point: AtomicBool,
    }

    impl Notify {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn notified(&self) -> Notified<'_> {
            self.point.load(Ordering::SeqCst);
            self.notify.notified()
        }

        pub(crate) fn notify_waiters(&self) {
            self.point.load(Ordering::SeqCst);
            self.notify.notify_waiters();
        }

        pub(crate) fn notify_one(&self) {
            self.point.load(Ordering::SeqCst);
            self.notify.notify_one();
        }
    }
}
