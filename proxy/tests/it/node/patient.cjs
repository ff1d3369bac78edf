// A WebSocket server that is not ours, with its health on another port, ill on demand.
// Usage: patient.cjs NAME. Prints two ports: of the service, and of its health. `GET /set?key=value` on the latter:
// status and body (of GET /health), ws (the status of the handshake at /health/ws), header (x-status), hang (yes or no).
const http = require('http');
const { WebSocketServer } = require('ws');
const name = process.argv[2];
const state = { status: '200', body: 'all is ok', ws: '101', header: 'healthy', hang: 'no' };
const sockets = new WebSocketServer({ noServer: true });
sockets.on('headers', (headers) => headers.push(`X-Status: ${state.header}`));

const service = http.createServer((request, response) => response.end(`http-${name}`));
service.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (ws) => {
    ws.send(JSON.stringify({ name, url: request.url, headers: request.headers }));
    ws.on('message', (data, binary) => ws.send(data, { binary }));
  });
});

const probed = [];
const closed = [];
const health = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://x');
  if (url.pathname === '/set') {
    for (const [key, value] of url.searchParams) state[key] = value;
    response.end('set');
  } else if (url.pathname === '/probed') {
    response.end(JSON.stringify({ probed, closed }));
  } else if (state.hang === 'yes') {
    // Not a byte.
  } else {
    probed.push({ method: request.method, url: request.url, headers: request.headers });
    response.writeHead(Number(state.status), { 'x-status': state.header });
    response.end(state.body);
  }
});
health.on('upgrade', (request, socket, head) => {
  if (state.hang === 'yes') return;
  probed.push({ method: 'ws', url: request.url, headers: request.headers });
  if (state.ws !== '101') {
    socket.end(`HTTP/1.1 ${state.ws} x\r\nX-Status: ${state.header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    return;
  }
  sockets.handleUpgrade(request, socket, head, (ws) => ws.on('close', (code) => closed.push(code)));
});

service.listen(0, '127.0.0.1', () => health.listen(0, '127.0.0.1', () => {
  console.log(service.address().port);
  console.log(health.address().port);
}));
