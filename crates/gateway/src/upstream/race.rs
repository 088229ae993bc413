//! Upstream client: from the addresses of a host to one connection, by racing them (RFC 8305).

use std::{io, net::SocketAddr, pin::pin, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until},
};

/// How long an attempt has for itself before the next one starts beside it (RFC 8305 §8).
const HEAD_START: Duration = Duration::from_millis(250);
/// No more addresses of one host are tried.
const MOST: usize = 64;

/// The first of the addresses that accepts; the attempts at the others are closed. The next one is
/// tried when one has failed, or has been silent for 250 ms. Families take turns, beginning with that of
/// the first address. When all have failed, the failure of the first one.
pub(super) async fn first_to_accept(addresses: &[SocketAddr]) -> Option<io::Result<TcpStream>> {
    let mut waiting = interleave(addresses).into_iter().take(MOST);
    let mut running = FuturesUnordered::new();
    running.push(TcpStream::connect(waiting.next()?));
    let mut failure = None;
    let mut turn = pin!(sleep_until(Instant::now() + HEAD_START));
    loop {
        tokio::select! {
            biased;
            Some(ended) = running.next() => match ended {
                Ok(stream) => return Some(Ok(stream)),
                Err(error) => {
                    failure.get_or_insert(error);
                    if running.is_empty() && waiting.len() == 0 {
                        return failure.map(Err);
                    }
                }
            },
            () = &mut turn, if waiting.len() > 0 => {}
        }
        if let Some(next) = waiting.next() {
            running.push(TcpStream::connect(next));
            turn.as_mut().reset(Instant::now() + HEAD_START);
        }
    }
}

fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return Vec::new();
    };
    let preferred = |address: &&SocketAddr| address.is_ipv4() == first.is_ipv4();
    let mut ours = addresses.iter().filter(preferred);
    let mut others = addresses.iter().filter(|address| !preferred(address));
    let mut all = Vec::with_capacity(addresses.len());
    while all.len() < addresses.len() {
        all.extend(ours.next().into_iter().chain(others.next()));
    }
    all
}

#[cfg(test)]
mod tests {
    use tokio::{
        net::{TcpListener, TcpSocket},
        time::timeout,
    };

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    async fn accepting() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        (listener, at)
    }

    async fn refusing() -> SocketAddr {
        accepting().await.1
    }

    #[test]
    fn families_take_turns_beginning_with_the_first() {
        let all = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"].map(address);
        let order = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"].map(address);
        assert_eq!(interleave(&all), order);
        assert_eq!(interleave(&[]), []);
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_at_once() {
        let (_listener, good) = accepting().await;
        let start = Instant::now();
        let bad = refusing().await;
        let stream = first_to_accept(&[bad, bad, good]).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(start.elapsed() < HEAD_START);
    }

    /// A listener whose queue is full, so that connections to it neither open nor fail.
    async fn silent() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(address("127.0.0.1:0")).unwrap();
        let listener = socket.listen(0).unwrap();
        let mut queue = Vec::new();
        let connect = || TcpStream::connect(listener.local_addr().unwrap());
        while let Ok(stream) = timeout(HEAD_START, connect()).await {
            queue.push(stream.unwrap());
        }
        (listener, queue)
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_silent_gets_company_after_its_head_start() {
        let (quiet, _queue) = silent().await;
        let (_listener, good) = accepting().await;
        let start = Instant::now();
        let quiet = quiet.local_addr().unwrap();
        let stream = first_to_accept(&[quiet, quiet, good]).await;
        assert_eq!(stream.unwrap().unwrap().peer_addr().unwrap(), good);
        assert!(start.elapsed() >= 2 * HEAD_START && start.elapsed() < 3 * HEAD_START);
    }

    #[tokio::test]
    async fn when_all_refuse_the_first_failure_is_told() {
        let bad = refusing().await;
        let error = first_to_accept(&[bad, bad]).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert!(first_to_accept(&[]).await.is_none());
    }
}
