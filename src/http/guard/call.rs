//! One call: the server, and who asks it.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use crate::access::{Scope, Subject, Ticket, ticket};
use crate::event::now_ms;
use crate::http::limits::{self, Held};
use crate::http::peer::Client;
use crate::http::problem::quoted;
use crate::http::{App, Code, Problem};
use crate::job::JobId;
use crate::store::Log;

use super::caller::Right;
use super::{Caller, presented};

/// What a handler works with: the server, and who asks.
#[derive(Clone, Debug)]
pub struct Call {
    app: App,
    caller: Caller,
    client: Client,
}

/// A call of somebody who may do what `S` says.
#[derive(Debug)]
pub struct May<S> {
    /// The call.
    pub call: Call,
    needs: PhantomData<S>,
}

/// What a handler needs its caller to be allowed.
pub trait Needs {
    /// The scope.
    const SCOPE: Scope;
}

macro_rules! needs {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub enum $name {}

            impl Needs for $name {
                const SCOPE: Scope = Scope::$name;
            }
        )+
    };
}

needs! {
    /// Who submits, cancels and uploads.
    Submit;
    /// Who looks.
    Read;
    /// Who pushes events.
    Publish;
    /// Who may do everything.
    Admin;
}

impl<S: Needs> FromRequestParts<App> for May<S> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let call = Call::from_request_parts(parts, app).await?;
        call.caller.require(S::SCOPE).map_err(IntoResponse::into_response)?;
        Ok(Self { call, needs: PhantomData })
    }
}

impl FromRequestParts<App> for Call {
    type Rejection = Response;

    /// Whoever it is, as long as it is somebody, who has not asked too often.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let client = Client::from_request_parts(parts, app).await;
        let client = client.map_err(IntoResponse::into_response)?;
        let caller = presented::caller(parts, app, client).map_err(IntoResponse::into_response)?;
        if let Some(who) = caller.who() {
            let within = app.limits.request(&who);
            within.map_err(|problem| limits::refusal(problem, &parts.method, &parts.uri))?;
        }
        Ok(Self { app: app.clone(), caller, client })
    }
}

impl Deref for Call {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl Call {
    /// Who asks.
    pub(in crate::http) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The log of the job with this id, if the caller may see it. One of another project is told
    /// from none by nothing.
    ///
    /// # Errors
    /// [`Code::UnknownJob`], [`Code::ExpiredTicket`], or [`Code::Unavailable`].
    pub(in crate::http) async fn log(&self, id: &str) -> Result<Arc<Log>, Problem> {
        let unknown = || Problem::new(Code::UnknownJob, format!("there is no job {}", quoted(id)));
        let job: JobId = id.parse().map_err(|_| unknown())?;
        let log = self.store.open(&job).await?.ok_or_else(unknown)?;
        if !self.caller.sees(&log.project.name, &job) {
            return Err(unknown());
        }
        self.check_ticket(&log).await?;
        Ok(log)
    }

    /// Whether the caller may see this job and what belongs to it.
    ///
    /// # Errors
    /// [`Code::Unavailable`].
    pub(in crate::http) async fn sees(&self, job: &JobId) -> Result<bool, Problem> {
        if matches!(self.caller, Caller::Anyone) {
            return Ok(true);
        }
        match self.log(job.as_str()).await {
            Ok(_) => Ok(true),
            Err(problem) if problem.code() == Code::UnknownJob => Ok(false),
            Err(problem) => Err(problem),
        }
    }

    /// Whether the caller may see what belongs to a project as a whole, and to none of its jobs.
    pub(in crate::http) fn owns(&self, project: &str) -> bool {
        self.caller.project_of(Some(project)).is_ok()
    }

    /// A job's ticket is over some time after the job, however long it might last.
    async fn check_ticket(&self, log: &Log) -> Result<(), Problem> {
        let Caller::Ticket(pass) = &self.caller else { return Ok(()) };
        if !matches!(pass.ticket.subject, Subject::Job(_)) || !log.standing().ended {
            return Ok(());
        }
        let job = self.store.db().job(&log.job).await?;
        let ended = job.and_then(|job| job.ended_at).unwrap_or_default();
        let issued = pass.ticket.expires_at - ticket::LIFE;
        if now_ms() > ended.max(issued) + ticket::GRACE {
            return Err(presented::expired());
        }
        Ok(())
    }

    /// A ticket for the caller to hand on, where one is needed: that which it came with, if it came
    /// with one, since a ticket prolongs none.
    pub(in crate::http) fn ticket(&self, subject: &Subject) -> Option<(String, i64)> {
        match &self.caller {
            Caller::Anyone => None,
            Caller::Ticket(pass) => Some((pass.text.clone(), pass.ticket.expires_at)),
            Caller::Key(key) => {
                let expires = now_ms() + ticket::LIFE;
                let expires = key.expires_at.map_or(expires, |end| end.min(expires));
                Some((Ticket::issue(key, subject, expires), expires / 1000 * 1000))
            }
        }
    }

    /// One more stream of the caller, of these jobs, held for as long as it lasts.
    ///
    /// # Errors
    /// [`Code::TooManyStreams`].
    pub(in crate::http) fn hold_stream<'a>(
        &self,
        jobs: impl IntoIterator<Item = &'a JobId>,
    ) -> Result<Held, Problem> {
        self.limits.stream(&self.client, self.caller.who(), jobs)
    }

    /// How long a stream or a push of the caller may go on.
    pub(in crate::http) fn right(&self) -> Right {
        Right::of(&self.caller, &self.access, now_ms())
    }
}
