//! Names looked up by DNS, over real sockets.

use std::{net::Ipv4Addr, sync::Mutex, time::Duration};

use portcullis_core::upstream::{AddressCheck, AddressRefused};
use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::{
    authority::{by, told, transport},
    *,
};

/// What a server says of the IPv4 addresses of any name.
#[derive(Clone)]
enum Says {
    Addresses(u32, Vec<Ipv4Addr>),
    NoSuchName,
    Fails,
}

/// A DNS server.
struct Server {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
    /// Names asked for, for IPv4 addresses only.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(says: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: socket.local_addr().unwrap(),
            says: Arc::new(Mutex::new(says)),
            asked: Arc::default(),
        };
        let (says, asked) = (Arc::clone(&server.says), Arc::clone(&server.asked));
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((_, from)) = socket.recv_from(&mut query).await {
                let (name, end) = name(&query);
                let v4 = query[end + 1] == 1;
                if v4 {
                    asked.lock().unwrap().push(name);
                }
                let answer = answer(&query[..end + 4], v4, &says.lock().unwrap());
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        server
    }

    fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn wanted(&self) -> Value {
        json!({"dns": {"servers": [self.address.to_string()]}, "pool": {"maxIdle": 0}})
    }
}

/// The name a query asks for, and where its type begins.
fn name(query: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] > 0 {
        let end = at + 1 + usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), at + 1)
}

/// The answer to a query, which is given up to the end of its question.
fn answer(query: &[u8], v4: bool, says: &Says) -> Vec<u8> {
    let mut answer = query.to_vec();
    let code = match says {
        Says::Addresses(..) => 0,
        Says::NoSuchName => 3,
        Says::Fails => 2,
    };
    let addresses: &[Ipv4Addr] = match says {
        Says::Addresses(_, addresses) if v4 => addresses,
        _ => &[],
    };
    answer[2..12].copy_from_slice(&[
        0x81,
        0x80 | code,
        0,
        1,
        0,
        addresses.len() as u8,
        0,
        0,
        0,
        0,
    ]);
    if let Says::Addresses(ttl, _) = says {
        for address in addresses {
            answer.extend([0xc0, 12, 0, 1, 0, 1]);
            answer.extend(ttl.to_be_bytes());
            answer.extend([0, 4]);
            answer.extend(address.octets());
        }
    }
    answer
}

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

async fn call(client: &Client, upstream: &Upstream, wanted: &Value) -> Result<String, ClientError> {
    let url = format!("http://llm.test:{}/", upstream.address.port());
    Ok(text(client.call(by(client, &url, wanted)).await?).await)
}

#[tokio::test]
async fn the_servers_named_are_asked_once_for_the_time_of_their_answer() {
    let upstream = Upstream::replying(HELLO).await;
    let server = Server::start(Says::Addresses(60, vec![HERE])).await;
    let client = client();
    let wanted = server.wanted();
    for _ in 0..3 {
        assert_eq!(call(&client, &upstream, &wanted).await.unwrap(), "hello");
    }
    assert_eq!(*server.asked.lock().unwrap(), ["llm.test"]);
    assert_eq!(upstream.connections(), 3);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(call(&client, &upstream, &wanted).await.unwrap(), "hello");
    assert_eq!(server.asked(), 2);
}

#[tokio::test]
async fn every_address_is_tried() {
    let upstream = Upstream::replying(HELLO).await;
    let dead = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];
    let server = Server::start(Says::Addresses(60, vec![dead[0], dead[1], HERE])).await;
    let client = client();
    for _ in 0..4 {
        let said = call(&client, &upstream, &server.wanted()).await;
        assert_eq!(said.unwrap(), "hello");
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_told_from_servers_that_fail() {
    let upstream = Upstream::replying(HELLO).await;
    for (says, because) in [
        (
            Says::NoSuchName,
            "the name does not exist or has no address",
        ),
        (
            Says::Addresses(60, Vec::new()),
            "the name does not exist or has no address",
        ),
        (Says::Fails, "Server Failure"),
    ] {
        let server = Server::start(says).await;
        let error = call(&client(), &upstream, &server.wanted())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dns);
        assert!(told(&error).contains(because), "{}", told(&error));
    }
}

#[tokio::test]
async fn of_the_addresses_found_only_those_that_pass_are_dialled_and_nobody_asks_again() {
    let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = inside.local_addr().unwrap().port();
    let outside = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
    let (allowed, here) = (Ipv4Addr::new(127, 0, 0, 2), HERE);
    let server = Server::start(Says::Addresses(0, vec![here, allowed])).await;
    let client = client();
    let checked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&checked);
    // The name is bound to another address as soon as it has been checked.
    let says = Arc::clone(&server.says);
    let check = AddressCheck::new(move |address| {
        seen.lock().unwrap().push(address.ip());
        *says.lock().unwrap() = Says::Addresses(0, vec![here]);
        if address.ip() == allowed {
            return Ok(());
        }
        Err(AddressRefused::new(address, "it is inside"))
    });
    let url = format!("http://llm.test:{port}/");
    let mut request = by(&client, &url, &server.wanted());
    request.extensions_mut().insert(check.clone());
    let call = tokio::spawn(client.call(request));
    let (mut stream, _) = outside.accept().await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    assert_eq!(text(call.await.unwrap().unwrap()).await, "hello");
    assert_eq!(*checked.lock().unwrap(), [here, allowed]);
    assert_eq!(server.asked(), 1);

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    let mut request = by(&client, &url, &server.wanted());
    request.extensions_mut().insert(check);
    let error = client.call(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressRefused);
    let nobody = tokio::time::timeout(Duration::from_millis(1), inside.accept()).await;
    assert!(nobody.is_err(), "the refused address was dialled");
}

#[tokio::test]
async fn an_old_answer_serves_while_the_servers_fail() {
    let upstream = Upstream::replying(HELLO).await;
    let server = Server::start(Says::Addresses(1, vec![HERE])).await;
    let client = client();
    call(&client, &upstream, &server.wanted()).await.unwrap();
    server.say(Says::Fails);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    let said = call(&client, &upstream, &server.wanted()).await;
    assert_eq!(said.unwrap(), "hello");
    assert!(server.asked() > 1);
}

#[test]
fn servers_that_are_none_are_refused_where_they_stand() {
    for (dns, at) in [
        (
            json!({"servers": ["10.0.0.53", "dns.example"]}),
            "/dns/servers/1",
        ),
        (json!({"servers": ["10.0.0.53:99999"]}), "/dns/servers/0"),
        (json!({"minTtl": "10m"}), "/dns/minTtl"),
    ] {
        let refused = transport(&client(), &json!({ "dns": dns })).unwrap_err();
        assert_eq!(refused.at.as_str(), at);
    }
    let fit = json!({"servers": ["10.0.0.53", "10.0.0.53:5353", "fd00::53", "[fd00::53]:53"]});
    transport(&client(), &json!({ "dns": fit })).unwrap();
}
