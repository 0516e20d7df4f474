//! The `tailwater` program: see [`tailwater::cli`].

use std::process::ExitCode;

use tokio::runtime::Builder;

fn main() -> ExitCode {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nothing installs a provider before main");
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a process that cannot have threads cannot work");
    let code = runtime.block_on(tailwater::cli::main());
    // Whatever had to end well has ended; what still blocks a thread is not waited for, so that a
    // second ctrl-c ends at once.
    runtime.shutdown_background();
    code
}
