//! The benchmarks of a server over HTTP; each prints a table. `docs/benchmarks.md` has figures.
//!
//! `cargo bench --bench server` runs all of them, `cargo bench --bench server -- replay` one.

#![expect(clippy::print_stdout, reason = "it prints its figures")]
#![expect(
    clippy::disallowed_methods,
    reason = "the load is made by plain threads, so that it does not share the server's runtime"
)]

mod callback_latency;
mod claim;
mod crossing;
mod delivery;
mod engine;
mod figures;
mod ingest;
mod media_submit;
mod polls;
mod process;
mod queued;
mod readers;
mod replay;
mod stamps;
mod start;
mod studio;
mod submit;

const ALL: [(&str, fn()); 12] = [
    ("replay", replay::run),
    ("delivery", delivery::run),
    ("ingest", ingest::run),
    ("submit", submit::run),
    ("readers", readers::run),
    ("start", start::run),
    ("media-submit", media_submit::run),
    ("claim", claim::run),
    ("queued", queued::run),
    ("polls", polls::run),
    ("callback-latency", callback_latency::run),
    ("crossing", crossing::run),
];

fn main() {
    // Cargo adds a `--bench` of its own.
    let names: Vec<_> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    for name in &names {
        assert!(ALL.iter().any(|(known, _)| known == name), "there is no benchmark '{name}'");
    }
    for (name, run) in ALL {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            println!("\n## {name}\n");
            run();
        }
    }
}
