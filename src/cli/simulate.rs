//! `tailwater simulate`.

use std::fmt::Write;

use tokio_util::sync::CancellationToken;

use crate::simulator::{self, Options, Simulator, media};

use super::serve::Interrupts;
use super::{Failure, args, out};

pub(super) async fn run(args: args::Simulate) -> Result<u8, Failure> {
    let failed = |message: String| Failure { message, code: 1 };
    let mut interrupts = Interrupts::listen()
        .map_err(|error| failed(format!("signals cannot be listened to: {error}")))?;
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let options = Options { speed: args.speed };
    let simulator = simulator::start_at(args.listen, options, stop)
        .await
        .map_err(|error| failed(format!("the simulator cannot start: {error}")))?;
    out::print(&environment(&simulator)).ok();
    out::note(&format!(
        "playing at {} times the pace of real providers; Ctrl-C ends it",
        args.speed
    ));
    // Ended by a signal is what was asked for here.
    interrupts.next().await;
    Ok(0)
}

/// The settings that point a server at the simulator, as a shell reads them.
fn environment(simulator: &Simulator) -> String {
    let mut text =
        format!("OPENAI_BASE_URL={} OPENAI_API_KEY=simulated-key\n", simulator.base_url(),);
    for provider in media::PROVIDERS {
        let base_url = simulator.media(provider).expect("every provider of the list is played");
        let name = provider.to_uppercase();
        let key = key_variable(provider);
        writeln!(text, "TAILWATER_{name}_BASE_URL={base_url} {key}=simulated-key")
            .expect("writing to a string does not fail");
    }
    text
}

/// The variable that a provider's own clients read the key from.
fn key_variable(provider: &str) -> &'static str {
    match provider {
        "replicate" => "REPLICATE_API_TOKEN",
        "fal" => "FAL_KEY",
        "runway" => "RUNWAYML_API_SECRET",
        "minimax" => "MINIMAX_API_KEY",
        _ => "BFL_API_KEY",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_provider_has_a_line_of_settings() {
        // Fails when another test was first, which is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let stop = CancellationToken::new();
        let _stop = stop.clone().drop_guard();
        let simulator = simulator::start(Options::default(), stop).await.unwrap();
        let text = environment(&simulator);
        assert_eq!(text.lines().count(), 6, "{text}");
        assert!(text.contains("\nTAILWATER_FAL_BASE_URL=http://127.0.0.1:"), "{text}");
        assert!(text.contains(" RUNWAYML_API_SECRET=simulated-key\n"), "{text}");
    }
}
