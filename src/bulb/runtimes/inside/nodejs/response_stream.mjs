// A response that leaves while the handler writes it: one HTTP request in chunks on the Runtime API's socket.
//
// Nothing leaves before the first write, so that what fails before it is reported like any failure. Afterwards a failure
// travels in the trailers. The socket is not ours to close: a stream that is destroyed has only stopped.
import { Writable } from 'node:stream';
import { InvalidStreamingOperation } from './errors.mjs';

export class ResponseStream extends Writable {
  #socket;
  #headWith;
  #contentType = 'application/octet-stream';
  #touched = false;
  #begun = false;
  #closed = false;
  #trailers = '';

  /** `headWith(contentType)` is the head of the request; `highWaterMark` may be undefined. */
  constructor(socket, headWith, highWaterMark) {
    super({ highWaterMark });
    this.#socket = socket;
    this.#headWith = headWith;
    this.on('error', () => {}); // whoever destroys it knows why; it must not end the process
  }

  /** Whether something has left. */
  get begun() {
    return this.#begun;
  }

  setContentType(contentType) {
    if (this.#touched) throw new InvalidStreamingOperation('Cannot set content-type, too late.');
    this.#contentType = contentType;
  }

  /** Like any Writable's, but what is neither text nor bytes is written as JSON. */
  write(chunk, encoding, callback) {
    this.cork(); // what comes before the first write leaves together with it
    try {
      this.#touch();
      return super.write(writable(chunk), encoding, callback);
    } finally {
      this.uncork();
    }
  }

  end(chunk, encoding, callback) {
    if (typeof chunk === 'function') return super.end(chunk);
    if (chunk !== undefined && chunk !== null) this.write(chunk, typeof encoding === 'string' ? encoding : undefined);
    else if (!this.writableEnded && !this.destroyed) this.#touch();
    return super.end(typeof encoding === 'function' ? encoding : callback);
  }

  /** End what has begun with an error; `whenSent` is called when it has left, at once if it is too late for that. */
  fail(document, whenSent) {
    const type = (document.errorType || 'Error').replace(/[^\x21-\x7e]/g, '?');
    const body = Buffer.from(JSON.stringify(document)).toString('base64');
    this.#trailers = `Lambda-Runtime-Function-Error-Type: ${type}\r\nLambda-Runtime-Function-Error-Body: ${body}\r\n`;
    if (this.#closed) whenSent();
    else if (this.destroyed) this.#close(whenSent);
    else if (this.writableEnded) this.once('finish', whenSent);
    else this.end(undefined, undefined, whenSent);
  }

  _write(chunk, _encoding, callback) {
    this.#send([chunk], callback);
  }

  _writev(chunks, callback) {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      callback,
    );
  }

  _final(callback) {
    this.#close(callback);
  }

  #touch() {
    if (this.#touched) return;
    this.#touched = true;
    this._onBeforeFirstWrite?.((chunk) => super.write(writable(chunk)));
  }

  /** The callback comes when the socket has taken it: that is what makes a fast handler wait for a slow caller. */
  #send(chunks, callback) {
    const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (size === 0) {
      callback(); // an empty chunk would be the end
      return;
    }
    this.#socket.cork();
    this.#socket.write(`${this.#head()}${size.toString(16)}\r\n`);
    for (const chunk of chunks) this.#socket.write(chunk);
    this.#socket.write('\r\n', callback);
    this.#socket.uncork();
  }

  #close(callback) {
    this.#closed = true;
    this.#socket.write(`${this.#head()}0\r\n${this.#trailers}\r\n`, callback);
  }

  #head() {
    if (this.#begun) return '';
    this.#begun = true;
    return this.#headWith(String(this.#contentType).replace(/[\r\n]/g, ' '));
  }
}

function writable(chunk) {
  return typeof chunk === 'string' || chunk instanceof Uint8Array ? chunk : JSON.stringify(chunk);
}
