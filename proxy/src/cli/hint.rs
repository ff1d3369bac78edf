//! What is said besides where a command line makes no sense because another program would take it so.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser as _};

use super::Line;

/// Reads the command line; one that makes no sense ends the process, with 2 and what was probably meant.
pub(super) fn parse() -> Line {
    let words: Vec<OsString> = std::env::args_os().collect();
    Line::try_parse_from(&words).unwrap_or_else(|error| with_tip(error, &words).exit())
}

fn with_tip(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => word.clone(),
        Some(_) | None => String::new(),
    };
    let tip = match error.kind() {
        ErrorKind::InvalidSubcommand => of_command(&word(ContextKind::InvalidSubcommand)),
        ErrorKind::UnknownArgument => {
            let command = words.get(1).and_then(|word| word.to_str()).unwrap_or_default();
            of_argument(&word(ContextKind::InvalidArg), command)
        }
        _ => None,
    };
    if let Some(tip) = tip {
        // A name that only looks alike would stand beside it.
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Commands of other programs.
fn of_command(word: &str) -> Option<String> {
    let tip = match word {
        "version" => "the version is printed by `switchboard --version`",
        "validate" | "test" | "configtest" | "lint" | "verify" => "a configuration is looked at by `switchboard check`",
        "start" | "serve" | "server" | "up" => "the proxy is started by `switchboard run`",
        "restart" => "a changed configuration is taken up by `switchboard reload`, or when the file is saved",
        "stop" | "quit" | "shutdown" | "down" | "kill" => {
            "a proxy drains and ends on SIGTERM: `kill PID`, or by what supervises it"
        }
        "status" | "stats" | "ps" => "what a running proxy does is shown by `switchboard top --once`",
        _ => return None,
    };
    Some(tip.to_owned())
}

/// Arguments of other programs, behind one of our commands or in front of any.
fn of_argument(word: &str, command: &str) -> Option<String> {
    let line = Line::command();
    let found = line.find_subcommand(command);
    let takes_file =
        |command: &clap::Command| command.get_arguments().any(|argument| argument.get_short() == Some('c'));
    let name = match found {
        Some(command) if takes_file(command) => command.get_name(),
        Some(_) => return None,
        None => "run",
    };
    let is_file = [".yaml", ".yml", ".json"].iter().any(|end| word.ends_with(end)) || Path::new(word).is_file();
    match word.split('=').next().unwrap_or_default() {
        "-c" | "--config" | "-f" | "--file" | "--conf" | "--config-file" | "--configuration" => {
            Some(format!("the configuration is named by -c, behind the command: `switchboard {name} -c FILE`"))
        }
        "-v" if found.is_none() => Some("the version is printed by `switchboard --version`".to_owned()),
        "-t" if found.is_none() => Some("a configuration is looked at by `switchboard check -c FILE`".to_owned()),
        "-s" if found.is_none() => Some("a running proxy is spoken to by `switchboard reload` and SIGTERM".to_owned()),
        _ if is_file && !word.starts_with('-') => {
            Some(format!("the configuration is named by -c: `switchboard {name} -c {word}`"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_programs_take_is_told_how_it_is_written_here() {
        let check = |line: &str, expect: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let text = with_tip(Line::try_parse_from(&words).unwrap_err(), &words).to_string();
            assert!(text.contains(expect) && text.matches("tip:").count() <= 1, "{line}\n{text}");
        };
        check("switchboard run sb.yaml", "tip: the configuration is named by -c: `switchboard run -c sb.yaml`");
        check("switchboard check -f sb.yaml", "behind the command: `switchboard check -c FILE`");
        check("switchboard --config=x run", "behind the command: `switchboard run -c FILE`");
        check("switchboard -c x run", "behind the command: `switchboard run -c FILE`");
        check("switchboard reload sb.yml", "`switchboard reload -c sb.yml`");
        check("switchboard -t", "switchboard check");
        check("switchboard stop", "SIGTERM");
        check("switchboard status", "top --once");
        check("switchboard version", "--version");
        check("switchboard schema -f x", "unexpected argument '-f'");
        check("switchboard rout", "similar subcommand");
        check("switchboard run nonsense", "unexpected argument 'nonsense'");
    }
}
