// Notes kept in a file whose schema has a number; a server only runs on its own. NOTES_DATA, NOTES_PORT.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');

const read = (name) => fs.readFileSync(path.join(__dirname, name), 'utf8').trim();
const version = read('version');
const schema = Number(read('schema'));
const data = JSON.parse(fs.readFileSync(path.join(process.env.NOTES_DATA, 'notes.json'), 'utf8'));
if (data.schema !== schema) {
	console.error(`version ${version} wants schema ${schema}, the data has ${data.schema}`);
	process.exit(1);
}

let draining = false;
const answers = {
	'/version': () => [200, version],
	'/healthz': () => (version.startsWith('sick') ? [503, 'sick'] : [200, 'ok']),
	'/notes': () => [200, JSON.stringify(data.notes)],
	'/session': () => (draining ? [503, 'no new sessions'] : [200, 'welcome']),
	'/drain': () => ((draining = true), [200, 'draining']),
	'/undrain': () => ((draining = false), [200, 'open']),
};

const server = http.createServer((request, response) => {
	const [status, text] = (answers[request.url] || (() => [404, 'nothing here']))();
	if (request.url === '/slow') {
		setTimeout(() => response.end(`slow ${version}\n`), 1500);
		return;
	}
	response.writeHead(status, { 'Content-Type': 'text/plain', Connection: 'close' });
	response.end(`${text}\n`);
});
server.listen(Number(process.env.NOTES_PORT), '127.0.0.1');
// the last answer goes out first
process.on('SIGTERM', () => server.close(() => process.exit(0)));
