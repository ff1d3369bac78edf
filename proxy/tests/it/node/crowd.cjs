// Very many WebSockets or event streams: crowd.cjs serve [TALK] | tunnels AUTHORITY COUNT | events URL COUNT STALLED SECONDS.
// `serve` echoes, with TALK sends each WebSocket a message in two halves that often (milliseconds; a twentieth lies between
// the halves), and events each second.
const http = require('http');
const [act, ...rest] = process.argv.slice(2);
const later = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
const lines = () => require('readline').createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function serve(talk) {
  const { WebSocketServer } = require('ws');
  const streams = new Set();
  const server = http.createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    streams.add(response);
    response.on('close', () => streams.delete(response));
  });
  const sockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: false });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    socket.on('error', () => {});
    if (!talk) return;
    const say = () => {
      if (socket.readyState !== 1) return clearInterval(timer);
      socket.send('first half, ', { fin: false });
      setTimeout(() => socket.readyState === 1 && socket.send('second half', { fin: true }), talk / 20);
    };
    let timer;
    // Not all at once.
    setTimeout(() => (timer = setInterval(say, talk)), Math.random() * talk);
    socket.on('close', () => clearInterval(timer));
  });
  const padding = 'x'.repeat(1000);
  setInterval(() => {
    for (const stream of streams) stream.write(`data: ${Date.now()} ${padding}\n\n`);
  }, 1000);
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(server.address().port));
}

async function tunnels(authority, count) {
  const WebSocket = require('ws');
  const input = lines();
  const open = [];
  const closed = []; // [when, code, in the middle of a message]
  const connect = () =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://${authority}/ws`, { perMessageDeflate: false });
      socket.on('open', () => resolve(socket));
      socket.on('error', reject);
      socket.on('close', (code) => closed.push([Date.now(), code, socket._receiver._fragments.length > 0]));
    });
  while (open.length < count) {
    open.push(...(await Promise.all(Array.from({ length: Math.min(50, count - open.length) }, connect))));
  }
  console.log('open');
  await input.next();
  const echoes = open.map(
    (socket) =>
      new Promise((resolve) => {
        if (socket.readyState !== WebSocket.OPEN) return resolve(0);
        socket.once('message', () => resolve(1));
        socket.send('still here');
      }),
  );
  const echoed = (await Promise.race([Promise.all(echoes), later(20000).then(() => [])])).reduce((a, b) => a + b, 0);
  console.log(JSON.stringify({ echoed, closed: closed.length }));
  await input.next();
  const codes = {};
  for (const [, code] of closed) codes[code] = (codes[code] || 0) + 1;
  const first = Math.min(...closed.map(([when]) => when));
  const seconds = [];
  for (const [when] of closed) {
    const second = Math.floor((when - first) / 1000);
    seconds[second] = (seconds[second] || 0) + 1;
  }
  console.log(JSON.stringify({ codes, seconds, torn: closed.filter(([, , torn]) => torn).length }));
}

async function events(url, count, stalled, seconds) {
  const delays = [];
  let started = 0;
  const open = (index) =>
    new Promise((resolve, reject) => {
      http
        .get(url, { agent: false }, (response) => {
          if (index % 100 < stalled) response.socket.pause();
          else
            response.on('data', (chunk) => {
              const now = Date.now();
              for (const [, sent] of String(chunk).matchAll(/data: (\d+) /g)) if (sent > started) delays.push(now - sent);
            });
          resolve();
        })
        .on('error', reject);
    });
  for (let index = 0; index < count; index += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, offset) => open(index + offset)));
  }
  console.log('open');
  started = Date.now();
  await later(seconds * 1000);
  delays.sort((one, other) => one - other);
  const at = (share) => delays[Math.floor(delays.length * share)];
  console.log(JSON.stringify({ events: delays.length, p50: at(0.5), p99: at(0.99), most: delays.at(-1) }));
  process.exit(0);
}

if (act === 'serve') serve(Number(rest[0]));
if (act === 'tunnels') tunnels(rest[0], Number(rest[1]));
if (act === 'events') events(rest[0], Number(rest[1]), Number(rest[2]), Number(rest[3]));
