//! What must hold once every job has ended: everything that readers saw, held against what is there.

mod credits;
mod deaths;
mod files;
mod operations;
mod readers;
mod truth;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::database::Database;
use crate::failure::Failure;
use crate::record::{History, Scope};
use crate::simulator::Simulator;
use crate::work::Record;
use crate::world::World;

pub(crate) use readers::Verdict;
use readers::{Facts, Lost};
pub(crate) use truth::{Job, fetch};

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What readers saw, and what was wrong with it.
    pub(crate) verdict: Verdict,
    /// How jobs ended: a name or a failure's code, and how often.
    pub(crate) ends: BTreeMap<String, usize>,
    /// Jobs that were accepted and that a damaged log took.
    pub(crate) vanished: usize,
    /// Files whose checksums were compared.
    pub(crate) files: usize,
    /// Pieces of work that were started at providers.
    pub(crate) operations: usize,
    /// Jobs for which work was started more than once after a damaged log had taken the first start.
    pub(crate) started_again: usize,
    /// Entries of the ledger.
    pub(crate) ledger: usize,
    /// Lives of the server.
    pub(crate) lives: usize,
}

/// Everything that is held against each other.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) world: &'a Arc<World>,
    pub(crate) database: &'a Database,
    pub(crate) simulator: &'a Simulator,
    pub(crate) records: &'a [Record],
    /// What is there of each job; nothing of one that a damaged log took.
    pub(crate) jobs: &'a [Option<Job>],
}

impl Evidence<'_> {
    /// Checks everything but the readers; violations go to the world.
    ///
    /// # Errors
    /// When the server or the database cannot be asked.
    pub(crate) async fn check(&self) -> Result<Findings, Failure> {
        let mut findings = Findings { lives: self.database.lives().await?, ..Findings::default() };
        for (record, job) in self.records.iter().zip(self.jobs) {
            let Some(job) = job else {
                findings.vanished += 1;
                if record.damages == self.world.damages() {
                    self.world.violate(format!("{} was accepted, and is not there", record.job));
                }
                continue;
            };
            for wrong in job.faults(record) {
                self.world.violate(format!("{} ({}): {wrong}", record.job, record.name));
            }
            *findings.ends.entry(job.end_name().to_owned()).or_default() += 1;
            findings.files += files::check(self.world, record, job).await;
        }
        for (job, deaths) in deaths::given_up_early(self.database).await? {
            self.world.violate(format!("{job}: it was given up after {deaths} deaths"));
        }
        let whole: Vec<_> = self.jobs.iter().flatten().collect();
        findings.ledger = credits::check(self.world, &whole).await;
        operations::check(self, &mut findings).await?;
        Ok(findings)
    }

    /// Checks what these readers saw.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub(crate) async fn readers(
        &self,
        histories: &[History],
        verdict: &mut Verdict,
    ) -> Result<(), Failure> {
        let epochs = self.database.epochs().await?;
        let empty = Job::default();
        let of = |job: &Option<Job>| job.clone().unwrap_or_default();
        let by_id: HashMap<&str, Job> = self
            .records
            .iter()
            .zip(self.jobs)
            .map(|(record, job)| (&*record.job, of(job)))
            .collect();
        let mut lost = Lost::default();
        for history in histories {
            let jobs: Vec<&Job> = match &history.scope {
                Scope::Job(job) => vec![by_id.get(&**job).unwrap_or(&empty)],
                Scope::Jobs(jobs) => {
                    jobs.iter().map(|job| by_id.get(&**job).unwrap_or(&empty)).collect()
                }
                Scope::Project(_) => by_id.values().collect(),
            };
            let facts = Facts {
                jobs,
                epochs: &epochs,
                damaged: self.world.damages() > 0,
                clustered: self.world.nodes() > 1,
            };
            for wrong in facts.check(history, &mut lost, verdict) {
                self.world.violate(format!("{}: {}", history.name, wrong.what));
                if !self.world.has_told() {
                    continue;
                }
                for line in history.story(wrong.at).into_iter().take(20) {
                    crate::say::plain(&line);
                }
            }
        }
        Ok(())
    }
}
