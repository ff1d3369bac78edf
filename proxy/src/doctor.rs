//! `switchboard doctor`: looks at what a proxy needs from the machine, and says how to mend what is missing.
//!
//! The command line calls it. It changes nothing and asks nobody outside of this machine.

mod machine;
mod names;
mod ports;

use std::path::Path;

use crate::cli::paint::Paint;
use crate::cli::{ConfigFile, print, run};

/// What `doctor` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    config: ConfigFile,
}

/// What was found about one thing.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    /// It is as it should be; in words.
    Good(String),
    /// It works, but somebody may stumble over it.
    Note(String, String),
    /// It will not work: what is wrong, and what mends it.
    Bad(String, String),
}

/// Looks, prints what it finds, and returns 0 if nothing stands in the way, else 1.
///
/// # Errors
/// None but a configuration that is refused.
pub fn run(options: &Options) -> Result<u8, String> {
    let path = options.config.find();
    let config = match &path {
        Some(path) => run::read_quietly(path).ok_or("mend the configuration first; `switchboard check` says where")?,
        None => run::without_file(),
    };
    let mut findings = vec![("config", meant(path.as_deref())), ("names", names::localhost())];
    findings.extend(ports::all(&config, machine::pid(&config)).into_iter().map(|finding| ("ports", finding)));
    findings.push(("files", machine::descriptors()));
    findings.push(("state", machine::state_dir(&config.state_dir)));
    findings.push(("clock", machine::clock()));
    findings.push(("proxy", machine::proxy(&config)));
    print(&text(&findings, Paint::of_stdout()));
    Ok(u8::from(findings.iter().any(|(_, finding)| matches!(finding, Finding::Bad(..)))))
}

/// Which configuration the rest is about.
fn meant(path: Option<&Path>) -> Finding {
    match path {
        Some(path) => Finding::Good(format!("{} is sound", path.display())),
        None => Finding::Note(
            "there is no switchboard.yaml here: this is about a proxy without one".to_owned(),
            "name another with -c FILE".to_owned(),
        ),
    }
}

fn text(findings: &[(&str, Finding)], paint: Paint) -> String {
    let mut text = String::new();
    for (topic, finding) in findings {
        let (mark, words, mend) = match finding {
            Finding::Good(words) => (paint.green("ok  "), words, None),
            Finding::Note(words, mend) => (paint.bold("note"), words, Some(mend)),
            Finding::Bad(words, mend) => (paint.red("BAD "), words, Some(mend)),
        };
        text.push_str(&format!("{mark} {topic:6} {words}\n"));
        for line in mend.iter().flat_map(|mend| mend.lines()) {
            text.push_str(&format!("            {line}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_lines_with_their_mend_below() {
        let findings = [
            ("names", Finding::Good("fine".to_owned())),
            ("ports", Finding::Bad("port 80 is taken".to_owned(), "stop it,\nor take another".to_owned())),
        ];
        let expect =
            "ok   names  fine\nBAD  ports  port 80 is taken\n            stop it,\n            or take another\n";
        assert_eq!(text(&findings, Paint::NEVER), expect);
    }
}
