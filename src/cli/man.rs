//! `tailwater man` and `tailwater completions`: what packages bring along.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::{Cli, OfMan};
use super::{Failure, out};

pub(super) fn pages(args: &OfMan) -> Result<u8, Failure> {
    let command = Cli::command_as_listed();
    let Some(folder) = &args.dir else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page).map_err(|error| failed(Path::new("-"), &error))?;
        out::print(&String::from_utf8_lossy(&page)).ok();
        return Ok(0);
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    clap_mangen::generate_to(command, folder).map_err(|error| failed(folder, &error))?;
    Ok(0)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure { message: format!("{} cannot be written: {error}", path.display()), code: 1 }
}

pub(super) fn completions(shell: Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tailwater", &mut script);
    out::print(&String::from_utf8_lossy(&script)).ok();
    0
}

impl Cli {
    /// The command with what is listed of it: without a command the flags of `serve` are taken too, but
    /// listed only there.
    pub(super) fn command_as_listed() -> Command {
        Self::command().mut_args(|arg| match arg.get_help_heading() {
            Some(_) => arg.hide(true),
            None => arg,
        })
    }
}
