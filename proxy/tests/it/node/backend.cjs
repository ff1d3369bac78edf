// An origin that is not ours: HTTP, a WebSocket upgrade and /sse, each saying which backend it is.
// Usage: backend.cjs NAME. Listens on PORT or a free port, and prints it. An event is sent for each line on standard input, and after `GET /next`.
const http = require('http');
const { WebSocketServer } = require('ws');
const name = process.argv[2];
const streams = new Set();
let event = 0;
const server = http.createServer((request, response) => {
  if (request.url === '/sse') {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    response.flushHeaders();
    streams.add(response);
    response.on('close', () => streams.delete(response));
  } else if (request.url === '/next') {
    event += 1;
    for (const stream of streams) stream.write(`data: ${name}-event-${event}\n\n`);
    response.end('sent');
  } else if (request.url === '/streams') {
    response.end(String(streams.size));
  } else {
    response.end(`http-${name}:${request.headers.host}:${request.url}`);
  }
});
const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] });
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (ws) => {
    ws.on('message', (data, binary) => ws.send(binary ? data : `ws-${name}:${data}`, { binary }));
  });
});
server.listen(Number(process.env.PORT || 0), '127.0.0.1', () => console.log(server.address().port));
