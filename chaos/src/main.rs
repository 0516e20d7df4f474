//! The `tailwater-chaos` program: see [`tailwater_chaos`]. Usually called by `scripts/chaos`.

use std::process::ExitCode;

use clap::Parser as _;
use tailwater_chaos::Options;

fn main() -> ExitCode {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nothing installs a provider before main");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a process that cannot have threads cannot work");
    runtime.block_on(tailwater_chaos::run(Options::parse()))
}
