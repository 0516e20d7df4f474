//! A report as one page that needs nothing else, for somebody who was not there.

use std::fmt::Write;

use super::chart::{Axis, Chart, Scale};
use super::table::grouped;
use super::{Figure, Report};

const STYLE: &str = include_str!("page.css");

impl Report {
    /// The report as a page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = escaped(&self.title());
        let mut page = String::new();
        add(&mut page, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
        add(&mut page, "<meta name=\"viewport\" content=\"width=device-width\">\n");
        add(&mut page, &format!("<title>{title}</title>\n<style>\n{STYLE}</style>\n<main>\n"));
        add(&mut page, &format!("<h1>{title}</h1>\n<p>{}</p>\n", escaped(self.about())));
        self.verdict(&mut page);
        self.curves(&mut page);
        table(
            &mut page,
            "What was measured",
            self.figures.iter().map(|figure: &Figure| (figure.label.clone(), figure.shown())),
        );
        table(
            &mut page,
            "What had to hold",
            self.checks.iter().map(|check| {
                let mark = if check.passed { "✓" } else { "✗" };
                (format!("{mark} {}", check.claim), check.detail.clone())
            }),
        );
        self.wrong(&mut page);
        table(&mut page, "Where and how it ran", self.circumstances().into_iter());
        add(
            &mut page,
            &format!(
                "<p>The command, to run it again:</p>\n<pre>{}</pre>\n",
                escaped(&self.command)
            ),
        );
        for note in &self.notes {
            add(&mut page, &format!("<p class=\"note\">{}</p>\n", escaped(note)));
        }
        page + "</main>\n</html>\n"
    }

    fn title(&self) -> String {
        let settings = &self.settings;
        let things = |count: u32, one: &str| {
            let s = if count == 1 { "" } else { "s" };
            format!("{} {one}{s}", grouped(f64::from(count)))
        };
        let (jobs, readers) = (things(settings.jobs, "job"), things(settings.readers, "reader"));
        format!("Load test “{}” on {}: {jobs}, {readers}", self.scenario, self.adapter)
    }

    /// What happens in such a test.
    fn about(&self) -> &'static str {
        match self.scenario {
            "fanout" => "Events of one job go to many readers at once.",
            "many-jobs" => "Many jobs at once, each with readers of its own.",
            "tokens" => "Jobs whose events come as a model writes, each with a few readers.",
            "idle" => "Readers are connected and wait: what one of them costs.",
            "storm" => "All readers are cut off at once, and come back with what they had last.",
            "slow" => "A part of the readers takes a byte a second: what it costs the others.",
            "replay" => "A long job is read from its beginning.",
            "poll" => "Clients ask for a job's state again and again, as the server tells them to.",
            _ => {
                "Readers that stay, some that are cut off, some that are slow, and clients that poll."
            }
        }
    }

    fn verdict(&self, page: &mut String) {
        let failed = self.checks.iter().filter(|check| !check.passed).count();
        let (class, text) = match failed {
            0 => ("passed", format!("All {} checks held.", self.checks.len())),
            _ => ("failed", format!("{failed} of {} checks failed.", self.checks.len())),
        };
        add(page, &format!("<p class=\"{class}\">{text}</p>\n"));
    }

    fn curves(&self, page: &mut String) {
        let over_time = &self.plots.over_time;
        let line = |of: fn(&super::Point) -> Option<f64>| {
            over_time.iter().filter_map(|point| Some((point.at_s, of(point)?))).collect::<Vec<_>>()
        };
        let time = || Axis { label: "seconds since the first event was due", scale: Scale::Linear };
        let charts = [
            Chart {
                title: "Latency over time",
                x: time(),
                y: Axis { label: "milliseconds", scale: Scale::Logarithmic },
                lines: vec![
                    ("median", line(|point| point.p50_ms)),
                    ("p99", line(|point| point.p99_ms)),
                    ("longest", line(|point| point.max_ms)),
                ],
            },
            Chart {
                title: "Deliveries over time",
                x: time(),
                y: Axis { label: "events delivered per second", scale: Scale::Linear },
                lines: vec![("deliveries", line(|point| Some(point.per_second)))],
            },
            Chart {
                title: "How many events were delivered within which time",
                x: Axis {
                    label: "milliseconds from when an event was due",
                    scale: Scale::Logarithmic,
                },
                y: Axis { label: "share of all deliveries", scale: Scale::Share },
                lines: vec![("deliveries", self.plots.latency.clone())],
            },
        ];
        for chart in charts {
            let svg = chart.to_svg();
            if !svg.is_empty() {
                add(page, &format!("<figure>{svg}</figure>\n"));
            }
        }
        if !self.plots.latency.is_empty() {
            add(
                page,
                "<p class=\"note\">Latency counts from when an event was due by the schedule, \
                 not from when it was sent, to when a reader had read it.</p>\n",
            );
        }
    }

    fn wrong(&self, page: &mut String) {
        if self.findings.is_empty() {
            return;
        }
        add(page, "<h2>What was wrong, the first of it</h2>\n<ul>\n");
        for finding in &self.findings {
            add(page, &format!("<li>{}</li>\n", escaped(finding)));
        }
        add(page, "</ul>\n");
    }

    fn circumstances(&self) -> Vec<(String, String)> {
        let (machine, settings) = (&self.machine, &self.settings);
        let core = |core: Option<usize>| core.map_or("any".to_owned(), |core| core.to_string());
        let rate = settings
            .rate
            .map_or("as fast as they are answered".to_owned(), |rate| rate.to_string());
        let rows = [
            ("processor", machine.processor.clone()),
            ("cores", machine.cores.to_string()),
            ("system", machine.system.clone()),
            ("load average before", machine.load_average.clone()),
            ("load test", format!("tailwater {}", machine.version)),
            ("server", self.adapter.to_owned()),
            ("core of the server", core(settings.server_core)),
            ("core of readers and producer", core(settings.client_core)),
            ("jobs", settings.jobs.to_string()),
            ("readers", settings.readers.to_string()),
            ("events per second and job", rate),
            ("bytes of an event's data", settings.size.to_string()),
            ("seconds", settings.seconds.to_string()),
            ("seed", settings.seed.to_string()),
        ];
        rows.map(|(name, value)| (name.to_owned(), value)).into()
    }
}

fn table(page: &mut String, heading: &str, rows: impl Iterator<Item = (String, String)>) {
    add(page, &format!("<h2>{heading}</h2>\n<table>\n"));
    for (name, value) in rows {
        let (name, value) = (escaped(&name), escaped(&value));
        add(page, &format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n"));
    }
    add(page, "</table>\n");
}

fn add(page: &mut String, text: &str) {
    write!(page, "{text}").expect("a string grows");
}

/// A text that cannot be taken for markup.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
