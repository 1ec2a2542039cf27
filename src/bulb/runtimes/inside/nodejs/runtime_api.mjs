// The Runtime API over a socket that is already connected.
//
// A report and the request for the next event leave in one write. The server is known (HTTP/1.1, Content-Length always
// present), so little has to be parsed. The socket keeps the process alive only while it waits for an event: while a
// handler runs, an event loop with nothing left to do must be noticed (beforeExit).
import { connect, Socket } from 'node:net';

const COMMON = `Host: 127.0.0.1:9001\r\nUser-Agent: aws-lambda-nodejs/${process.version}\r\n`;
const INVOCATION = '/2018-06-01/runtime/invocation/';
const GET_NEXT = `GET ${INVOCATION}next HTTP/1.1\r\n${COMMON}\r\n`;
const END_OF_HEAD = Buffer.from('\r\n\r\n');

export class RuntimeApi {
  #socket;
  #chunks = [];
  #size = 0;
  #wanted = 0;
  #wake = null;
  #asked = false;

  /** `place` is our end of the socketpair, a descriptor, or `host:port` for one that was started by a wrapper. */
  constructor(place) {
    this.#socket = typeof place === 'number' ? inherited(place) : connected(place);
    this.#socket.on('data', (chunk) => this.#received(chunk));
    this.#socket.on('error', () => process.exit(0));
    this.#socket.on('close', () => process.exit(0)); // the host let go of this environment
  }

  /** The start message. */
  async start() {
    const size = (await this.#take(4)).readUInt32BE();
    return JSON.parse((await this.#take(size)).toString('utf8'));
  }

  /** The next event: {headers by lower-case name, body as text}. */
  async next() {
    this.#socket.ref();
    if (!this.#asked) this.#socket.write(GET_NEXT);
    this.#asked = false;
    const { status, headers, body } = await this.#answer();
    if (status !== 200) throw new Error(`Failed to get the next invocation, status ${status}`);
    this.#socket.unref();
    return { headers, body: body.toString('utf8') };
  }

  /** Report how an invocation ended (`kind` is `response` or `error`) and ask for the next event. */
  async report(headers, kind, body, cause) {
    this.#socket.ref();
    this.#asked = true;
    this.#socket.write(reportText(headers, kind, body, cause) + GET_NEXT);
    const { status } = await this.#answer();
    if (status !== 202) throw new Error(`Failed to post the invocation ${kind}, status ${status}`);
  }

  /** Where a handler writes its response piece by piece. `streamed` must follow when it has ended. */
  stream(ResponseStream, headers, highWaterMark) {
    return new ResponseStream(this.#socket, (contentType) => streamHead(headers, contentType), highWaterMark);
  }

  /** A streamed response has been taken. */
  async streamed() {
    this.#socket.ref();
    const { status } = await this.#answer();
    if (status !== 202) throw new Error(`Failed to stream the invocation response, status ${status}`);
  }

  /** Report the failure of an invocation, or of the init phase (`headers` null), then end the process. */
  die(headers, document, body, cause, exitCode) {
    const text = headers ? reportText(headers, 'error', body, cause) : initErrorText(document, body);
    this.#socket.write(text, () => process.exit(exitCode));
  }

  async #answer() {
    let end = -1;
    while ((end = this.#peek().indexOf(END_OF_HEAD)) < 0) await this.#more(this.#size + 1);
    const head = (await this.#take(end + END_OF_HEAD.length)).toString('latin1');
    const [first, ...lines] = head.split('\r\n');
    const headers = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    const body = await this.#take(Number(headers['content-length'] ?? 0));
    return { status: Number(first.slice(9, 12)), headers, body };
  }

  async #take(size) {
    await this.#more(size);
    const all = this.#peek();
    const rest = all.subarray(size);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#size = rest.length;
    return all.subarray(0, size);
  }

  #peek() {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0];
  }

  #more(size) {
    if (this.#size >= size) return undefined;
    this.#wanted = size;
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #received(chunk) {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#wake && this.#size >= this.#wanted) {
      const wake = this.#wake;
      this.#wake = null;
      wake();
    }
  }
}

function inherited(fd) {
  return new Socket({ fd, readable: true, writable: true });
}

function connected(place) {
  const [host, port] = place.split(':');
  return connect({ host, port: Number(port), noDelay: true });
}

function reportText(headers, kind, body, cause) {
  const id = encodeURIComponent(headers['lambda-runtime-aws-request-id']);
  const attempt = headers['lambda-runtime-invocation-id'];
  let extra = attempt ? `Lambda-Runtime-Invocation-Id: ${attempt}\r\n` : '';
  if (cause) extra += `Lambda-Runtime-Function-XRay-Error-Cause: ${cause}\r\n`;
  return postText(`${INVOCATION}${id}/${kind}`, extra, body);
}

function streamHead(headers, contentType) {
  const id = encodeURIComponent(headers['lambda-runtime-aws-request-id']);
  const attempt = headers['lambda-runtime-invocation-id'];
  return (
    `POST ${INVOCATION}${id}/response HTTP/1.1\r\n${COMMON}Content-Type: ${contentType}\r\n` +
    (attempt ? `Lambda-Runtime-Invocation-Id: ${attempt}\r\n` : '') +
    'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n' +
    'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n'
  );
}

function initErrorText(document, body) {
  const type = `Lambda-Runtime-Function-Error-Type: ${document.errorType}\r\n`;
  return postText('/2018-06-01/runtime/init/error', type, body);
}

function postText(path, extra, body) {
  const length = Buffer.byteLength(body);
  return `POST ${path} HTTP/1.1\r\n${COMMON}Content-Type: application/json\r\n${extra}Content-Length: ${length}\r\n\r\n${body}`;
}
