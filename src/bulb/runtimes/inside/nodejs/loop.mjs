// One event after the other: call the handler, learn how it ended (promise, callback or an event loop with nothing
// left to do), report it, take the next event.
import { logError, setInvocation } from './console.mjs';
import { contextData } from './context.mjs';
import { errorCause, errorDocument, NodeJsExit } from './errors.mjs';
import { highWaterMark, isStreaming, withoutCallbacks } from './handler.mjs';

export class Loop {
  #api;
  #current = null;
  #streaming = null;

  constructor(api) {
    this.#api = api;
  }

  /** Serve `handler` until the process ends. */
  async run(handler) {
    // Loaded for those who stream: every module costs each cold start a part of a millisecond.
    if (isStreaming(handler)) this.#streaming = await import('./streaming.mjs');
    for (;;) {
      const { headers, body } = await this.#api.next();
      const ended = await this.#invoke(handler, headers, body);
      this.#current = null;
      if (ended.kind === 'streamed') await this.#api.streamed();
      else await this.#api.report(headers, ended.kind, ended.body, ended.cause);
    }
  }

  /** Something was thrown that no handler will answer for: report it, and end the process. */
  abort(error, exitCode) {
    const document = errorDocument(error);
    if (this.#current?.abort(document, () => process.exit(exitCode))) return;
    this.#api.die(this.#current?.headers ?? null, document, JSON.stringify(document), errorCause(error), exitCode);
  }

  /** The event loop has nothing left to do while an invocation is open. */
  drained() {
    this.#current?.drained();
  }

  #open(handler, headers) {
    return this.#api.stream(this.#streaming.ResponseStream, headers, highWaterMark(handler));
  }

  #invoke(handler, headers, body) {
    return new Promise((resolve) => {
      const invocation = this.#streaming
        ? new this.#streaming.StreamedInvocation(headers, this.#open(handler, headers), resolve)
        : new Invocation(headers, resolve);
      this.#current = invocation;
      setInvocation(headers['lambda-runtime-aws-request-id'], headers['lambda-runtime-aws-tenant-id']);
      invocation.call(handler, body);
    });
  }
}

class Invocation {
  #settle;
  #open = true;
  #waits = true;
  #promised = false;
  #atDrain = () => {
    // Nothing ever answered: what was promised is missing, what was not is null (as the official clients have it).
    if (this.#promised && withoutCallbacks()) {
      this.#fail(new NodeJsExit('The event loop is empty and the handler has not settled its promise.'));
    } else this.#succeed(null);
  };

  constructor(headers, settle) {
    this.headers = headers;
    this.#settle = settle;
  }

  call(handler, body) {
    try {
      const context = this.#context();
      const result = handler(JSON.parse(body), context, (error, value) => this.#called(error, value));
      if (typeof result?.then === 'function') {
        this.#promised = true;
        result.then(context.succeed, context.fail).catch(context.fail);
      } else if (withoutCallbacks()) this.#succeed(result);
    } catch (error) {
      this.#fail(error);
    }
  }

  drained() {
    if (this.#open) this.#atDrain();
  }

  /** Nothing has left yet: what ends the process is reported as the invocation's error. */
  abort() {
    return false;
  }

  /** The callback: an answer waits until the event loop is empty, unless the context says otherwise. */
  #called(error, value) {
    if (error !== undefined && error !== null) this.#fail(error);
    else if (!this.#waits) this.#succeed(value);
    else this.#atDrain = () => this.#succeed(value);
  }

  #succeed(value) {
    if (!this.#open) return;
    let body;
    try {
      body = JSON.stringify(value === undefined ? null : value) ?? 'null';
    } catch {
      this.#fail(new Error('Unable to stringify response body'));
      return;
    }
    this.#open = false;
    this.#settle({ kind: 'response', body });
  }

  #fail(error) {
    if (!this.#open) return;
    this.#open = false;
    logError('Invoke Error', error);
    this.#settle({ kind: 'error', body: JSON.stringify(errorDocument(error)), cause: errorCause(error) });
  }

  #context() {
    return Object.assign(this.#callbackContext(), contextData(this.headers));
  }

  /** The older half of the context: ways to end the invocation at once. */
  #callbackContext() {
    const invocation = this;
    const done = (error, value) => {
      if (error !== undefined && error !== null) this.#fail(error);
      else this.#succeed(value);
    };
    return {
      get callbackWaitsForEmptyEventLoop() {
        return invocation.#waits;
      },
      set callbackWaitsForEmptyEventLoop(value) {
        invocation.#waits = value;
      },
      done,
      succeed: (value) => done(null, value),
      fail: (error) => done(error ?? 'handled'),
    };
  }
}
