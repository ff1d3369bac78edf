//! The text form of Prometheus (exposition format 0.0.4): families with help and type, samples below them.

use super::{escape, write_number};
use crate::telemetry::meter::{Sum, bound};

/// What the page is.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many lay below which bound.
    Histogram,
}

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins a family: all samples of one name follow.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', " ");
        self.0.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A family of one sample without labels.
    pub(super) fn one(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// One line.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            escape(text, &mut self.0);
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.0.push(' ');
        write_number(&mut self.0, value);
        self.0.push('\n');
    }

    /// The lines of a histogram. Every second bucket has one: the bounds double.
    pub(super) fn histogram(&mut self, name: &str, labels: &[(&str, &str)], sum: &Sum) {
        let (bucket, mut below) = (format!("{name}_bucket"), 0);
        let line = |page: &mut Self, end: &str, count| {
            let labels: Vec<_> = labels.iter().copied().chain([("le", end)]).collect();
            page.sample(&bucket, &labels, number(count));
        };
        for (index, count) in sum.buckets.iter().enumerate() {
            below += count;
            match bound(index) {
                Some(end) if index % 2 == 0 => line(self, &(number(end) / 1e6).to_string(), below),
                Some(_) => {}
                None => line(self, "+Inf", below),
            }
        }
        self.sample(&format!("{name}_sum"), labels, number(sum.sum) / 1e6);
        self.sample(&format!("{name}_count"), labels, number(below));
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// A count as the form's kind of number. Beyond 2^53 the last digits are lost, as they are in Prometheus.
pub(super) fn number(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "the format knows no other numbers")]
    {
        count as f64
    }
}
