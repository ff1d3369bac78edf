//! Weights of endpoints that were changed at run time: over what the file says, until they are taken back or the process
//! ends. Kept by identity, so that a reload doesn't undo them.

use std::collections::BTreeMap;

use switchboard_core::config::{Config, Endpoint};

/// The changes in force.
#[derive(Debug, Default)]
pub(super) struct Weights(BTreeMap<(String, String), Changed>);

#[derive(Debug)]
struct Changed {
    weight: u32,
    /// What the file says, for when the change is taken back.
    written: u32,
}

impl Weights {
    /// Changes a weight, or takes a change back where `weight` is `None`. Gives the configuration with it.
    ///
    /// # Errors
    /// There is no such endpoint.
    pub(super) fn change(&mut self, current: &Config, at: (&str, &str), weight: Option<u32>) -> Result<Config, String> {
        let mut config = current.clone();
        let Some(endpoint) = find(&mut config, at) else {
            return Err(format!("no endpoint {} in an upstream {}", at.1, at.0));
        };
        let key = (at.0.to_owned(), at.1.to_owned());
        match (weight, self.0.get_mut(&key)) {
            (Some(weight), Some(changed)) => changed.weight = weight,
            (Some(weight), None) => drop(self.0.insert(key, Changed { weight, written: endpoint.weight })),
            (None, Some(changed)) => {
                endpoint.weight = changed.written;
                self.0.remove(&key);
            }
            (None, None) => {}
        }
        endpoint.weight = weight.unwrap_or(endpoint.weight);
        Ok(config)
    }

    /// Puts the changes over what a file says. Those of endpoints that are gone are forgotten.
    pub(super) fn over(&mut self, mut config: Config) -> Config {
        self.0.retain(|(upstream, endpoint), changed| {
            let found = find(&mut config, (upstream, endpoint));
            found.is_some_and(|endpoint| {
                changed.written = std::mem::replace(&mut endpoint.weight, changed.weight);
                true
            })
        });
        config
    }
}

fn find<'c>(config: &'c mut Config, (upstream, endpoint): (&str, &str)) -> Option<&'c mut Endpoint> {
    config.upstreams.get_mut(upstream)?.endpoints.iter_mut().find(|one| one.written == endpoint)
}
