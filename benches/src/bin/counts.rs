//! The gate: counts the instructions of fixed calls under valgrind and holds them to `baseline.json`.
//! Run it as `benches/gate`, which builds what it needs and skips where there is no valgrind.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use portcullis_benches::peer::{Load, Over, Peer, Setup, load, mock};
use portcullis_benches::process::{MEASURED, Server, program};
use portcullis_benches::scenario::Scenario;
use portcullis_benches::tls::Certificate;
use tempfile::TempDir;

/// So much more than the baseline, in percent, fails.
const TOLERANCE: f64 = 3.0;
/// What comes out worse is counted again so often.
const RECOUNTS: usize = 3;
/// A match among 10,000 routes may take so many times one among 10.
const MAX_ROUTE_RATIO: f64 = 3.0;

/// What is counted, over what, and for how many calls.
const COUNTED: [(&str, Scenario, Below, u64); 6] = [
    ("small", Scenario::Small, Below::Clear, 1_200),
    ("large", Scenario::Large, Below::Clear, 400),
    ("embeddings", Scenario::Embeddings, Below::Clear, 400),
    ("burst", Scenario::Burst, Below::Clear, 80),
    ("small over tls", Scenario::Small, Below::Tls, 1_200),
    ("tls handshake", Scenario::Small, Below::Handshakes, 200),
];
const ROUTES: [u64; 2] = [10, 10_000];
const MATCHES: u64 = 6_000;

/// Counts instructions in user space for one call of each kind, and one match of a route.
#[derive(Clone, Copy, Parser)]
struct Arguments {
    /// Write the counts to the baseline instead of holding them to it.
    #[arg(long)]
    update: bool,
    /// Measure the gateway without API key and access log.
    #[arg(long)]
    plain: bool,
}

/// What a call is made over.
#[derive(Clone, Copy)]
enum Below {
    Clear,
    Tls,
    Handshakes,
}

type Counts = BTreeMap<String, u64>;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json");
    let baseline: Counts = match fs::read(&path) {
        _ if arguments.update => Counts::new(),
        Ok(text) => serde_json::from_slice(&text).context("the baseline cannot be read")?,
        Err(error) => return Err(error).context("no baseline; `benches/gate --update` writes one"),
    };
    let counts = count(arguments, &baseline)?;
    let worse = report(&counts, &baseline)?;
    let ratio = counts["route match, 10000"] as f64 / counts["route match, 10"] as f64;
    writeln!(stdout(), "10,000 routes take {ratio:.2} times 10 routes")?;
    ensure!(
        ratio <= MAX_ROUTE_RATIO,
        "that is more than {MAX_ROUTE_RATIO}"
    );
    if arguments.update {
        let text = serde_json::to_string_pretty(&counts)? + "\n";
        fs::write(&path, text).context("the baseline cannot be written")?;
    } else if !worse.is_empty() {
        bail!(
            "more than {TOLERANCE} % above the baseline: {}",
            worse.join("; ")
        );
    }
    Ok(())
}

/// Counts everything. What comes out worse than it may be is counted again, and the least stands: when
/// packets arrive makes a difference of some percent.
fn count(arguments: Arguments, baseline: &Counts) -> Result<Counts> {
    let scratch = Scratch(TempDir::new()?, Certificate::make()?);
    let setup = if arguments.plain {
        Setup::Plain
    } else {
        Setup::Full
    };
    let mock = mock()?;
    let mut counts = Counts::new();
    for (name, scenario, below, calls) in COUNTED {
        for peer in [Peer::Bare, Peer::Portcullis] {
            let run = |calls| scratch.calls(peer, setup, &mock, (scenario, below), calls);
            let each = || anyhow::Ok((run(2 * calls)? - run(calls)?) / calls);
            let what = format!("{name}, {}", peer.name());
            let mut least = each()?;
            for _ in 0..RECOUNTS {
                if peer == Peer::Portcullis && change(least, baseline.get(&what)) > TOLERANCE {
                    least = least.min(each()?);
                }
            }
            counts.insert(what, least);
        }
    }
    for routes in ROUTES {
        let run = |matches| scratch.matches(routes, matches);
        let each = (run(2 * MATCHES)? - run(MATCHES)?) / MATCHES;
        counts.insert(format!("route match, {routes}"), each);
    }
    Ok(counts)
}

/// By how many percent a count is above the baseline's, 0 if that has none.
fn change(now: u64, before: Option<&u64>) -> f64 {
    before.map_or(0.0, |before| (now as f64 / *before as f64 - 1.0) * 100.0)
}

/// Prints counts and baseline side by side. Returns what is worse than it may be; `bare` never is.
fn report(counts: &Counts, baseline: &Counts) -> Result<Vec<String>> {
    let mut out = stdout();
    let mut worse = Vec::new();
    let title = "instructions";
    writeln!(out, "{title:24} {:>12} {:>12}", "baseline", "now")?;
    for (what, now) in counts {
        let before = baseline.get(what);
        let change = change(*now, before);
        let shown = before.map_or("-".to_owned(), u64::to_string);
        writeln!(out, "{what:24} {shown:>12} {now:>12} {change:+7.2} %")?;
        if what.ends_with("bare") {
            continue;
        }
        if change > TOLERANCE {
            worse.push(format!("{what} {change:+.2} %"));
        } else if change < -TOLERANCE {
            let better = "better by more than the tolerance: `benches/gate --update`";
            writeln!(out, "  {better}")?;
        }
    }
    Ok(worse)
}

/// Where valgrind writes, and the certificate that is shown.
struct Scratch(TempDir, Certificate);

impl Scratch {
    /// The instructions of a proxy that starts, answers so many calls on one connection, and ends.
    fn calls(
        &self,
        peer: Peer,
        setup: Setup,
        mock: &Server,
        (scenario, below): (Scenario, Below),
        calls: u64,
    ) -> Result<u64> {
        let over = match below {
            Below::Clear => Over::Clear,
            Below::Tls => Over::Tls(&self.1),
            Below::Handshakes => Over::Handshakes(&self.1),
        };
        let tls = over.certificate();
        let running = peer.start(setup, tls, mock.address, &self.valgrind())?;
        let wanted = Load::counted(1, calls).over(over);
        load(running.server.address, scenario, wanted)?;
        running.server.stop()?;
        self.total()
    }

    /// The instructions of building a table of routes and matching so often.
    fn matches(&self, routes: u64, matches: u64) -> Result<u64> {
        let mut command = program(MEASURED, &self.valgrind(), "route_match")?;
        let output = command
            .args([routes.to_string(), matches.to_string()])
            .output()?;
        ensure!(output.status.success(), "{command:?} failed");
        self.total()
    }

    fn valgrind(&self) -> Vec<String> {
        let file = self.file();
        let arguments = ["valgrind", "-q", "--tool=callgrind"];
        let file = format!("--callgrind-out-file={}", file.display());
        arguments
            .map(String::from)
            .into_iter()
            .chain([file])
            .collect()
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("callgrind.out")
    }

    fn total(&self) -> Result<u64> {
        let text = fs::read_to_string(self.file()).context("valgrind wrote nothing")?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        Ok(total
            .context("no total in what valgrind wrote")?
            .trim()
            .parse()?)
    }
}
