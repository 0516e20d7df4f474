//! The arguments of `tailwater backup` and `tailwater restore`.

use std::path::PathBuf;

use clap::Args;

use crate::config::Flags;

#[derive(Args, Debug)]
pub(in crate::cli) struct Backup {
    /// The folder to make it in: a new one, or one that is empty.
    pub(in crate::cli) target: PathBuf,
    /// Leave the files of jobs and clients out: the database alone.
    #[arg(long)]
    pub(in crate::cli) no_files: bool,
    /// Print what the backup says of itself as JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) flags: Flags,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct Restore {
    /// The folder of the backup.
    pub(in crate::cli) source: PathBuf,
    /// Restore the database alone.
    #[arg(long)]
    pub(in crate::cli) no_files: bool,
    /// Print what the backup says of itself as JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) flags: Flags,
}
