// Mark Nottingham's http-cache-tests around a proxy: their origin on a free port, their client against the proxy.
// Usage: cache_tests.cjs FOLDER [ID,ID…]. Prints the origin's port, reads the proxy's URL from standard input, and prints a
// line `KIND OUTCOME ID why` for each test, then `end`. Outcomes are the suite's own: pass, fail, setup (its premise did not
// hold: a proxy that stores nothing of the sort), depends (on a test that did not pass).
const http = require('http');
const path = require('path');
const fetch = require('node-fetch');
const [folder, only] = process.argv.slice(2);
const load = async file => (await import(path.join(folder, file))).default;

async function origin() {
  const handlers = {};
  for (const name of ['config', 'state', 'test']) handlers[name] = await load(`server/handle-${name}.mjs`);
  const server = http.createServer((request, response) => {
    const [kind, ...rest] = request.url.split('?')[0].split('/').slice(1);
    if (handlers[kind]) handlers[kind](rest, request, response);
    else response.writeHead(404).end();
  });
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  return server.address().port;
}

// As the suite shows it: what a test rests on comes first, then whether its premise held.
function outcome(tests, results, id) {
  const rests = (tests.get(id).depends_on || []).some(other => outcome(tests, results, other) !== 'pass');
  if (rests) return 'depends';
  if (results[id] === true) return 'pass';
  return results[id][0] === 'Setup' ? 'setup' : 'fail';
}

async function main() {
  const print = console.log;
  console.log = () => {};
  const suites = await load('tests/index.mjs');
  const { runTests, getResults } = await import(path.join(folder, 'client/runner.mjs'));
  const tests = new Map(suites.flatMap(suite => suite.tests).map(test => [test.id, test]));
  print(await origin());
  const url = await new Promise(done => process.stdin.once('data', line => done(String(line).trim())));
  const chosen = only ? [{ tests: only.split(',').map(id => tests.get(id)) }] : suites;
  await runTests(chosen, fetch, false, url);
  const results = getResults();
  for (const id of Object.keys(results)) {
    const kind = tests.get(id).kind || 'required';
    const verdict = only ? (results[id] === true ? 'pass' : results[id][0] === 'Setup' ? 'setup' : 'fail') : outcome(tests, results, id);
    print(kind, verdict, id, results[id] === true ? '' : results[id].join(': '));
  }
  print('end');
  process.exit(0);
}

main();
