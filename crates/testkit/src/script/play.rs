//! An answer and a behaviour become a plan.

use std::collections::VecDeque;

use crate::{
    dialect::{self, Operation},
    plan::{Answer, Break, Content, Piece, Plan, Step, cut, join},
    script::{Behaviour, Chunking, Fault, Pacing},
};

/// Plans how an answer is sent.
pub(crate) fn play(answer: Answer, behaviour: &Behaviour, operation: Operation) -> Plan {
    let fault = behaviour.fault.as_ref();
    let answer = fault
        .and_then(|fault| instead(fault, operation))
        .unwrap_or(answer);
    let mut length = match &answer.content {
        Content::Whole(piece) => Some(piece.bytes.len() as u64),
        Content::Events(_) => None,
    };
    let mut pieces = match answer.content {
        Content::Whole(piece) => vec![piece],
        Content::Events(pieces) => pieces,
    };
    if let Some(fault) = fault {
        distort(fault, operation, &mut length, &mut pieces);
    }
    let last = fault.and_then(|fault| stop(fault, length.is_none(), &mut pieces));
    let mut steps = pace(&pieces, behaviour.pacing);
    steps.extend(last.is_some().then_some(Step::Flush));
    steps.extend(last);
    Plan {
        before: fault.map(before).unwrap_or_default(),
        status: answer.status,
        headers: answer.headers,
        length,
        steps,
        input_tokens: answer.input_tokens,
    }
}

/// The answer that replaces the right one.
fn instead(fault: &Fault, operation: Operation) -> Option<Answer> {
    let (status, retry_after) = match fault {
        Fault::Status {
            status,
            retry_after,
        } => (*status, retry_after.as_deref()),
        Fault::EarlyReply(status) => (*status, None),
        _ => return None,
    };
    let answer = dialect::error(operation.dialect(), status, "the script says so");
    Some(match retry_after {
        Some(after) => answer.with("retry-after", after),
        None => answer,
    })
}

/// What happens before the head is sent.
fn before(fault: &Fault) -> Vec<Step> {
    match fault {
        Fault::Reset => vec![Step::Break(Break::Reset)],
        Fault::Silent => vec![Step::Hang],
        Fault::NotHttp => vec![Step::Break(Break::Garbage)],
        Fault::SlowFirstByte(time) => vec![Step::Sleep(*time)],
        _ => Vec::new(),
    }
}

/// Says something else, and ends properly.
fn distort(fault: &Fault, operation: Operation, length: &mut Option<u64>, pieces: &mut Vec<Piece>) {
    let stream = length.is_none();
    match fault {
        Fault::GarbageEvent(n) if stream => {
            let at = (*n).min(pieces.len());
            pieces.insert(at, Piece::from("data: {\"not\": json,,\n\n"));
        }
        Fault::GarbageEvent(_) => {
            *pieces = vec![Piece::from("<html>{\"not\": json,,")];
            *length = Some(join(pieces).bytes.len() as u64);
        }
        Fault::ErrorEvent(n) if stream => {
            pieces.truncate(*n);
            pieces.push(dialect::error_event(operation).into());
        }
        Fault::NoSentinel if stream => {
            pieces.pop();
        }
        _ => {}
    }
}

/// Stops in the middle: leaves the pieces that are sent, returns what happens behind them.
fn stop(fault: &Fault, stream: bool, pieces: &mut Vec<Piece>) -> Option<Step> {
    match fault {
        Fault::HeadThenSilent => {
            pieces.clear();
            Some(Step::Hang)
        }
        Fault::StallAfter(n) => {
            keep(stream, pieces, *n);
            Some(Step::Hang)
        }
        Fault::CutAfter(n, how) => {
            keep(stream, pieces, *n);
            Some(Step::Break(*how))
        }
        Fault::CutAfterBytes(n, how) => {
            let mut whole = join(pieces);
            whole.bytes.truncate(*n);
            *pieces = vec![whole];
            Some(Step::Break(*how))
        }
        _ => None,
    }
}

/// Keeps the first events of a stream, or nothing or half of a whole reply.
fn keep(stream: bool, pieces: &mut Vec<Piece>, events: usize) {
    if !stream {
        let half = join(pieces).bytes.len().div_ceil(2);
        *pieces = cut(pieces, half);
        pieces.truncate(1);
    }
    pieces.truncate(events);
}

/// Splits, flushes and delays.
fn pace(pieces: &[Piece], pacing: Pacing) -> VecDeque<Step> {
    let parts = match pacing.chunking {
        Chunking::PerEvent => pieces.to_vec(),
        Chunking::OneWrite => vec![join(pieces)],
        Chunking::EveryBytes(size) => cut(pieces, size),
    };
    let mut steps = VecDeque::with_capacity(parts.len() * 2);
    for part in parts.into_iter().filter(|part| !part.bytes.is_empty()) {
        if !steps.is_empty() {
            steps.push_back(Step::Flush);
            steps.extend((!pacing.delay.is_zero()).then_some(Step::Sleep(pacing.delay)));
        }
        steps.push_back(Step::Send(part));
    }
    steps
}
