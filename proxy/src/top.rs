//! `switchboard top`: what the dashboard shows, in a terminal.
//!
//! The command line calls it. It asks the admin plane for a picture once a second and draws it; where nobody looks (a
//! pipe, `--once`) it prints one as text and ends.

mod draw;
mod rates;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use serde_json::Value;

use crate::cli::print;
use crate::cli::which::Which;
use draw::View;
use rates::Rates;

/// What `top` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    which: Which,
    /// Prints one picture as text and ends
    #[arg(long)]
    once: bool,
}

/// How often a picture is asked for.
const STEP: Duration = Duration::from_secs(1);

/// Shows the proxy until `q`.
///
/// # Errors
/// In words, when no proxy answers at the start or the terminal can't be drawn on.
pub fn run(options: &Options) -> Result<u8, String> {
    let first = picture(&options.which)?;
    if options.once || !std::io::stdout().is_terminal() {
        // A rate needs two looks: this is the time between them, not a wait for something.
        std::thread::park_timeout(STEP);
        let mut rates = Rates::default();
        rates.add(&first);
        let second = picture(&options.which)?;
        rates.add(&second);
        print(&draw::text_of(&second, &rates));
        return Ok(0);
    }
    let mut terminal = ratatui::try_init().map_err(|error| format!("cannot draw on this terminal: {error}"))?;
    let ended = watch(&options.which, first, &mut terminal);
    ratatui::restore();
    ended.map(|()| 0)
}

fn picture(which: &Which) -> Result<Value, String> {
    let answer = which.ask("GET", "/v1/picture", None)?;
    match answer.status {
        200 => Ok(answer.json()),
        status => Err(format!("the proxy says {status}: {}", answer.refusal().join(" "))),
    }
}

fn watch(which: &Which, first: Value, terminal: &mut ratatui::DefaultTerminal) -> Result<(), String> {
    let told = |error: std::io::Error| format!("cannot draw on this terminal: {error}");
    let (mut view, mut rates) = (View::default(), Rates::default());
    let (mut latest, mut lost) = (first, None);
    rates.add(&latest);
    let mut next = Instant::now() + STEP;
    loop {
        terminal.draw(|frame| draw::frame(frame, &view, &latest, &rates, lost.as_deref())).map_err(told)?;
        if event::poll(next.saturating_duration_since(Instant::now())).map_err(told)? {
            match event::read().map_err(told)? {
                Event::Key(key) if key.kind == KeyEventKind::Release => {}
                Event::Key(key) => match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
                    KeyCode::Tab | KeyCode::Right => view.next(),
                    KeyCode::BackTab | KeyCode::Left => view.previous(),
                    KeyCode::Down | KeyCode::Char('j') => view.down(),
                    KeyCode::Up | KeyCode::Char('k') => view.up(),
                    _ => {}
                },
                _ => {}
            }
            continue;
        }
        next = Instant::now() + STEP;
        match picture(which) {
            Ok(picture) => {
                rates.add(&picture);
                (latest, lost) = (picture, None);
            }
            // It may be restarting: what was last seen stays, with the reason above it.
            Err(error) => lost = Some(error),
        }
    }
}
