//! What a person may hand over to name a job: its id, or any link to it.

use reqwest::Url;

/// A job that was named on a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By its id, on the server that is set.
    Id(String),
    /// By the URL of its stream, which may carry a ticket.
    Stream {
        /// The server that the URL names.
        server: String,
        /// The job's id.
        job: String,
        /// The URL without a cursor.
        url: String,
    },
    /// By any other link to it: its API address or its page.
    Link {
        /// The server that the link names.
        server: String,
        /// The job's id.
        job: String,
    },
}

impl Target {
    /// Reads an id or a link; none when there is no job's id in it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let job = find_id(text)?;
        if !text.contains("://") {
            return (job == text).then_some(Self::Id(job));
        }
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let server = server_of(&url);
        if url.path().ends_with("/stream") {
            return Some(Self::Stream { server, job, url: without_cursor(url) });
        }
        Some(Self::Link { server, job })
    }

    /// The job's id.
    #[must_use]
    pub fn job(&self) -> &str {
        match self {
            Self::Id(job) | Self::Stream { job, .. } | Self::Link { job, .. } => job,
        }
    }

    /// The server that it names, if it does.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Stream { server, .. } | Self::Link { server, .. } => Some(server),
        }
    }
}

/// The first `job_…` in the text.
fn find_id(text: &str) -> Option<String> {
    let start = text.find("job_")?;
    let digits = |symbol: char| symbol.is_ascii_alphanumeric();
    let id: String = text[start + 4..].chars().take_while(|symbol| digits(*symbol)).collect();
    (!id.is_empty()).then(|| format!("job_{id}"))
}

/// Everything in front of `/api`, or the whole origin for a page.
fn server_of(url: &Url) -> String {
    let mut server = url.clone();
    server.set_query(None);
    server.set_fragment(None);
    let path = url.path().split("/api/").next().filter(|path| *path != url.path());
    server.set_path(path.unwrap_or_default());
    server.as_str().trim_end_matches('/').to_owned()
}

/// A stream's URL without `after`: the cursor is the client's.
fn without_cursor(mut url: Url) -> String {
    let kept: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(name, _)| name != "after").collect();
    url.set_query(None);
    url.set_fragment(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_by_its_id_or_by_any_link_to_it() {
        assert_eq!(Target::parse(" job_01AB\n"), Some(Target::Id("job_01AB".into())));
        let server = "http://host:1/base".to_owned();
        let job = "job_1".to_owned();
        assert_eq!(
            Target::parse("http://host:1/base/api/jobs/job_1/stream?ticket=t&after=7"),
            Some(Target::Stream {
                server: server.clone(),
                job: job.clone(),
                url: "http://host:1/base/api/jobs/job_1/stream?ticket=t".into(),
            })
        );
        assert_eq!(
            Target::parse("http://host:1/base/api/jobs/job_1"),
            Some(Target::Link { server, job: job.clone() })
        );
        assert_eq!(
            Target::parse("http://host/#job_1"),
            Some(Target::Link { server: "http://host".into(), job })
        );
    }

    #[test]
    fn what_names_no_job_is_refused() {
        for text in ["", "job_", "01AB", "http://host/", "ftp://host/job_1", "xjob_1", "job_1/x"] {
            assert_eq!(Target::parse(text), None, "{text}");
        }
    }
}
