// An HTTP origin that is not ours and tells what reached it.
// Usage: counter.cjs NAME [ADDRESS]. Listens on PORT or a free port, and prints it, and then `POST id` for each POST that came whole.
// `/connections` answers how many connections have come; `/large` begins a long answer and never ends it; all else answers the name.
const http = require('http');
const [name, address] = process.argv.slice(2);
let connections = 0;
const server = http.createServer((request, response) => {
  request.resume();
  request.on('end', () => {
    if (request.method === 'POST') console.log(`POST ${request.url.slice(1)}`);
    if (request.url === '/connections') {
      response.end(String(connections));
    } else if (request.url === '/large') {
      response.writeHead(200, { 'content-length': '10000000' });
      response.write('x'.repeat(100000));
    } else {
      response.end(name);
    }
  });
});
server.on('connection', () => { connections += 1; });
server.keepAliveTimeout = 60000;
server.listen(Number(process.env.PORT || 0), address || '127.0.0.1', () => console.log(server.address().port));
