// Very many WebSockets of somebody else's making: crowd.cjs serve | tunnels AUTHORITY COUNT.
// `serve` echoes and prints its port. `tunnels` prints `open`; at a line on its input it sends a message on each and prints how
// many came back, and how many have been closed so far.
const later = (millis) => new Promise((resolve) => setTimeout(resolve, millis));
const WebSocket = require('ws');

function serve() {
  const sockets = new WebSocket.WebSocketServer({ port: 0, host: '127.0.0.1', backlog: 4096, perMessageDeflate: false, clientTracking: false });
  sockets.on('listening', () => console.log(sockets.address().port));
  sockets.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    socket.on('error', () => {});
  });
}

async function tunnels(authority, count) {
  const input = require('readline').createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const open = [];
  let closed = 0;
  const connect = () =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://${authority}/ws`, { perMessageDeflate: false });
      socket.on('open', () => resolve(socket));
      socket.on('error', reject);
      socket.on('close', () => (closed += 1));
    });
  while (open.length < count) {
    open.push(...(await Promise.all(Array.from({ length: Math.min(50, count - open.length) }, connect))));
  }
  console.log('open');
  await input.next();
  let echoed = 0;
  for (const socket of open) {
    if (socket.readyState !== WebSocket.OPEN) continue;
    socket.once('message', () => (echoed += 1));
    socket.send('still here');
  }
  for (let tries = 0; tries < 200 && echoed + closed < count; tries++) await later(100);
  console.log(JSON.stringify({ echoed, closed }));
}

const [act, authority, count] = process.argv.slice(2);
if (act === 'serve') serve();
if (act === 'tunnels') tunnels(authority, Number(count));
