// A backend of events that are numbered through its lives: events.cjs FILE, on PORT. It goes on behind Last-Event-ID, and like many sends
// the last two of those again. FILE holds how far it has come.
const http = require('http');
const fs = require('fs');
const [file] = process.argv.slice(2);
let last = fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8')) : 0;
const open = new Set();
const say = (response, id) => response.write(`id: ${id}\ndata: event ${id}\n\n`);
setInterval(() => {
  if (open.size === 0) return;
  last += 1;
  fs.writeFileSync(file, String(last));
  for (const response of open) say(response, last);
}, 20);
const server = http.createServer((request, response) => {
  if (request.url === '/') {
    response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': 'sid=' + Math.random().toString(36) + '; Path=/' });
    return response.end('<title>events</title>');
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const seen = Number(request.headers['last-event-id'] || 0);
  for (let id = Math.max(1, seen - 1); id <= last; id++) say(response, id);
  open.add(response);
  response.on('close', () => open.delete(response));
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log(server.address().port));
