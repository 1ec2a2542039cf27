// One event for a handler that streams its response: called as (event, responseStream, context), it must return a
// promise and end the stream.
import { logError } from './console.mjs';
import { contextData } from './context.mjs';
import { errorCause, errorDocument } from './errors.mjs';
import { withoutCallbacks } from './handler.mjs';

export { ResponseStream } from './response_stream.mjs';

export class StreamedInvocation {
  #stream;
  #settle;
  #open = true;
  #waits = !withoutCallbacks();
  #atDrain = () => this.#fail(new Error('Response stream is not finished.'));

  constructor(headers, stream, settle) {
    this.headers = headers;
    this.#stream = stream;
    this.#settle = settle;
  }

  call(handler, body) {
    let result;
    try {
      const context = this.#context();
      result = handler(JSON.parse(body), this.#stream, context);
      if (typeof result?.then !== 'function') throw new Error('Streaming does not support non-async handlers.');
    } catch (error) {
      this.#fail(error);
      return;
    }
    result.then(
      (value) => this.#returned(value),
      (error) => this.#fail(error),
    );
  }

  /** The event loop is empty. */
  drained() {
    if (this.#open) this.#atDrain();
  }

  /** The process is about to end: say so in what has begun. False when nothing has, and it is to be told otherwise. */
  abort(document, whenSent) {
    if (!this.#stream.begun) return false;
    this.#open = false;
    this.#stream.fail(document, whenSent);
    return true;
  }

  #returned(value) {
    if (!this.#open) return;
    if (value !== undefined) console.warn('Streaming handlers ignore return values.');
    const stream = this.#stream;
    if (stream.writableFinished) this.#finished();
    else if (stream.destroyed) this.#fail(stream.errored ?? new Error('Response stream is not finished.'));
    else {
      stream.once('finish', () => this.#finished());
      stream.once('close', () => {
        if (!stream.writableFinished) this.#fail(stream.errored ?? new Error('Response stream is not finished.'));
      });
    }
  }

  /** The response is complete. The next event waits until the event loop is empty, unless the context says otherwise. */
  #finished() {
    if (!this.#open) return;
    if (this.#waits) this.#atDrain = () => this.#end({ kind: 'streamed' });
    else this.#end({ kind: 'streamed' });
  }

  #fail(error) {
    if (!this.#open) return;
    logError('Invoke Error', error);
    const document = errorDocument(error);
    if (this.#stream.begun) {
      this.#open = false;
      this.#stream.fail(document, () => this.#settle({ kind: 'streamed' }));
    } else {
      this.#stream.destroy();
      this.#end({ kind: 'error', body: JSON.stringify(document), cause: errorCause(error) });
    }
  }

  #end(how) {
    this.#open = false;
    this.#settle(how);
  }

  #context() {
    const invocation = this;
    return Object.assign(
      {
        get callbackWaitsForEmptyEventLoop() {
          return invocation.#waits;
        },
        set callbackWaitsForEmptyEventLoop(value) {
          invocation.#waits = value;
        },
      },
      contextData(this.headers),
    );
  }
}
