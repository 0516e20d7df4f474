//! The arguments of `tailwater keys`.

use clap::{Args, Subcommand};

use crate::access::Scope;

#[derive(Args, Debug)]
pub(in crate::cli) struct Keys {
    #[command(subcommand)]
    pub(in crate::cli) what: WhatKeys,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum WhatKeys {
    /// Make a key, and print it: it is shown this once.
    Create(CreateKey),
    /// List the keys: what each may, and when it was last used.
    List(ListKeys),
    /// Revoke a key, and end everything that was opened with it.
    Revoke(RevokeKey),
}

#[derive(Args, Debug)]
pub(in crate::cli) struct CreateKey {
    /// What it is for, with commas between: submit, read, publish, admin.
    #[arg(long = "scope", value_name = "SCOPES", required = true, value_delimiter = ',')]
    pub(in crate::cli) scopes: Vec<Scope>,
    /// The only project that it is for; all of them without.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) project: Option<String>,
    /// What people call it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(in crate::cli) name: String,
    /// End it by itself after so many days.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=3650))]
    pub(in crate::cli) expires_in: Option<i64>,
    #[command(flatten)]
    pub(in crate::cli) place: Place,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ListKeys {
    #[command(flatten)]
    pub(in crate::cli) place: Place,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct RevokeKey {
    /// The key's id, which `tailwater keys list` shows; not the key itself.
    #[arg(value_name = "KEY_ID")]
    pub(in crate::cli) id: String,
    #[command(flatten)]
    pub(in crate::cli) place: Place,
}

/// Where the keys are.
#[derive(Args, Debug)]
pub(in crate::cli) struct Place {
    /// The server's data folder [env: `TAILWATER_DATA`] [default: ./data].
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) data: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
