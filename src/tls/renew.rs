//! A certificate is renewed by writing its files anew: nobody restarts a server for that.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use super::Tls;
use super::pair::Pair;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What tells one version of the files from another: when each was written, and how long it is.
pub(super) type Stamp = [Option<(SystemTime, u64)>; 2];

impl Pair {
    pub(super) fn stamp(&self) -> Stamp {
        [stamp(&self.certificate), stamp(&self.key)]
    }
}

/// Nothing where there is no such file at the moment.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// What reads a certificate again.
#[derive(Debug)]
pub struct Renewal {
    tls: Tls,
    hangup: Hangup,
}

impl Tls {
    /// What reads the files again. From now on a hang-up signal does not end the process.
    ///
    /// # Errors
    /// When the system lets nobody listen to the signal.
    pub fn renewal(&self) -> io::Result<Renewal> {
        Ok(Renewal { tls: self.clone(), hangup: Hangup::listen()? })
    }

    fn try_reload(&self) {
        match self.reload() {
            Ok(()) => tracing::info!(
                certificate = %self.pair.certificate.display(),
                "the certificate was read again; new connections are shown it"
            ),
            Err(error) => {
                tracing::warn!(%error, "the certificate cannot be read again; the old one is shown on");
            }
        }
    }
}

impl Renewal {
    /// Reads the files again whenever they change, and at each hang-up signal (Unix), until `stop`.
    ///
    /// What cannot be shown is said in the log once, and what was shown before is shown on: a
    /// certificate that was written before its key is made good by the key.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut seen = self.tls.read_at;
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                () = self.hangup.next() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let tls = self.tls.clone();
            // Files block.
            let looked = tokio::task::spawn_blocking(move || {
                let now = tls.pair.stamp();
                if asked || now != seen {
                    tls.try_reload();
                }
                now
            });
            seen = looked.await.unwrap_or(seen);
        }
    }
}

/// The signal by which services are told to read their files again.
#[cfg(unix)]
#[derive(Debug)]
struct Hangup(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangup {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::hangup()).map(Self)
    }

    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// There is no such signal here.
#[cfg(not(unix))]
#[derive(Debug)]
struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::pair::tests::{files, made};
    use super::*;

    /// The certificate that a new connection would be shown.
    fn shown(tls: &Tls) -> Vec<u8> {
        tls.shown.key.read().unwrap().cert[0].to_vec()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pair_that_is_written_anew_is_shown_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = made();
        let pair = files(&folder, &certificate, &key);
        let tls = Tls::open(&pair.certificate, &pair.key).unwrap();
        let first = shown(&tls);
        let stop = CancellationToken::new();
        let task = tokio::spawn(tls.renewal().unwrap().run(stop.clone()));

        let (certificate, key) = made();
        fs::write(&pair.certificate, &certificate).unwrap();
        tokio::time::sleep(2 * LOOK).await;
        assert_eq!(shown(&tls), first, "a certificate without its key is not shown");

        fs::write(&pair.key, key + "\n").unwrap();
        tokio::time::sleep(2 * LOOK).await;
        let second = shown(&tls);
        assert_ne!(second, first);

        fs::remove_file(&pair.key).unwrap();
        tokio::time::sleep(2 * LOOK).await;
        assert_eq!(shown(&tls), second);
        stop.cancel();
        task.await.unwrap();
    }
}
