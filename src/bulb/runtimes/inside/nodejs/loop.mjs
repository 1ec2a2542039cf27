// One event after the other: call the handler, learn how it ended (promise, callback or an event loop with nothing
// left to do), report it, take the next event.
import { logError, setInvocation } from './console.mjs';
import { errorCause, errorDocument, NodeJsExit } from './errors.mjs';
import { withoutCallbacks } from './handler.mjs';

export class Loop {
  #api;
  #current = null;

  constructor(api) {
    this.#api = api;
  }

  /** Serve `handler` until the process ends. */
  async run(handler) {
    for (;;) {
      const { headers, body } = await this.#api.next();
      const ended = await this.#invoke(handler, headers, body);
      this.#current = null;
      await this.#api.report(headers, ended.kind, ended.body, ended.cause);
    }
  }

  /** Something was thrown that no handler will answer for: report it, and end the process. */
  abort(error, exitCode) {
    const document = errorDocument(error);
    this.#api.die(this.#current?.headers ?? null, document, JSON.stringify(document), errorCause(error), exitCode);
  }

  /** The event loop has nothing left to do while an invocation is open. */
  drained() {
    this.#current?.drained();
  }

  #invoke(handler, headers, body) {
    return new Promise((resolve) => {
      const invocation = new Invocation(headers, resolve);
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
    const { headers } = this;
    const deadline = Number(headers['lambda-runtime-deadline-ms']);
    const trace = headers['lambda-runtime-trace-id'];
    if (trace) process.env._X_AMZN_TRACE_ID = trace;
    else delete process.env._X_AMZN_TRACE_ID;
    const data = {
      functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
      functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
      memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
      logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
      logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
      clientContext: parseHeader(headers['lambda-runtime-client-context'], 'ClientContext'),
      identity: parseHeader(headers['lambda-runtime-cognito-identity'], 'CognitoIdentity'),
      invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
      awsRequestId: headers['lambda-runtime-aws-request-id'],
      tenantId: headers['lambda-runtime-aws-tenant-id'],
      getRemainingTimeInMillis: () => deadline - Date.now(),
    };
    return Object.assign(this.#callbackContext(), data);
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

function parseHeader(text, name) {
  if (text === undefined || text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}
