//! Who asks.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::access::{Access, Key, NOBODY, Scope, Subject, Ticket};
use crate::http::limits::Who;
use crate::http::{Code, Problem};
use crate::job::JobId;

/// Who asks.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Anybody: no key was ever made.
    Anyone,
    /// Who has a key, or a session that was opened with one.
    Key(Arc<Key>),
    /// Who has a ticket.
    Ticket(Arc<Pass>),
}

/// A ticket that holds.
#[derive(Debug)]
pub struct Pass {
    /// What it says.
    pub ticket: Ticket,
    /// As it came.
    pub text: String,
    /// The key that signed it, or the session.
    pub signer: Arc<Key>,
}

impl Caller {
    /// The key or session that it all comes from.
    pub(in crate::http) fn key(&self) -> Option<&Arc<Key>> {
        match self {
            Self::Anyone => None,
            Self::Key(key) => Some(key),
            Self::Ticket(pass) => Some(&pass.signer),
        }
    }

    /// Whose share a request counts to, beside its address's: a key's with its sessions, or a ticket's.
    pub(super) fn who(&self) -> Option<Who> {
        match self {
            Self::Anyone => None,
            Self::Key(key) => {
                Some(Who::Key(key.parent.as_ref().unwrap_or(&key.id).to_string().into()))
            }
            Self::Ticket(pass) => Some(Who::Ticket(pass.ticket.to_string().into())),
        }
    }

    /// Refuses who may not do this.
    ///
    /// # Errors
    /// [`Code::Forbidden`] with the scope that it takes.
    pub(super) fn require(&self, scope: Scope) -> Result<(), Problem> {
        let may = match self {
            Self::Anyone => true,
            Self::Key(key) => key.scopes.allow(scope),
            Self::Ticket(_) => scope == Scope::Read,
        };
        if may {
            return Ok(());
        }
        let detail = match self {
            Self::Ticket(_) => "a ticket is for reading only".to_owned(),
            Self::Anyone | Self::Key(_) => format!("this takes a key with the scope '{scope}'"),
        };
        Err(Problem::new(Code::Forbidden, detail).with("scope", scope.as_str()))
    }

    /// The only project that it may see and act in; nothing for all of them.
    pub(in crate::http) fn project(&self) -> Option<&str> {
        match self {
            Self::Anyone => None,
            Self::Key(key) => key.project.as_deref(),
            Self::Ticket(pass) => match &pass.ticket.subject {
                Subject::Project(name) => Some(name),
                Subject::Job(_) => pass.signer.project.as_deref(),
            },
        }
    }

    /// Whether it may see this job of this project.
    pub(super) fn sees(&self, project: &str, job: &JobId) -> bool {
        let of_ticket = match self {
            Self::Anyone | Self::Key(_) => None,
            Self::Ticket(pass) => Some(&pass.ticket.subject),
        };
        let right_job = match of_ticket {
            Some(Subject::Job(only)) => only == job,
            Some(Subject::Project(_)) | None => true,
        };
        // A ticket says no more than its key may.
        let within = self.key().and_then(|key| key.project.as_deref());
        right_job
            && self.project().is_none_or(|only| only == project)
            && within.is_none_or(|only| only == project)
    }

    /// The project whose jobs are meant, of those that it may see: nothing for all projects.
    ///
    /// # Errors
    /// [`Code::Forbidden`] for another project, and for the ticket of one job.
    pub(in crate::http) fn project_of(
        &self,
        asked: Option<&str>,
    ) -> Result<Option<String>, Problem> {
        if let Self::Ticket(pass) = self
            && let Subject::Job(job) = &pass.ticket.subject
        {
            let detail = format!("the ticket is for the job {job} and opens nothing else");
            return Err(Problem::new(Code::Forbidden, detail));
        }
        match (self.project(), asked.filter(|name| !name.is_empty())) {
            (Some(only), Some(asked)) if only != asked => {
                let detail = format!("the key is for the project '{only}' alone");
                Err(Problem::new(Code::Forbidden, detail))
            }
            (Some(only), _) => Ok(Some(only.to_owned())),
            (None, asked) => Ok(asked.map(str::to_owned)),
        }
    }

    /// Refuses who may see one project alone, or one job.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub(in crate::http) fn require_all_projects(&self) -> Result<(), Problem> {
        match self.project_of(None)? {
            None => Ok(()),
            Some(only) => {
                let detail =
                    format!("this is about all projects, and the key is for '{only}' alone");
                Err(Problem::new(Code::Forbidden, detail))
            }
        }
    }

    /// When its right ends by itself, in UTC milliseconds.
    pub(super) fn expires_at(&self) -> Option<i64> {
        let of_key = self.key().and_then(|key| key.expires_at);
        let of_ticket = match self {
            Self::Ticket(pass) => Some(pass.ticket.expires_at),
            Self::Anyone | Self::Key(_) => None,
        };
        of_key.into_iter().chain(of_ticket).min()
    }
}

/// How long a stream or a push may go on: until its right is taken away, or has run out.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Right {
    /// Canceled when it is taken away.
    pub(in crate::http) revoked: CancellationToken,
    /// The number of its key, or [`NOBODY`].
    pub(in crate::http) key: u32,
    /// How long it lasts by itself.
    pub(in crate::http) lasts: Option<Duration>,
}

impl Right {
    pub(super) fn of(caller: &Caller, access: &Access, now: i64) -> Self {
        let left = |end: i64| Duration::from_millis(u64::try_from(end - now).unwrap_or(0));
        Self {
            revoked: caller.key().map_or_else(|| access.closed(), |key| key.ended()).clone(),
            key: caller.key().map_or(NOBODY, |key| key.number),
            lasts: caller.expires_at().map(left),
        }
    }

    /// Waits until it is taken away, or has run out.
    pub(in crate::http) async fn lapse(self) {
        match self.lasts {
            Some(left) => drop(tokio::time::timeout(left, self.revoked.cancelled()).await),
            None => self.revoked.cancelled().await,
        }
    }
}
