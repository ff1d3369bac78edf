//! One question to the name servers, and its answer: addresses with ports, in the order in which to try them.
//!
//! The resolver is hickory's, without its cache: how long an answer holds is the table's to say, and what is asked again
//! after a refused connect must not come from memory. `/etc/hosts` goes first, as everywhere.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};
use switchboard_core::config::Dns;
use tokio::task::JoinSet;

use crate::control::picture::Mark;
use crate::live::Place;

/// Addresses of one name that are used at most: a resolver that answers with thousands must not fill our memory.
const MOST: usize = 64;

/// The files that say whom to ask, and what not to ask for.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Question {
    /// The addresses of a host; the port is each endpoint's own.
    Host(String),
    /// The hosts and ports of a service (SRV, RFC 2782).
    Service(String),
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Never empty. The port of a host is 0.
    pub places: Vec<SocketAddr>,
    /// How many of them, from the first, take turns; the others are for when those fail.
    pub lead: usize,
    /// How long it holds, as the servers say.
    pub ttl: Duration,
}

impl Answer {
    /// Whether there may be more addresses than those that are used: then one that is missing is not gone.
    pub(super) const fn is_cut(&self) -> bool {
        self.places.len() >= MOST
    }
}

/// Whom to ask.
#[derive(Clone)]
pub(super) struct Asker {
    resolver: TokioResolver,
    marks: [Mark; 2],
}

impl Asker {
    /// Reads the system's settings, and takes the servers from `dns` where it names some.
    ///
    /// # Errors
    /// In words, when the system gives nothing to ask with.
    pub(super) fn new(dns: &Dns) -> Result<Self, String> {
        let marks = marks();
        let provider = TokioRuntimeProvider::default();
        let system = Resolver::builder(provider.clone()).ok();
        let mut builder = match (dns.servers.as_slice(), system) {
            ([], Some(system)) => system,
            // As the C library does where nobody says otherwise.
            ([], None) => Resolver::builder_with_config(servers(&[SocketAddr::from(([127, 0, 0, 1], 53))]), provider),
            (written, _) => Resolver::builder_with_config(servers(written), provider),
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.cache_size = 0;
        // Two tries of two seconds: while one server hangs, another is asked.
        options.timeout = options.timeout.min(Duration::from_secs(2));
        let resolver = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { resolver, marks })
    }

    /// Whether the system's settings are others than those that were read.
    pub(super) fn is_stale(&self) -> bool {
        self.marks != marks()
    }

    /// Asks.
    ///
    /// # Errors
    /// In words, where no address was found.
    pub(super) async fn ask(&self, question: &Question) -> Result<Answer, String> {
        match question {
            Question::Host(name) => {
                let (ips, ttl) = self.host(name).await?;
                let places: Vec<SocketAddr> = ips.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect();
                Ok(Answer { lead: places.len(), places, ttl })
            }
            Question::Service(name) => self.service(name).await,
        }
    }

    async fn host(&self, name: &str) -> Result<(Vec<IpAddr>, Duration), String> {
        let found = self.resolver.lookup_ip(name).await.map_err(|error| error.to_string())?;
        let ttl = found.valid_until().saturating_duration_since(Instant::now());
        let mut ips: Vec<IpAddr> = found.iter().collect();
        // Servers turn their answers round at each question; to us that is no change.
        ips.sort_unstable();
        ips.dedup();
        ips.truncate(MOST);
        if ips.is_empty() { Err("it has no address".to_owned()) } else { Ok((ips, ttl)) }
    }

    async fn service(&self, name: &str) -> Result<Answer, String> {
        let found = self.resolver.lookup(name, RecordType::SRV).await.map_err(|error| error.to_string())?;
        let mut ttl = found.valid_until().saturating_duration_since(Instant::now());
        let mut asked = JoinSet::new();
        for record in found.answers().iter().take(MOST) {
            // A target of `.` says that there is no such service (RFC 2782).
            let RData::SRV(srv) = &record.data else { continue };
            if srv.target.is_root() {
                continue;
            }
            let (asker, target) = (self.clone(), srv.target.to_string());
            let (port, priority, weight) = (srv.port, srv.priority, srv.weight);
            asked.spawn(async move { (priority, weight, port, asker.host(&target).await) });
        }
        let mut hosts = Vec::new();
        let mut failed = None;
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok((priority, weight, port, Ok((ips, holds)))) => {
                    ttl = ttl.min(holds);
                    hosts.extend(ips.into_iter().map(|ip| Host { priority, weight, place: SocketAddr::new(ip, port) }));
                }
                Ok((.., Err(error))) => failed = Some(error),
                Err(_) => {}
            }
        }
        match arranged(hosts) {
            (places, _) if places.is_empty() => Err(failed.unwrap_or_else(|| "the service has no host".to_owned())),
            (places, lead) => Ok(Answer { places, lead, ttl }),
        }
    }
}

/// One address of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Host {
    priority: u16,
    weight: u16,
    place: SocketAddr,
}

/// Puts the hosts of a service in order of priority. Those of the first take turns by weight: one of twice the weight
/// stands there twice.
fn arranged(mut hosts: Vec<Host>) -> (Vec<SocketAddr>, usize) {
    hosts.sort_unstable();
    hosts.dedup_by_key(|host| host.place);
    hosts.truncate(MOST);
    let Some(first) = hosts.first().map(|host| host.priority) else { return (Vec::new(), 0) };
    let leaders: Vec<Host> = hosts.iter().copied().filter(|host| host.priority == first).collect();
    // A weight of 0 is for hosts that nobody chooses between, or the least there is (RFC 2782).
    let least = leaders.iter().map(|host| host.weight).filter(|weight| *weight > 0).min().unwrap_or(1);
    let turns = |host: &Host| usize::from((host.weight / least).clamp(1, 8));
    let rounds = leaders.iter().map(turns).max().unwrap_or(1);
    let mut places: Vec<SocketAddr> = Vec::new();
    for round in 0..rounds {
        places.extend(leaders.iter().filter(|host| turns(host) > round).map(|host| host.place));
    }
    let lead = places.len();
    places.extend(hosts.iter().filter(|host| host.priority != first).map(|host| host.place));
    (places, lead)
}

/// The addresses of an answer as places, with the port of the endpoint that asked.
pub(super) fn places(answer: &Answer, port: u16) -> Vec<Place> {
    let with_port = |at: &SocketAddr| SocketAddr::new(at.ip(), if at.port() == 0 { port } else { at.port() });
    answer.places.iter().map(|at| Place::Ip(with_port(at))).collect()
}

fn servers(written: &[SocketAddr]) -> ResolverConfig {
    let ips: HashSet<IpAddr> = written.iter().map(SocketAddr::ip).collect();
    let server = |ip: IpAddr| {
        let ports = written.iter().filter(move |server| server.ip() == ip).map(SocketAddr::port);
        let both = ports.flat_map(|port| {
            [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
                way.port = port;
                way
            })
        });
        // A server that says that there is no such name is believed only where no other knows better.
        NameServerConfig::new(ip, true, both.collect())
    };
    ResolverConfig::from_name_servers(ips.into_iter().map(server).collect())
}

fn marks() -> [Mark; 2] {
    FILES.map(|path| Mark::at(Path::new(path)))
}

#[cfg(test)]
mod tests {
    use super::{Host, arranged};

    #[test]
    fn hosts_of_a_service_take_turns_by_weight_within_the_first_priority() {
        let check = |hosts: &[(u16, u16, u16)], expect: &[u16], lead: usize| {
            let host = |&(priority, weight, port): &(u16, u16, u16)| Host {
                priority,
                weight,
                place: ([127, 0, 0, 1], port).into(),
            };
            let (places, leaders) = arranged(hosts.iter().map(host).collect());
            assert_eq!((places.iter().map(|place| place.port()).collect::<Vec<_>>(), leaders), (expect.to_vec(), lead));
        };
        check(&[], &[], 0);
        check(&[(1, 0, 10), (1, 0, 11)], &[10, 11], 2);
        check(&[(1, 1, 10), (1, 2, 11)], &[10, 11, 11], 3);
        check(&[(1, 10, 10), (1, 20, 11), (2, 5, 12)], &[10, 11, 11, 12], 3);
        check(&[(5, 0, 10), (2, 0, 11), (2, 7, 12)], &[11, 12, 10], 2);
        check(&[(1, 1, 10), (1, 1, 10)], &[10], 1);
        assert!(arranged(vec![Host { priority: 1, weight: 1, place: ([127, 0, 0, 1], 1).into() }; 5000]).0.len() == 1);
    }
}
