// The dashboard: one event stream of pictures, and the difference of two of them for what happens per second.
// Text from outside goes in as text alone, never as markup.
"use strict";

const at = (id) => document.getElementById(id);
const KEPT = 120;
const rates = [];
let before = null;

function cell(row, text, kind) {
  const td = row.insertCell();
  td.textContent = text === null || text === undefined || text === "" ? "–" : String(text);
  if (kind) td.className = kind;
  return td;
}

// Rows are made anew only where they differ: a selection or the focus stays while nothing changes.
function fill(id, rows, none) {
  const body = at(id).tBodies[0];
  const key = JSON.stringify(rows.map((row) => row.cells));
  if (body.dataset.key === key) return;
  body.dataset.key = key;
  body.replaceChildren();
  for (const { cells, kinds, button } of rows) {
    const row = body.insertRow();
    cells.forEach((text, index) => cell(row, text, kinds && kinds[index]));
    if (button) row.insertCell().append(button());
  }
  if (rows.length === 0) {
    const td = cell(body.insertRow(), none, "empty");
    td.colSpan = at(id).tHead.rows[0].cells.length;
  }
}

function drainButton(route) {
  return () => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Drain";
    button.setAttribute("aria-label", "Drain the streams of " + route);
    button.addEventListener("click", () => drain(route));
    return button;
  };
}

async function drain(route) {
  const token = sessionStorage.getItem("token");
  if (!token) {
    at("said").textContent = "Enter the token first: draining changes something.";
    at("token").focus();
    return;
  }
  const answer = await fetch("/v1/drains", {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer " + token },
    body: JSON.stringify({ name: route }),
  });
  const text = await answer.text();
  at("said").textContent = answer.ok ? "The streams of " + route + " are being ended." : "Refused (" + answer.status + "): " + text;
}

const STATES = { up: "good", ramp: "good", drain: "note", maint: "note", unresolved: "bad", failing: "bad", ejected: "bad" };

function draw(picture) {
  at("state").textContent = picture.draining ? "Draining" : picture.ready ? "Ready" : "Not ready";
  at("state").className = picture.ready ? "good" : "note";
  at("about").textContent = "version " + picture.version + ", process " + picture.pid + ", up " + span(picture.uptime_seconds) + ", generation " + picture.generation;
  figures(picture);
  fill("routes", picture.routes.map((route) => ({
    cells: [route.key, route.answers, route.from],
    button: drainButton(route.key),
  })), "No routes yet: add one to the file, or with `switchboard route add`.");
  fill("upstreams", picture.upstreams.flatMap((upstream) => upstream.endpoints.map((endpoint) => ({
    cells: [upstream.name, endpoint.name, endpoint.state, endpoint.why, endpoint.in_flight],
    kinds: ["", "", STATES[endpoint.state] || "note", "", "number"],
  }))), "No upstreams.");
  fill("flows", picture.flows.map((flow) => ({
    cells: [flow.route, flow.endpoint, flow.kind, span(flow.open_seconds), flow.messages_in === null ? "" : pair(flow.messages_in, flow.messages_out), pair(flow.bytes_in, flow.bytes_out)],
    kinds: ["", "", "", "number", "number", "number"],
  })), "None open.");
  fill("failures", picture.failures.map((failure) => ({
    cells: [failure.time.slice(11, 19), failure.status || "–", failure.reason, failure.request, failure.means],
    kinds: ["number", "number", "bad"],
  })), "None since the start.");
  fill("certificates", picture.certificates.map((one) => ({
    cells: [one.name, one.issuer, one.days, one.trouble],
    kinds: ["", "", one.days < 8 ? "number bad" : "number", one.trouble ? "bad" : ""],
  })), "None in hand.");
  const reasons = Object.entries(picture.reasons).sort((a, b) => b[1] - a[1]);
  at("reasons").replaceChildren(...reasons.map(([code, count]) => {
    const item = document.createElement("li");
    item.textContent = code + ": " + count.toLocaleString();
    return item;
  }));
  before = picture;
}

function figures(picture) {
  const { totals } = picture;
  if (before && picture.clock_ms > before.clock_ms) {
    const seconds = (picture.clock_ms - before.clock_ms) / 1000;
    const rate = (totals.requests - before.totals.requests) / seconds;
    const sum = (reasons) => Object.values(reasons).reduce((all, one) => all + one, 0);
    at("rate").textContent = rate.toFixed(rate < 10 ? 1 : 0);
    const failed = (sum(picture.reasons) - sum(before.reasons)) / seconds;
    at("failed").textContent = failed.toFixed(failed < 10 ? 1 : 0);
    at("failed").className = failed > 0 ? "bad" : "";
    rates.push(rate);
    if (rates.length > KEPT) rates.shift();
    const most = Math.max(1, ...rates);
    at("line").setAttribute("points", rates.map((one, index) => (index * 300 / (KEPT - 1)).toFixed(1) + "," + (58 - one / most * 56).toFixed(1)).join(" "));
  }
  at("latency").textContent = picture.latency ? picture.latency.p50_ms + " / " + picture.latency.p99_ms + " ms" : "–";
  at("connections").textContent = picture.connections.open.toLocaleString();
  at("tunnels").textContent = (totals.tunnels || 0).toLocaleString();
  at("streams").textContent = (totals.streams || 0).toLocaleString();
}

function pair(one, other) {
  return one.toLocaleString() + " / " + other.toLocaleString();
}

function span(seconds) {
  if (seconds < 120) return seconds + " s";
  if (seconds < 7200) return Math.floor(seconds / 60) + " min";
  if (seconds < 172800) return Math.floor(seconds / 3600) + " h";
  return Math.floor(seconds / 86400) + " days";
}

at("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", at("token").value.trim());
  at("token").value = "";
  at("said").textContent = "The token is kept until this tab is closed.";
});

const source = new EventSource("/v1/events");
source.addEventListener("picture", (event) => draw(JSON.parse(event.data)));
source.addEventListener("error", () => {
  at("state").textContent = "The proxy does not answer; trying again…";
  at("state").className = "bad";
});
