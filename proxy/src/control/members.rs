//! Endpoints that were added to named upstreams, or taken out, at run time: over what the file says, until they are
//! taken back or the process ends. Kept by identity, so that a reload doesn't undo them.

use std::collections::{BTreeMap, BTreeSet};

use switchboard_core::config::{Config, Endpoint, Scope};

/// The changes in force.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// By upstream and address as written.
    added: BTreeMap<(String, String), Endpoint>,
    removed: BTreeSet<(String, String)>,
}

/// What becomes of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// It is added, with this weight.
    Added(u32),
    /// It is taken out.
    Removed,
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
}

impl Members {
    /// Adds an endpoint or takes one out. Gives the configuration with it.
    ///
    /// # Errors
    /// Why that can't be.
    pub(super) fn change(
        &mut self,
        current: &Config,
        scope: &Scope,
        at: (&str, &str),
        member: Member,
    ) -> Result<Config, NoChange> {
        let mut config = current.clone();
        let unknown = || NoChange::Unknown(format!("the configuration names no upstream {}", at.0));
        let endpoints = &mut config.upstreams.get_mut(at.0).ok_or_else(unknown)?.endpoints;
        let place = endpoints.iter().position(|one| one.written == at.1);
        let key = (at.0.to_owned(), at.1.to_owned());
        match (member, place) {
            (Member::Added(_), Some(_)) => {
                return Err(NoChange::Conflict(format!("{} is an endpoint of {} already", at.1, at.0)));
            }
            (Member::Added(weight), None) => {
                let endpoint = Endpoint { weight, ..read(scope, at.1)? };
                endpoints.push(endpoint.clone());
                if !self.removed.remove(&key) {
                    self.added.insert(key, endpoint);
                }
            }
            (Member::Removed, None) => {
                return Err(NoChange::Unknown(format!("no endpoint {} in {}", at.1, at.0)));
            }
            (Member::Removed, Some(_)) if endpoints.len() == 1 => {
                let words = format!("{} is the last endpoint of {}; set its state to `maint` instead", at.1, at.0);
                return Err(NoChange::Conflict(words));
            }
            (Member::Removed, Some(place)) => {
                endpoints.remove(place);
                if self.added.remove(&key).is_none() {
                    self.removed.insert(key);
                }
            }
        }
        Ok(config)
    }

    /// Puts the changes over what a file says. Those that the file has made itself are forgotten.
    pub(super) fn over(&mut self, mut config: Config) -> Config {
        self.added.retain(|(upstream, address), endpoint| match config.upstreams.get_mut(upstream) {
            Some(group) if group.endpoints.iter().any(|one| one.written == *address) => false,
            Some(group) => {
                group.endpoints.push(endpoint.clone());
                true
            }
            None => false,
        });
        self.removed.retain(|(upstream, address)| {
            let Some(group) = config.upstreams.get_mut(upstream) else { return false };
            let there = group.endpoints.iter().position(|one| one.written == *address);
            match there {
                Some(place) if group.endpoints.len() > 1 => drop(group.endpoints.remove(place)),
                Some(_) => {}
                None => return false,
            }
            true
        });
        config
    }
}

/// Reads an address as it would stand in a route, with the same errors.
fn read(scope: &Scope, address: &str) -> Result<Endpoint, NoChange> {
    let body: String = address.chars().flat_map(char::escape_default).collect();
    let first = |errors: Vec<switchboard_core::config::ConfigError>| {
        errors.first().map_or_else(String::new, ToString::to_string)
    };
    let read = scope
        .read("endpoint.invalid", format!("{{\"to\":[\"{body}\"]}}").as_bytes())
        .map_err(|errors| NoChange::Invalid(first(errors)))?;
    let mut groups = read.upstreams.into_values();
    let endpoint = groups.next().and_then(|group| group.endpoints.into_iter().next());
    endpoint.ok_or_else(|| NoChange::Invalid(format!("{address} is no address; write host:port")))
}

#[cfg(test)]
mod tests {
    use super::{Member, Members, NoChange};
    use std::path::Path;
    use switchboard_core::config::{Config, NoSource, load_bytes};

    fn endpoints(config: &Config) -> Vec<String> {
        config.upstreams["api"].endpoints.iter().map(|one| format!("{} {}", one.written, one.weight)).collect()
    }

    #[test]
    fn what_is_added_and_taken_out_stays_so_through_reloads() {
        let load = |text: &str| {
            let loaded = load_bytes(Path::new("switchboard.yaml"), text.as_bytes(), &mut NoSource);
            (loaded.config.unwrap(), loaded.scope)
        };
        let file = "upstreams: { api: { endpoints: [\":1\", \":2\"] } }\nroutes: { a.test: api }\n";
        let (config, scope) = load(file);
        let mut members = Members::default();
        let config = members.change(&config, &scope, ("api", "10.0.0.3:80"), Member::Added(3)).unwrap();
        let config = members.change(&config, &scope, ("api", ":1"), Member::Removed).unwrap();
        assert_eq!(endpoints(&config), [":2 1", "10.0.0.3:80 3"]);
        assert_eq!(endpoints(&members.over(load(file).0)), [":2 1", "10.0.0.3:80 3"]);
        let refused = |members: &mut Members, at: (&str, &str), member| {
            members.change(&config, &scope, at, member).expect_err("it can't be")
        };
        assert!(matches!(refused(&mut members, ("none", ":9"), Member::Added(1)), NoChange::Unknown(_)));
        assert!(matches!(refused(&mut members, ("api", ":9"), Member::Removed), NoChange::Unknown(_)));
        assert!(matches!(refused(&mut members, ("api", ":2"), Member::Added(1)), NoChange::Conflict(_)));
        for wrong in ["", "api", "a b", "x\":1,\"y", "ftp://a"] {
            let found = refused(&mut members, ("api", wrong), Member::Added(1));
            assert!(matches!(found, NoChange::Invalid(_)), "{wrong}: {found:?}");
        }
        let config = members.change(&config, &scope, ("api", "10.0.0.3:80"), Member::Removed).unwrap();
        assert!(matches!(members.change(&config, &scope, ("api", ":2"), Member::Removed), Err(NoChange::Conflict(_))));
        let config = members.change(&config, &scope, ("api", ":1"), Member::Added(1)).unwrap();
        assert_eq!(endpoints(&config), [":2 1", ":1 1"]);
        assert_eq!(endpoints(&members.over(load(file).0)), [":1 1", ":2 1"]);
    }
}
