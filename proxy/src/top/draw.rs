//! The terminal's page: figures above, one table below, chosen by Tab.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Sparkline, Table};
use serde_json::Value;

use super::rates::Rates;
use crate::cli::paint::plain;
use crate::cli::table::table;

/// A table of the page.
struct Shape {
    title: &'static str,
    /// Where its rows are in the picture.
    place: &'static str,
    /// The facts of a row, and how wide they are.
    columns: &'static [(&'static str, u16)],
}

/// The tables, in the order of Tab.
const TABLES: [Shape; 5] = [
    Shape {
        title: "Upstreams",
        place: "upstreams",
        columns: &[("upstream", 24), ("endpoint", 32), ("state", 11), ("in_flight", 9), ("why", 40)],
    },
    Shape { title: "Routes", place: "routes", columns: &[("key", 40), ("answers", 30), ("from", 20)] },
    Shape {
        title: "Streams",
        place: "flows",
        columns: &[
            ("route", 32),
            ("endpoint", 24),
            ("kind", 9),
            ("open_seconds", 12),
            ("messages_in", 11),
            ("messages_out", 12),
            ("bytes_out", 12),
        ],
    },
    Shape {
        title: "Failures",
        place: "failures",
        columns: &[("time", 12), ("status", 6), ("reason", 22), ("request", 40), ("endpoint", 24)],
    },
    Shape {
        title: "Certificates",
        place: "certificates",
        columns: &[("name", 32), ("issuer", 28), ("days", 6), ("trouble", 50)],
    },
];

/// What of the picture is looked at.
#[derive(Debug, Default)]
pub(super) struct View {
    table: usize,
    from: usize,
}

impl View {
    pub(super) const fn next(&mut self) {
        *self = Self { table: (self.table + 1) % TABLES.len(), from: 0 };
    }

    pub(super) const fn previous(&mut self) {
        *self = Self { table: (self.table + TABLES.len() - 1) % TABLES.len(), from: 0 };
    }

    pub(super) const fn down(&mut self) {
        self.from = self.from.saturating_add(1);
    }

    pub(super) const fn up(&mut self) {
        self.from = self.from.saturating_sub(1);
    }
}

/// Draws a picture.
pub(super) fn frame(frame: &mut Frame<'_>, view: &View, picture: &Value, rates: &Rates, lost: Option<&str>) {
    let [head, figures, chart, tabs, table, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(4),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let state = match lost {
        Some(error) => Span::styled(plain(error.as_bytes()), Style::new().fg(Color::Red)),
        None => Span::styled(state(picture), Style::new().fg(Color::Green)),
    };
    let title = Span::styled("switchboard ", Style::new().add_modifier(Modifier::BOLD));
    frame.render_widget(Line::from(vec![title, state, Span::raw(format!("  {}", about(picture)))]), head);
    frame.render_widget(Paragraph::new(self::figures(picture, rates)), figures);
    let newest: Vec<u64> = rates.requests.iter().rev().take(chart.width.into()).rev().copied().collect();
    frame.render_widget(Sparkline::default().data(newest).style(Style::new().fg(Color::Blue)), chart);
    let titles = TABLES.iter().enumerate().flat_map(|(index, Shape { title, .. })| {
        let style = if index == view.table { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        [Span::styled(format!(" {title} "), style), Span::raw(" ")]
    });
    frame.render_widget(Line::from(titles.collect::<Vec<_>>()), tabs);
    let Some(Shape { place, columns, .. }) = TABLES.get(view.table) else { return };
    let rows = rows(picture, place);
    let from = view.from.min(rows.len().saturating_sub(1));
    let body = rows.iter().skip(from).map(|row| {
        let bad = ["failing", "ejected", "unresolved"].contains(&text(row, "state").as_str());
        let style = if bad { Style::new().fg(Color::Red) } else { Style::new() };
        Row::new(columns.iter().map(|(name, _)| Cell::from(text(row, name)))).style(style)
    });
    let widths = columns.iter().map(|(_, width)| Constraint::Min(*width));
    let header =
        Row::new(columns.iter().map(|(name, _)| name.replace('_', " "))).style(Style::new().fg(Color::DarkGray));
    frame.render_widget(Table::new(body, widths).header(header), table);
    frame.render_widget(
        Line::from(" Tab next table · ↑ ↓ scroll · q quits").style(Style::new().fg(Color::DarkGray)),
        foot,
    );
}

/// The same as text, every table below the other.
pub(super) fn text_of(picture: &Value, rates: &Rates) -> String {
    let mut out = format!("switchboard {}  {}\n{}\n", state(picture), about(picture), figures(picture, rates));
    for Shape { title, place, columns } in TABLES {
        let rows = rows(picture, place);
        out.push_str(&format!("\n{title}\n"));
        if rows.is_empty() {
            out.push_str("  none\n");
        }
        // Here nothing has to fit a screen: a column is as wide as what stands in it.
        let headings: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let cells: Vec<Vec<String>> =
            rows.iter().map(|row| headings.iter().map(|name| text(row, name)).collect()).collect();
        let table = if rows.is_empty() { String::new() } else { table(&headings, &cells) };
        table.lines().for_each(|line| out.push_str(&format!("  {line}\n")));
    }
    out
}

fn state(picture: &Value) -> &'static str {
    match (picture["draining"].as_bool(), picture["ready"].as_bool()) {
        (Some(true), _) => "draining",
        (_, Some(true)) => "ready",
        _ => "not ready",
    }
}

fn about(picture: &Value) -> String {
    let text = |name| text(picture, name);
    format!("version {}, process {}, up {} s", text("version"), text("pid"), text("uptime_seconds"))
}

fn figures(picture: &Value, rates: &Rates) -> String {
    let number = |pointer| picture.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    format!(
        "{} requests/s   {}.{} failed/s   {}   {} connections   {} tunnels   {} streams",
        rates.latest(),
        rates.failures / 10,
        rates.failures % 10,
        latency(picture),
        number("/connections/open"),
        number("/totals/tunnels"),
        number("/totals/streams"),
    )
}

/// How long exchanges took in the last seconds.
fn latency(picture: &Value) -> String {
    let at = |name: &str| picture["latency"][name].as_f64();
    match (at("p50_ms"), at("p99_ms")) {
        (Some(middle), Some(most)) => format!("p50 {middle:.2} ms, p99 {most:.2} ms"),
        _ => "no latency".to_owned(),
    }
}

/// The rows of a table; of upstreams one for each endpoint.
fn rows(picture: &Value, place: &str) -> Vec<Value> {
    let list = picture[place].as_array().cloned().unwrap_or_default();
    if place != "upstreams" {
        return list;
    }
    let endpoints = list.iter().flat_map(|upstream| {
        let name = upstream["name"].clone();
        upstream["endpoints"].as_array().cloned().unwrap_or_default().into_iter().map(move |mut endpoint| {
            endpoint["upstream"] = name.clone();
            endpoint["endpoint"] = endpoint["name"].take();
            endpoint
        })
    });
    endpoints.collect()
}

/// A cell: what comes from outside can't move the cursor.
fn text(row: &Value, name: &str) -> String {
    let text = match &row[name] {
        Value::Null => String::new(),
        Value::String(text) => plain(text.as_bytes()),
        other => other.to_string(),
    };
    // Of a time the time of day: who looks on knows the date.
    if name == "time" { text.get(11..23).unwrap_or(&text).to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    fn picture() -> Value {
        json!({
            "version": "0.1.0", "pid": 7, "uptime_seconds": 3, "ready": true, "draining": false,
            "connections": { "open": 5 }, "latency": { "p50_ms": 1.25, "p99_ms": 9.0 }, "totals": { "requests": 9, "tunnels": 2, "streams": 1 }, "reasons": {},
            "routes": [{ "key": "a.test", "answers": "api", "from": "file" }],
            "upstreams": [{ "name": "api", "endpoints": [
                { "name": "10.0.0.1:80", "state": "up", "why": "", "in_flight": 3 },
                { "name": "10.0.0.2:80", "state": "failing", "why": "its probes fail", "in_flight": 0 }] }],
            "flows": [{ "route": "ws.test", "endpoint": "10.0.0.1:80", "kind": "WebSocket", "messages_in": 41, "messages_out": 42 }],
            "failures": [{ "time": "2026-11-21T10:00:00.123Z", "status": 404, "reason": "no_route",
                "request": "GET x.test/\u{1b}[2J", "endpoint": "" }],
            "certificates": [],
        })
    }

    #[test]
    fn text_has_every_table_and_no_cursor_moves() {
        let text = text_of(&picture(), &Rates::default());
        for part in [
            "ready",
            "p50 1.25 ms, p99 9.00 ms",
            "5 connections",
            "2 tunnels",
            "a.test",
            "failing",
            "its probes fail",
            "ws.test",
            "41           42",
            "10:00:00.123",
            "no_route",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
        let mut long = picture();
        long["routes"][0]["key"] = "a".repeat(90).into();
        let text = text_of(&long, &Rates::default());
        assert!(text.contains(&format!("  {:90}  ANSWERS  FROM\n  {:a<90}  api      file\n", "KEY", "")), "{text}");
        assert!(text.contains("Certificates\n  none\n"));
    }

    #[test]
    fn any_terminal_can_be_drawn_on() {
        for (width, height) in [(120, 30), (80, 24), (20, 5), (1, 1)] {
            let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
            let mut view = View::default();
            for _ in 0..TABLES.len() + 1 {
                view.down();
                terminal.draw(|area| frame(area, &view, &picture(), &Rates::default(), None)).unwrap();
                view.next();
            }
        }
        let mut terminal = Terminal::new(TestBackend::new(120, 30)).unwrap();
        terminal.draw(|area| frame(area, &View::default(), &picture(), &Rates::default(), Some("it is gone"))).unwrap();
        let shown = terminal.backend().to_string();
        assert!(shown.contains("it is gone") && shown.contains("10.0.0.2:80"), "{shown}");
    }
}
