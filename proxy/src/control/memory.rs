//! How short memory is: read from the system, the more often the less there is, and told to the workers when it changes.
//!
//! A task of the control thread, which rests where nothing limits memory. What is given up at each step says [`Pressure`];
//! what is under way goes on at every one.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use switchboard_core::config::Memory;

use crate::process::{Command, Process};

/// How often memory is looked at where it has a limit, and how often where 80 % of that are taken: a crowd of clients
/// takes the rest in less than a second.
const LOOK: Duration = Duration::from_millis(250);
const LOOK_CLOSELY: Duration = Duration::from_millis(20);

/// How often it is asked whether it has one.
const REST: Duration = Duration::from_secs(1);

/// A step is left so many hundredths below where it begins, so that it isn't taken again and again.
const SLACK: u64 = 2;

/// The number from which on version 1 of control groups means none: it has no word for that.
const NO_LIMIT: u64 = 1 << 62;

/// How short memory is, and what is given up for it (SECURITY, experiment 19).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// There is enough.
    #[default]
    None,
    /// 92 % are taken: connections end with their next answer, idle ones to endpoints at once.
    Tight,
    /// 95 %: requests are answered 503, but for those about the proxy itself.
    Short,
    /// 98 %: no connection is accepted.
    Full,
}

impl Pressure {
    /// What follows where so much is taken.
    fn next(self, taken: Taken) -> Self {
        let reached = |(step, share): &(Self, u64)| {
            let share = if *step <= self { share - SLACK } else { *share };
            u128::from(taken.used) * 100 >= u128::from(taken.limit) * u128::from(share)
        };
        let steps = [(Self::Full, 98), (Self::Short, 95), (Self::Tight, 92)];
        steps.iter().find(|step| reached(step)).map_or(Self::None, |(step, _)| *step)
    }
}

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    used: u64,
    limit: u64,
}

/// Looks again and again, for ever.
pub async fn watch(process: Arc<Process>) {
    let mut pressure = Pressure::None;
    loop {
        let taken = taken(process.generation.load().config.limits.memory);
        let next = taken.map_or(Pressure::None, |taken| pressure.next(taken));
        if next != pressure {
            tell(&process, next, taken);
            pressure = next;
        }
        let pause = match taken {
            None => REST,
            Some(Taken { used, limit }) if used < limit / 5 * 4 => LOOK,
            Some(_) => LOOK_CLOSELY,
        };
        tokio::time::sleep(pause).await;
    }
}

fn tell(process: &Process, pressure: Pressure, taken: Option<Taken>) {
    process.memory_full.store(pressure == Pressure::Full, Ordering::Relaxed);
    for worker in &process.workers {
        // A worker that is gone has nothing to give up.
        let _ = worker.inbox.send(Command::Pressure(pressure));
    }
    let Taken { used, limit } = taken.unwrap_or(Taken { used: 0, limit: 0 });
    let consequence = match pressure {
        Pressure::None => return tracing::info!(used, limit, "there is enough memory again"),
        Pressure::Tight => "connections end with their next answer",
        Pressure::Short => "requests are answered 503",
        Pressure::Full => "no connection is accepted",
    };
    tracing::warn!(used, limit, consequence, "memory is short");
}

fn taken(memory: Memory) -> Option<Taken> {
    match memory {
        Memory::Unlimited => None,
        Memory::Bytes(limit) => Some(Taken { used: resident()?, limit }),
        Memory::Auto => {
            let group = of_group(Path::new("/sys/fs/cgroup"), &fs::read_to_string("/proc/self/cgroup").ok()?)?;
            Some(group.as_ours(resident()?))
        }
    }
}

impl Taken {
    /// What counts of a group in which `own` bytes are the proxy's: nothing while those are less than a quarter of the limit.
    /// Then it is others who take the memory, a development server beside us for one, and refusing requests gives none back.
    const fn as_ours(self, own: u64) -> Self {
        let used = if own < self.limit / 4 { 0 } else { self.used };
        Self { used, ..self }
    }
}

/// The process' own memory.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes: u64 =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes << 10)
}

/// What the tightest of our control groups has and may have, of either version; `groups` is what the system says of where
/// we are. What only caches files doesn't count: the kernel takes it back before it kills anybody.
fn of_group(mounted: &Path, groups: &str) -> Option<Taken> {
    let mut tightest: Option<Taken> = None;
    for line in groups.lines() {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let (root, limit, used, cached) = match controllers {
            "" => (mounted.to_owned(), "memory.max", "memory.current", ["inactive_file", "active_file"]),
            _ if controllers.split(',').any(|one| one == "memory") => (
                mounted.join("memory"),
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                ["total_inactive_file", "total_active_file"],
            ),
            _ => continue,
        };
        // In a container the path may be the host's; the group itself is then the root.
        let own = root.join(path.trim_start_matches('/'));
        for group in own.ancestors().take_while(|group| group.starts_with(&root)) {
            let Some(limit) = number(&group.join(limit)).filter(|limit| *limit < NO_LIMIT) else { continue };
            let Some(used) = number(&group.join(used)) else { continue };
            let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
            let of = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
            let cached = cached.iter().filter_map(|name| of(&format!("{name} "))).fold(0, u64::saturating_add);
            if tightest.is_none_or(|known| limit < known.limit) {
                tightest = Some(Taken { used: used.saturating_sub(cached), limit });
            }
        }
    }
    tightest
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_begin_at_their_share_and_end_a_little_below() {
        let check = |before, used, expect| {
            assert_eq!(Pressure::next(before, Taken { used, limit: 1000 }), expect, "{before:?} {used}");
        };
        use Pressure::{Full, None, Short, Tight};
        check(None, 919, None);
        check(None, 920, Tight);
        check(None, 950, Short);
        check(None, 2000, Full);
        check(Tight, 901, Tight);
        check(Tight, 899, None);
        check(Full, 960, Full);
        check(Full, 959, Short);
        check(Short, 929, Tight);
        check(Full, 0, None);
    }

    #[test]
    fn a_group_that_others_have_filled_is_none_of_our_doing() {
        let group = Taken { used: 990, limit: 1000 };
        assert_eq!((group.as_ours(249).used, group.as_ours(250).used), (0, 990));
    }

    #[test]
    fn the_tightest_group_counts_without_what_caches_files() {
        let root = std::env::temp_dir().join(format!("switchboard-groups-{}", std::process::id()));
        let write = |file: &str, text: &str| {
            let file = root.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let check = |groups: &str, expect: Option<(u64, u64)>| {
            let taken = of_group(&root, groups).map(|taken| (taken.used, taken.limit));
            assert_eq!(taken, expect, "{groups}");
        };
        check("0::/a/b\n", None);
        write("a/memory.max", "1000\n");
        write("a/memory.current", "700\n");
        write("a/memory.stat", "anon 500\ninactive_file 150\nactive_file 50\n");
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "600\n");
        check("0::/a/b\n", Some((500, 1000)));
        // Version 1, in a container that sees its own group as the root.
        write("memory/memory.limit_in_bytes", "800\n");
        write("memory/memory.usage_in_bytes", "90\n");
        write("memory/memory.stat", "cache 7\ntotal_inactive_file 20\n");
        check("9:name=systemd:/\n4:cpu,memory:/docker/77\n", Some((70, 800)));
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        check("4:memory:/\n", None);
        check("nonsense", None);
        fs::remove_dir_all(&root).unwrap();
    }
}
