//! A name server of the tests' own: what it answers can change, fail, or be silence. Over UDP, and TCP for what is large.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a name is answered.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These addresses, with this TTL in seconds.
    Hosts(Vec<IpAddr>, u32),
    /// These services: priority, weight, port and host, with this TTL in seconds.
    Services(Vec<(u16, u16, u16, String)>, u32),
    /// The name exists and has nothing.
    Nothing,
    /// SERVFAIL.
    Failure,
    /// Not a byte comes back.
    Silence,
}

#[derive(Default)]
struct State {
    names: HashMap<String, Answer>,
    asked: HashMap<String, usize>,
}

/// The server; it answers until the process ends.
pub(crate) struct Dns {
    at: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// The longest answer over UDP, in bytes: a longer one is cut and asked for again over TCP.
const DATAGRAM: usize = 512;

impl Dns {
    /// Starts one that knows no name.
    pub(crate) fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let dns = Self { at: udp.local_addr().unwrap(), state: Arc::default() };
        let state = Arc::clone(&dns.state);
        std::thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((length, from)) = udp.recv_from(&mut question) {
                if let Some(mut answer) = answer(&state, &question[..length]) {
                    if answer.len() > DATAGRAM {
                        answer.truncate(question_end(&answer));
                        answer[2] |= 2; // TC
                        answer[6..12].fill(0);
                    }
                    let _ = udp.send_to(&answer, from);
                }
            }
        });
        let state = Arc::clone(&dns.state);
        std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let state = Arc::clone(&state);
                std::thread::spawn(move || serve_tcp(stream, &state));
            }
        });
        dns
    }

    /// What to write under `dns:` to ask it.
    pub(crate) fn setting(&self) -> String {
        format!("servers: [\"{}\"]", self.at)
    }

    /// Answers a name like this from now on.
    pub(crate) fn set(&self, name: &str, answer: Answer) {
        self.state.lock().unwrap().names.insert(name.to_owned(), answer);
    }

    /// Answers a name with one IPv4 address of loopback from now on.
    pub(crate) fn point(&self, name: &str, last: u8, ttl: u32) {
        self.set(name, Answer::Hosts(vec![Ipv4Addr::new(127, 0, 0, last).into()], ttl));
    }

    /// How many questions came for a name, of whatever type.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.state.lock().unwrap().asked.get(name).copied().unwrap_or(0)
    }
}

fn serve_tcp(mut stream: TcpStream, state: &Mutex<State>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    loop {
        let mut length = [0; 2];
        if stream.read_exact(&mut length).is_err() {
            return;
        }
        let mut question = vec![0; u16::from_be_bytes(length).into()];
        if stream.read_exact(&mut question).is_err() {
            return;
        }
        if let Some(answer) = answer(state, &question) {
            let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
            let _ = stream.write_all(&[&length[..], &answer].concat());
        }
    }
}

/// Where the question section of a message with one question ends.
fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while message[at] != 0 {
        at += 1 + usize::from(message[at]);
    }
    at + 5
}

/// The answer to a question (RFC 1035 §4.1); `None` is silence.
fn answer(state: &Mutex<State>, question: &[u8]) -> Option<Vec<u8>> {
    const A: u16 = 1;
    const AAAA: u16 = 28;
    const SRV: u16 = 33;
    let end = question_end(question);
    let name = text(&question[12..end - 5]);
    let kind = u16::from_be_bytes([question[end - 4], question[end - 3]]);
    let found = {
        let mut state = state.lock().unwrap();
        *state.asked.entry(name.clone()).or_default() += 1;
        state.names.get(&name).cloned()
    };
    let (mut code, mut ttl) = (0, 0);
    let mut records: Vec<Vec<u8>> = Vec::new();
    match found {
        Some(Answer::Silence) => return None,
        Some(Answer::Failure) => code = 2,
        None => code = 3,
        Some(Answer::Nothing) => {}
        Some(Answer::Hosts(ips, holds)) => {
            ttl = holds;
            records.extend(ips.iter().filter_map(|ip| match ip {
                IpAddr::V4(ip) if kind == A => Some(ip.octets().to_vec()),
                IpAddr::V6(ip) if kind == AAAA => Some(ip.octets().to_vec()),
                IpAddr::V4(_) | IpAddr::V6(_) => None,
            }));
        }
        Some(Answer::Services(services, holds)) if kind == SRV => {
            ttl = holds;
            records.extend(services.iter().map(|(priority, weight, port, host)| {
                let numbers = [priority, weight, port].map(|number| number.to_be_bytes()).concat();
                [numbers, labels(host)].concat()
            }));
        }
        Some(Answer::Services(..)) => {}
    }
    let mut message = question[..2].to_vec();
    message.extend([0x84, 0x80 | code, 0, 1]);
    message.extend(u16::try_from(records.len()).unwrap().to_be_bytes());
    message.extend([0, 0, 0, 0]);
    message.extend(&question[12..end]);
    for data in records {
        // The name is the question's, by a pointer to it.
        message.extend([0xc0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        message.extend(ttl.to_be_bytes());
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
    }
    Some(message)
}

fn labels(name: &str) -> Vec<u8> {
    let label = |label: &str| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat();
    name.split('.').flat_map(label).chain([0]).collect()
}

fn text(mut labels: &[u8]) -> String {
    let mut name = Vec::new();
    while let Some((length, rest)) = labels.split_first() {
        let (label, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        name.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        labels = rest;
    }
    name.join(".")
}
