//! Endpoints that were added to named upstreams, or taken out, at run time: over what the file says, until they are
//! taken back. Kept in the journal beside registered routes, so that neither a reload nor a new start undoes them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use switchboard_core::config::{Config, ConfigError, Endpoint, Scope};

use super::journal::framed;

/// An upstream's name and an address as written.
pub(crate) type Place = (String, String);

/// The changes in force.
#[derive(Debug, Default)]
pub(crate) struct Members {
    changes: BTreeMap<Place, Member>,
    /// What the file says: one that is taken out and comes back is as it was.
    of_file: BTreeMap<Place, Endpoint>,
}

/// What became of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    /// It is added, with this weight.
    Added(u32),
    /// The file has it, and it is taken out.
    Removed,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// One more, with this weight.
    Add(Option<u32>),
    /// One less.
    Remove,
}

/// Why an upstream can't be changed so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoChange {
    /// There is no such thing.
    Unknown(String),
    /// It is so already, or would leave nothing.
    Conflict(String),
    /// What is asked for is no endpoint.
    Invalid(String),
    /// It could not be written.
    Unwritten(String),
}

impl Members {
    /// How the configuration would be with an endpoint more or less, and what there is then to keep of it.
    ///
    /// # Errors
    /// Why that can't be.
    pub(crate) fn plan(
        &self,
        current: &Config,
        scope: &Scope,
        at: &Place,
        wish: Wish,
    ) -> Result<(Config, Option<Member>), NoChange> {
        let (upstream, address) = at;
        let mut config = current.clone();
        let unknown = || NoChange::Unknown(format!("the configuration names no upstream {upstream}"));
        let endpoints = &mut config.upstreams.get_mut(upstream).ok_or_else(unknown)?.endpoints;
        let there = endpoints.iter().position(|one| one.written == *address);
        let kept = match (wish, there) {
            (Wish::Add(_), Some(_)) => {
                return Err(NoChange::Conflict(format!("{address} is an endpoint of {upstream} already")));
            }
            (Wish::Add(weight), None) => match self.of_file.get(at) {
                Some(written) if weight.is_some_and(|weight| weight != written.weight) => {
                    let words = format!(
                        "the file has {address} with a weight of {}: add it without one, then set its weight",
                        written.weight
                    );
                    return Err(NoChange::Invalid(words));
                }
                Some(written) => {
                    endpoints.push(written.clone());
                    None
                }
                None => {
                    let endpoint = read(scope, address).map_err(NoChange::Invalid)?;
                    let weight = weight.unwrap_or(endpoint.weight);
                    endpoints.push(Endpoint { weight, ..endpoint });
                    Some(Member::Added(weight))
                }
            },
            (Wish::Remove, None) => return Err(NoChange::Unknown(format!("no endpoint {address} in {upstream}"))),
            (Wish::Remove, Some(_)) if endpoints.len() == 1 => {
                let words = format!("{address} is the last endpoint of {upstream}; set its state to `maint` instead");
                return Err(NoChange::Conflict(words));
            }
            (Wish::Remove, Some(there)) => {
                endpoints.remove(there);
                self.of_file.contains_key(at).then_some(Member::Removed)
            }
        };
        Ok((config, kept))
    }

    /// Puts the changes over what a file says. Returns with it what there is to say about those that can't be.
    pub(crate) fn over(&self, mut config: Config, scope: &Scope) -> (Config, Vec<String>) {
        let mut notes = Vec::new();
        // First what comes, so that there is another where the only one of the file goes.
        let (come, go): (Vec<_>, Vec<_>) = self.changes.iter().partition(|(_, change)| **change != Member::Removed);
        for ((upstream, address), change) in come.into_iter().chain(go) {
            let Some(group) = config.upstreams.get_mut(upstream) else {
                notes.push(format!("the endpoint {address} waits: the configuration names no upstream {upstream}"));
                continue;
            };
            let there = group.endpoints.iter().position(|one| one.written == *address);
            match (change, there) {
                (Member::Added(weight), None) => match read(scope, address) {
                    Ok(endpoint) => group.endpoints.push(Endpoint { weight: *weight, ..endpoint }),
                    Err(words) => notes.push(format!("the endpoint {address} of {upstream} is not in force: {words}")),
                },
                (Member::Removed, Some(_)) if group.endpoints.len() == 1 => {
                    notes.push(format!("the endpoint {address} stays: {upstream} has no other in the file"));
                }
                (Member::Removed, Some(there)) => drop(group.endpoints.remove(there)),
                (Member::Added(_), Some(_)) | (Member::Removed, None) => {}
            }
        }
        (config, notes)
    }

    /// Takes note of what a file says that was put in force, and forgets what it has done itself. Returns what the
    /// journal has to know of that.
    pub(super) fn follow(&mut self, file: &Config) -> Vec<u8> {
        let named = file.upstreams.iter().flat_map(|(name, group)| group.endpoints.iter().map(move |one| (name, one)));
        self.of_file = named.map(|(name, one)| ((name.clone(), one.written.clone()), one.clone())).collect();
        let of_file = &self.of_file;
        let done = |(at, change): (&Place, &Member)| {
            let says_so = of_file.contains_key(at) == matches!(change, Member::Added(_));
            (says_so && file.upstreams.contains_key(&at.0)).then(|| at.clone())
        };
        let done: Vec<Place> = self.changes.iter().filter_map(done).collect();
        done.iter().flat_map(|at| self.keep(at, None).1).collect()
    }

    /// Keeps what became of an endpoint. Returns what was kept of it before, and the record of it.
    pub(super) fn keep(&mut self, at: &Place, member: Option<Member>) -> (Option<Member>, Vec<u8>) {
        let before = match member {
            Some(member) => self.changes.insert(at.clone(), member),
            None => self.changes.remove(at),
        };
        (before, framed(&record(at, member)))
    }

    /// Records of everything, for a smaller journal.
    pub(super) fn records(&self) -> impl Iterator<Item = u8> {
        self.changes.iter().flat_map(|(at, member)| framed(&record(at, Some(*member))))
    }

    /// About how long those are.
    pub(super) fn live(&self) -> u64 {
        self.changes.keys().map(|(upstream, address)| (upstream.len() + address.len() + 100) as u64).sum()
    }

    /// Takes a record of the journal. Tells whether it is one of these.
    pub(super) fn replay(&mut self, record: &[u8]) -> bool {
        let Ok(record) = serde_json::from_slice::<Value>(record) else { return false };
        let (Some(upstream), Some(address)) = (record["upstream"].as_str(), record["endpoint"].as_str()) else {
            return false;
        };
        let weight = record["weight"].as_u64().and_then(|weight| u32::try_from(weight).ok());
        let removed = (record["removed"] == true).then_some(Member::Removed);
        self.keep(&(upstream.to_owned(), address.to_owned()), weight.map(Member::Added).or(removed));
        true
    }

    /// What was changed of an endpoint.
    pub(crate) fn of(&self, at: &Place) -> Option<Member> {
        self.changes.get(at).copied()
    }

    /// Those of the file that are taken out.
    pub(crate) fn removed(&self) -> impl Iterator<Item = &Place> {
        self.changes.iter().filter(|(_, member)| **member == Member::Removed).map(|(at, _)| at)
    }
}

fn record(at: &Place, member: Option<Member>) -> Vec<u8> {
    let mut record = Map::from_iter([("upstream".to_owned(), json!(at.0)), ("endpoint".to_owned(), json!(at.1))]);
    match member {
        Some(Member::Added(weight)) => drop(record.insert("weight".to_owned(), json!(weight))),
        Some(Member::Removed) => drop(record.insert("removed".to_owned(), json!(true))),
        None => {}
    }
    Value::Object(record).to_string().into_bytes()
}

/// Reads an address as it would stand in a route, with the same errors.
fn read(scope: &Scope, address: &str) -> Result<Endpoint, String> {
    let body: String = address.chars().flat_map(char::escape_default).collect();
    let first = |errors: Vec<ConfigError>| errors.first().map_or_else(String::new, ToString::to_string);
    let read = scope.read("endpoint.invalid", format!("{{\"to\":[\"{body}\"]}}").as_bytes()).map_err(first)?;
    let mut groups = read.upstreams.into_values();
    let endpoint = groups.next().and_then(|group| group.endpoints.into_iter().next());
    endpoint.ok_or_else(|| format!("{address} is no address; write host:port"))
}

#[cfg(test)]
mod tests {
    use super::{Member, Members, NoChange, Place, Wish};
    use std::path::Path;
    use switchboard_core::config::{Config, NoSource, Scope, load_bytes};

    const FILE: &str =
        "upstreams: { api: { endpoints: [{ address: \":1\", weight: 5 }, \":2\"] } }\nroutes: { a.test: api }\n";

    fn load(text: &str) -> (Config, Scope) {
        let loaded = load_bytes(Path::new("switchboard.yaml"), text.as_bytes(), &mut NoSource);
        (loaded.config.unwrap(), loaded.scope)
    }

    fn endpoints(config: &Config) -> Vec<String> {
        config.upstreams["api"].endpoints.iter().map(|one| format!("{} {}", one.written, one.weight)).collect()
    }

    fn at(upstream: &str, address: &str) -> Place {
        (upstream.to_owned(), address.to_owned())
    }

    /// Changes of a file, and what the journal has of them.
    struct Kept {
        members: Members,
        journal: Vec<u8>,
    }

    impl Kept {
        fn of(file: &str) -> Self {
            let mut members = Members::default();
            assert!(members.follow(&load(file).0).is_empty());
            Self { members, journal: Vec::new() }
        }

        fn change(&mut self, current: &Config, place: &Place, wish: Wish) -> Result<Config, NoChange> {
            let (config, kept) = self.members.plan(current, &load(FILE).1, place, wish)?;
            self.journal.extend(self.members.keep(place, kept).1);
            Ok(config)
        }

        /// What another start makes of it, with this file.
        fn started(&self, file: &str) -> Vec<String> {
            let mut members = Members::default();
            let mut rest = &self.journal[..];
            while let Some((length, after)) = rest.split_first_chunk::<4>() {
                let (record, more) = after[4..].split_at(u32::from_le_bytes(*length) as usize);
                assert!(members.replay(record));
                rest = more;
            }
            endpoints(&members.over(load(file).0, &load(file).1).0)
        }
    }

    #[test]
    fn what_is_added_and_taken_out_stays_so_through_reloads_and_starts() {
        let mut kept = Kept::of(FILE);
        let config = kept.change(&load(FILE).0, &at("api", "10.0.0.3:80"), Wish::Add(Some(3))).unwrap();
        let config = kept.change(&config, &at("api", ":1"), Wish::Remove).unwrap();
        assert_eq!(endpoints(&config), [":2 1", "10.0.0.3:80 3"]);
        assert_eq!(kept.started(FILE), [":2 1", "10.0.0.3:80 3"]);
        let config = kept.change(&config, &at("api", "10.0.0.3:80"), Wish::Remove).unwrap();
        let last = kept.change(&config, &at("api", ":2"), Wish::Remove);
        assert!(matches!(last, Err(NoChange::Conflict(_))), "the last one stays");
        let other = kept.change(&config, &at("api", ":1"), Wish::Add(Some(2)));
        assert!(matches!(other, Err(NoChange::Invalid(_))), "{other:?}");
        let config = kept.change(&config, &at("api", ":1"), Wish::Add(None)).unwrap();
        assert_eq!(endpoints(&config), [":2 1", ":1 5"], "as the file has it");
        assert_eq!(kept.started(FILE), [":1 5", ":2 1"]);
        assert!(kept.members.changes.is_empty(), "what comes and goes leaves nothing behind");
    }

    #[test]
    fn what_is_no_change_is_refused() {
        let mut kept = Kept::of(FILE);
        let config = load(FILE).0;
        let mut refused = |place: Place, wish| kept.change(&config, &place, wish).expect_err("it can't be");
        assert!(matches!(refused(at("none", ":9"), Wish::Add(None)), NoChange::Unknown(_)));
        assert!(matches!(refused(at("api", ":9"), Wish::Remove), NoChange::Unknown(_)));
        assert!(matches!(refused(at("api", ":2"), Wish::Add(None)), NoChange::Conflict(_)));
        for wrong in ["", "api", "a b", "x\":1,\"y", "ftp://a"] {
            let found = refused(at("api", wrong), Wish::Add(None));
            assert!(matches!(found, NoChange::Invalid(_)), "{wrong}: {found:?}");
        }
    }

    #[test]
    fn what_the_file_does_itself_is_forgotten_and_what_it_does_not_name_waits() {
        let mut kept = Kept::of(FILE);
        let config = kept.change(&load(FILE).0, &at("api", ":3"), Wish::Add(None)).unwrap();
        kept.change(&config, &at("api", ":1"), Wish::Remove).unwrap();
        let other = "upstreams: { web: { endpoints: [\":1\"] } }\nroutes: { a.test: web }\n";
        let (config, notes) = kept.members.over(load(other).0, &load(other).1);
        assert_eq!((config, notes.len()), (load(other).0, 2));
        assert!(kept.members.follow(&load(other).0).is_empty(), "it may be there again");
        assert_eq!(kept.members.of(&at("api", ":3")), Some(Member::Added(1)));
        let done = "upstreams: { api: { endpoints: [\":2\", \":3\"] } }\nroutes: { a.test: api }\n";
        let records = kept.members.follow(&load(done).0);
        kept.journal.extend(records);
        assert!(kept.members.changes.is_empty());
        assert_eq!(kept.started(FILE), [":1 5", ":2 1"], "the journal forgets it too");
        let alone = "upstreams: { api: { endpoints: [\":1\"] } }\nroutes: { a.test: api }\n";
        let mut kept = Kept::of(alone);
        let config = kept.change(&load(alone).0, &at("api", ":7"), Wish::Add(None)).unwrap();
        kept.change(&config, &at("api", ":1"), Wish::Remove).unwrap();
        assert_eq!(kept.started(alone), [":7 1"], "the only one of the file gave way to another");
        let mut kept = Kept::of(FILE);
        kept.change(&load(FILE).0, &at("api", ":1"), Wish::Remove).unwrap();
        assert_eq!(kept.started(alone), [":1 1"], "an upstream is never left without any");
    }
}
