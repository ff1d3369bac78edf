//! How a dev server is told its port: by `PORT`, and for those that don't read it by the flag that they have.
//!
//! What a package manager runs is looked up in `package.json`. Nothing is guessed where a person has said a port:
//! `{port}` in the command is the port, and a `--port` that stands there already is taken at its word.

use std::path::Path;

use serde_json::Value;

/// A command, ready to be run, and the port that it will listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// The program and its arguments.
    pub(super) words: Vec<String>,
    /// The port.
    pub(super) port: u16,
}

/// Readies `words` for `port`, or for the port that they name themselves. `directory` is where they will run.
pub(super) fn ready(words: &[String], port: u16, directory: &Path) -> Ready {
    if words.iter().any(|word| word.contains("{port}")) {
        let words = words.iter().map(|word| word.replace("{port}", &port.to_string())).collect();
        return Ready { words, port };
    }
    if let Some(port) = said(words) {
        return Ready { words: words.to_vec(), port };
    }
    let mut words = words.to_vec();
    let script = script(&words, directory);
    let server: Vec<String> = match &script {
        Some(script) => match last_command(script) {
            own if said(&own).is_some() => return Ready { port: said(&own).unwrap_or(port), words },
            own => own,
        },
        None => without_runner(&words).to_vec(),
    };
    let flags = flags(&server, port);
    // npm keeps flags for itself unless told where they end; the others hand them on.
    if script.is_some() && program(&words) == "npm" && !flags.is_empty() && !words.iter().any(|word| word == "--") {
        words.push("--".to_owned());
    }
    words.extend(flags);
    Ready { words, port }
}

/// The port that a command line names itself.
fn said(words: &[String]) -> Option<u16> {
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if let Some(port) = word.strip_prefix("--port=") {
            return port.parse().ok();
        }
        if word == "--port" || word == "-p" {
            return rest.next()?.parse().ok();
        }
    }
    None
}

/// What the script says that a package manager is asked to run.
fn script(words: &[String], directory: &Path) -> Option<String> {
    let rest: Vec<&str> = words.iter().skip(1).map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let name = match (program(words), rest.as_slice()) {
        ("npm" | "pnpm" | "yarn" | "bun", ["run" | "run-script", name, ..]) => *name,
        ("npm" | "pnpm" | "yarn", [name @ ("start" | "test"), ..]) => *name,
        ("pnpm" | "yarn", [name, ..]) if *name != "exec" && *name != "dlx" => *name,
        _ => return None,
    };
    let text = std::fs::read_to_string(directory.join("package.json")).ok()?;
    let package: Value = serde_json::from_str(&text).ok()?;
    Some(package.get("scripts")?.get(name)?.as_str()?.to_owned())
}

/// The command of a script that stays: the last one, without what it sets in front.
fn last_command(script: &str) -> Vec<String> {
    let last = script.rsplit(['&', ';', '|']).next().unwrap_or(script);
    let words: Vec<String> = last.split_whitespace().map(str::to_owned).collect();
    let is_setting =
        |word: &String| word == "cross-env" || word.split_once('=').is_some_and(|(name, _)| !name.contains('-'));
    let words: Vec<String> = words.into_iter().skip_while(is_setting).collect();
    without_runner(&words).to_vec()
}

/// The words without the program that finds another: `npx vite` is `vite`.
fn without_runner(words: &[String]) -> &[String] {
    match (program(words), words) {
        ("npx" | "bunx", [_, rest @ ..]) => rest,
        ("npm" | "pnpm" | "yarn", [_, exec, rest @ ..]) if exec == "exec" || exec == "dlx" => rest,
        ("poetry" | "pipenv" | "uv" | "hatch", [_, run, rest @ ..]) if run == "run" => rest,
        ("bundle", [_, exec, rest @ ..]) if exec == "exec" => rest,
        ("python" | "python3", [_, dash, rest @ ..]) if dash == "-m" && !starts(rest, "http.server") => rest,
        _ => words,
    }
}

fn starts(words: &[String], first: &str) -> bool {
    words.first().is_some_and(|word| word == first)
}

/// The program's name without its directory.
fn program(words: &[String]) -> &str {
    words.first().map_or("", |word| word.rsplit('/').next().unwrap_or(word))
}

/// The flags by which a server is told its port; empty for those that read `PORT`.
fn flags(server: &[String], port: u16) -> Vec<String> {
    let second = server.get(1).map_or("", String::as_str);
    let number = port.to_string();
    let list = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).chain([number.clone()]).collect();
    match (program(server), second) {
        // It would take the next port instead of saying that this one is taken.
        ("vite", "" | "dev" | "serve" | "preview") | ("remix", "vite:dev") | ("react-router", "dev") => {
            vec!["--strictPort".to_owned(), "--port".to_owned(), number]
        }
        ("vite", first) if first.starts_with('-') => vec!["--strictPort".to_owned(), "--port".to_owned(), number],
        ("next", "dev" | "start")
        | ("astro", "dev" | "preview")
        | ("nuxt" | "nuxi", "dev")
        | ("ng", "serve")
        | ("vue-cli-service", "serve")
        | ("webpack", "serve")
        | ("webpack-dev-server" | "parcel" | "live-server" | "uvicorn" | "fastapi", _)
        | ("gatsby", "develop")
        | ("docusaurus", "start")
        | ("expo", "start")
        | ("wrangler", "dev")
        | ("hugo", "server" | "serve")
        | ("jekyll", "serve")
        | ("flask", "run") => list(&["--port"]),
        ("storybook", "dev") | ("rails", "server" | "s") | ("http-server", _) => list(&["-p"]),
        ("serve", _) => list(&["-l"]),
        ("php", "artisan") => vec![format!("--port={number}")],
        ("mkdocs", "serve") => vec!["-a".to_owned(), format!("127.0.0.1:{number}")],
        // These take it as their last word.
        ("python" | "python3", "-m") if server.get(2).is_some_and(|word| word == "http.server") => vec![number],
        ("python" | "python3", script) if script.ends_with("manage.py") => vec![number],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn servers_are_told_in_their_own_way() {
        let check = |line: &str, expect: &str, port: u16| {
            let ready = ready(&words(line), 4123, Path::new("/nonexistent"));
            assert_eq!((ready.words.join(" ").as_str(), ready.port), (expect, port), "{line}");
        };
        check("node server.js", "node server.js", 4123);
        check("vite", "vite --strictPort --port 4123", 4123);
        check("vite --host", "vite --host --strictPort --port 4123", 4123);
        check("vite build", "vite build", 4123);
        check("./node_modules/.bin/vite dev", "./node_modules/.bin/vite dev --strictPort --port 4123", 4123);
        check("npx astro dev", "npx astro dev --port 4123", 4123);
        check("pnpm exec next dev", "pnpm exec next dev --port 4123", 4123);
        check("python3 -m http.server", "python3 -m http.server 4123", 4123);
        check("python manage.py runserver", "python manage.py runserver 4123", 4123);
        check("uv run uvicorn app:app", "uv run uvicorn app:app --port 4123", 4123);
        check("bundle exec rails s", "bundle exec rails s -p 4123", 4123);
        check("php -S localhost:{port}", "php -S localhost:4123", 4123);
        check("vite --port 3000", "vite --port 3000", 3000);
        check("next dev -p 3001", "next dev -p 3001", 3001);
        check("ng serve --port=4200", "ng serve --port=4200", 4200);
    }

    #[test]
    fn what_a_package_manager_runs_is_looked_up() {
        let directory = std::env::temp_dir().join(format!("switchboard-command-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let package = r#"{"scripts": {"dev": "tsc -b && cross-env NODE_ENV=development vite", "start": "node x.js",
            "fixed": "next dev -p 3002", "web": "A=1 npx astro dev"}}"#;
        std::fs::write(directory.join("package.json"), package).unwrap();
        let check = |line: &str, expect: &str, port: u16| {
            let ready = ready(&words(line), 4123, &directory);
            assert_eq!((ready.words.join(" ").as_str(), ready.port), (expect, port), "{line}");
        };
        check("npm run dev", "npm run dev -- --strictPort --port 4123", 4123);
        check("npm run dev -- --host", "npm run dev -- --host --strictPort --port 4123", 4123);
        check("pnpm dev", "pnpm dev --strictPort --port 4123", 4123);
        check("yarn dev", "yarn dev --strictPort --port 4123", 4123);
        check("bun run web", "bun run web --port 4123", 4123);
        check("npm start", "npm start", 4123);
        check("npm run fixed", "npm run fixed", 3002);
        check("npm run absent", "npm run absent", 4123);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
