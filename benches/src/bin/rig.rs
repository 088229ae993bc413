//! Measures what the gateway costs on one core, next to `bare` and to no proxy at all, and prints the
//! tables of `README.md`.

use std::io::{Write, stderr, stdout};
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use portcullis_benches::peer::{Load, Over, Peer, Running, Setup, load, mock};
use portcullis_benches::process::Server;
use portcullis_benches::scenario::Scenario;
use portcullis_benches::tls::Certificate;

/// Measures the gateway next to a bare proxy and to a direct call. Takes about five minutes, and wants
/// a machine with two cores that does nothing else.
#[derive(Clone, Copy, Parser)]
struct Arguments {
    /// How often everything is measured; the table has the medians.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// A few seconds of everything: shows that it works, and its numbers mean little.
    #[arg(long)]
    quick: bool,
    /// Measure the gateway without API key and access log.
    #[arg(long)]
    plain: bool,
}

/// One line about speed.
struct Speed {
    what: &'static str,
    scenario: Scenario,
    connections: u32,
    target: &'static str,
    limit: f64,
    agentgateway: &'static str,
}

const SPEEDS: [Speed; 5] = [
    Speed {
        what: "small chat, API key and recording on",
        scenario: Scenario::Small,
        connections: 32,
        target: "1.5",
        limit: 1.5,
        agentgateway: "5.4 plain, 9 with key, limits and guard",
    },
    Speed {
        what: "100 kB prompt",
        scenario: Scenario::Large,
        connections: 16,
        target: "1.5, stretch 1.25",
        limit: 1.5,
        agentgateway: "6",
    },
    Speed {
        what: "100 kB embeddings reply",
        scenario: Scenario::Embeddings,
        connections: 16,
        target: "1.5, stretch 1.25",
        limit: 1.5,
        agentgateway: "15",
    },
    Speed {
        what: "streamed event, one by one",
        scenario: Scenario::Paced,
        connections: 64,
        target: "1.1",
        limit: 1.1,
        agentgateway: "1.9",
    },
    Speed {
        what: "streamed event, in bursts",
        scenario: Scenario::Burst,
        connections: 64,
        target: "0.4",
        limit: 0.4,
        agentgateway: "1.8",
    },
];

/// Streams held open at once for the lines about memory.
const STREAMS: u32 = 1_000;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mock = mock()?;
    speed(arguments, &mock)?;
    tls(arguments, &mock)?;
    memory(arguments, &mock)
}

impl Arguments {
    fn setup(self) -> Setup {
        if self.plain {
            Setup::Plain
        } else {
            Setup::Full
        }
    }

    fn rounds(self) -> usize {
        if self.quick { 1 } else { self.rounds }
    }

    fn window(self) -> Duration {
        Duration::from_millis(if self.quick { 300 } else { 3_000 })
    }
}

/// What one run through one proxy showed.
#[derive(Clone, Copy)]
struct Sample {
    /// Microseconds of its processor for one call or event.
    cpu: f64,
    /// Calls or events in a second.
    rate: f64,
}

fn speed(arguments: Arguments, mock: &Server) -> Result<()> {
    let bare = Peer::Bare.start(arguments.setup(), None, mock.address, &[])?;
    let gateway = Peer::Portcullis.start(arguments.setup(), None, mock.address, &[])?;
    let peers = [None, Some(&bare), Some(&gateway)];
    let mut out = stdout();
    writeln!(
        out,
        "| CPU of the proxy for each | target, × bare | agentgateway, × bare | bare | Portcullis | × bare | met \
         | in a second: direct / bare / Portcullis |\n|---|--:|--:|--:|--:|--:|:-:|--:|"
    )?;
    for line in &SPEEDS {
        let mut samples: [Vec<Sample>; 3] = Default::default();
        for round in 0..arguments.rounds() {
            for peer in 0..peers.len() {
                let peer = (peer + round) % peers.len();
                let wanted = Load::lasting(line.connections, arguments.window());
                let address = peers[peer].map_or(mock.address, |peer| peer.server.address);
                let taken = sample(address, peers[peer], line.scenario, wanted)?;
                samples[peer].push(taken);
            }
        }
        let [direct, bare, gateway] = samples.map(|all| Median::of(&all));
        let times = gateway.cpu / bare.cpu;
        writeln!(
            out,
            "| {} | {} | {} | {:.2} µs ±{:.0} % | {:.2} µs ±{:.0} % | **{times:.2}** | {} | {:.0} / {:.0} / {:.0} |",
            line.what,
            line.target,
            line.agentgateway,
            bare.cpu,
            bare.spread,
            gateway.cpu,
            gateway.spread,
            met(times <= line.limit),
            direct.rate,
            bare.rate,
            gateway.rate,
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn sample(
    address: SocketAddr,
    peer: Option<&Running>,
    scenario: Scenario,
    wanted: Load<'_>,
) -> Result<Sample> {
    let warm_up = Load {
        time: wanted.time / 5,
        ..wanted
    };
    load(address, scenario, warm_up)?;
    let cpu = || peer.map_or(Ok(Duration::ZERO), |peer| peer.server.cpu());
    let before = cpu()?;
    let tally = load(address, scenario, wanted)?;
    let used = cpu()? - before;
    let count = (tally.calls * scenario.events()) as f64;
    let sample = Sample {
        cpu: used.as_secs_f64() * 1e6 / count,
        rate: count / tally.seconds,
    };
    let name = scenario.name();
    writeln!(stderr(), "{name} at {address}: {:.2} µs", sample.cpu)?;
    Ok(sample)
}

/// What TLS costs: a handshake by itself, and a small call with it and without.
fn tls(arguments: Arguments, mock: &Server) -> Result<()> {
    let certificate = Certificate::make()?;
    let start = |peer: Peer, tls| peer.start(arguments.setup(), tls, mock.address, &[]);
    let each = |tls| anyhow::Ok([start(Peer::Bare, tls)?, start(Peer::Portcullis, tls)?]);
    let (clear, encrypted) = (each(None)?, each(Some(&certificate))?);
    let lines = [
        (&encrypted, 8, Over::Handshakes(&certificate)),
        (&encrypted, 32, Over::Tls(&certificate)),
        (&clear, 32, Over::Clear),
    ];
    let mut samples: [[Vec<Sample>; 2]; 3] = Default::default();
    for round in 0..arguments.rounds() {
        for ((peers, connections, over), samples) in lines.iter().zip(&mut samples) {
            for peer in [round % 2, (round + 1) % 2] {
                let running = &peers[peer];
                let wanted = Load::lasting(*connections, arguments.window()).over(*over);
                let address = running.server.address;
                samples[peer].push(sample(address, Some(running), Scenario::Small, wanted)?);
            }
        }
    }
    let [handshake, over_tls, in_clear] = samples.map(|peers| peers.map(|all| Median::of(&all)));
    let mut out = stdout();
    writeln!(
        out,
        "| TLS, CPU of the proxy for each | target, × bare | bare | Portcullis | × bare | met |\n\
         |---|--:|--:|--:|--:|:-:|"
    )?;
    let what = "full handshake (TLS 1.3, ECDSA P-256), with its connection";
    let [bare, gateway] = &handshake;
    tls_line(what, [bare.cpu, gateway.cpu], Some(1.2))?;
    let what = "small chat over TLS on a kept connection";
    let [bare, gateway] = &over_tls;
    tls_line(what, [bare.cpu, gateway.cpu], None)?;
    let what = "what TLS adds to a small chat";
    let added = [0, 1].map(|peer| over_tls[peer].cpu - in_clear[peer].cpu);
    tls_line(what, added, Some(1.2))?;
    writeln!(out)?;
    Ok(())
}

fn tls_line(what: &str, [bare, gateway]: [f64; 2], limit: Option<f64>) -> Result<()> {
    let times = gateway / bare;
    let target = limit.map_or("–".to_owned(), |limit| limit.to_string());
    let met = limit.map_or("–", |limit| met(times <= limit));
    writeln!(
        stdout(),
        "| {what} | {target} | {bare:.2} µs | {gateway:.2} µs | **{times:.2}** | {met} |"
    )?;
    Ok(())
}

/// The medians of some runs.
struct Median {
    cpu: f64,
    rate: f64,
    /// Half of what lies between the least and the most, in percent of the median.
    spread: f64,
}

impl Median {
    fn of(samples: &[Sample]) -> Self {
        let sorted = |of: fn(&Sample) -> f64| {
            let mut all: Vec<_> = samples.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let (cpu, rate) = (sorted(|s| s.cpu), sorted(|s| s.rate));
        let middle = samples.len() / 2;
        let spread = (cpu[cpu.len() - 1] - cpu[0]) / 2.0 / cpu[middle] * 100.0;
        Self {
            cpu: cpu[middle],
            rate: rate[middle],
            spread,
        }
    }
}

/// What one proxy takes, in MiB but for the streams.
struct Memory {
    idle: f64,
    kib_per_stream: f64,
    kept: f64,
}

fn memory(arguments: Arguments, mock: &Server) -> Result<()> {
    let bare = take_memory(arguments, Peer::Bare, mock)?;
    let gateway = take_memory(arguments, Peer::Portcullis, mock)?;
    let mut out = stdout();
    writeln!(
        out,
        "| memory | target | agentgateway | bare | Portcullis | met |\n|---|--:|--:|--:|--:|:-:|"
    )?;
    writeln!(
        out,
        "| idle, MiB | 10 | 30 | {:.1} | **{:.1}** | {} |",
        bare.idle,
        gateway.idle,
        met(gateway.idle < 10.0)
    )?;
    writeln!(
        out,
        "| per open stream at {STREAMS}, KiB | 40 | 94 | {:.1} | **{:.1}** | {} |",
        bare.kib_per_stream,
        gateway.kib_per_stream,
        met(gateway.kib_per_stream <= 40.0)
    )?;
    writeln!(
        out,
        "| 10 s after the last, MiB above idle | 10 | 85 | {:.1} | **{:.1}** | {} |",
        bare.kept,
        gateway.kept,
        met(gateway.kept <= 10.0)
    )?;
    Ok(())
}

fn take_memory(arguments: Arguments, peer: Peer, mock: &Server) -> Result<Memory> {
    let running = peer.start(arguments.setup(), None, mock.address, &[])?;
    let server = &running.server;
    load(server.address, Scenario::Small, Load::counted(1, 1))?;
    sleep(Duration::from_secs(1));
    let idle = server.memory()?;
    server.forget_peak()?;
    let all = Load {
        ramp: Duration::from_secs(1),
        ..Load::counted(STREAMS, STREAMS.into())
    };
    load(server.address, Scenario::Hold, all)?;
    let peak = server.peak()?;
    sleep(Duration::from_secs(if arguments.quick { 1 } else { 10 }));
    let kept = server.memory()?.saturating_sub(idle);
    let mib = |kib: u64| kib as f64 / 1024.0;
    Ok(Memory {
        idle: mib(idle),
        kib_per_stream: peak.saturating_sub(idle) as f64 / f64::from(STREAMS),
        kept: mib(kept),
    })
}

fn met(met: bool) -> &'static str {
    if met { "yes" } else { "**no**" }
}
