// Errors as documents: what the caller gets, what the log gets, what the trace gets. And the runtime's own errors.
import { types } from 'node:util';

function runtimeError(kind) {
  return class extends Error {
    get name() {
      return `Runtime.${kind}`;
    }
  };
}

export const ImportModuleError = runtimeError('ImportModuleError');
export const HandlerNotFound = runtimeError('HandlerNotFound');
export const MalformedHandlerName = runtimeError('MalformedHandlerName');
export const UserCodeSyntaxError = runtimeError('UserCodeSyntaxError');
export const MalformedStreamingHandler = runtimeError('MalformedStreamingHandler');
export const CallbackHandlerDeprecated = runtimeError('CallbackHandlerDeprecated');
export const InvalidStreamingOperation = runtimeError('InvalidStreamingOperation');
export const NodeJsExit = runtimeError('NodeJsExit');

export class UnhandledPromiseRejection extends runtimeError('UnhandledPromiseRejection') {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
}

// DEL may not stand in a header, and the error type travels in one.
const clean = (text) => text?.replaceAll('\x7F', '%7F');

/** {errorType, errorMessage, trace}: the payload of a failed invocation. */
export function errorDocument(error) {
  try {
    if (types.isNativeError(error) || looksLikeError(error)) {
      return { errorType: clean(error.name), errorMessage: clean(error.message), trace: clean(error.stack).split('\n') };
    }
    return { errorType: typeof error, errorMessage: error.toString(), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage:
        'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
    };
  }
}

/** The tab and JSON that follow `Invoke Error ` in a text log. */
export function errorText(error) {
  try {
    return `\t${JSON.stringify(error, (_key, value) => (value instanceof Error ? withDetails(value) : value))}`;
  } catch {
    return `\t${JSON.stringify(errorDocument(error))}`;
  }
}

/** `error` itself, or an Error that says it. */
export function asError(error) {
  return error instanceof Error ? error : new Error(error);
}

/** The X-Ray error cause, at most 64 KB; empty where there is none. */
export function errorCause(error) {
  try {
    const cause = JSON.stringify(describeCause(error)).replace(/[\u0080-\uffff]/g, escapeUnit);
    return cause.length <= 65_536 ? cause : '';
  } catch {
    return '';
  }
}

function looksLikeError(value) {
  return Boolean(value) && [value.name, value.message, value.stack].every((part) => part && typeof part === 'string');
}

function withDetails(error) {
  const details = { errorType: error.name, errorMessage: error.message, code: error.code, ...error };
  if (typeof error.stack === 'string') details.stack = error.stack.split('\n');
  return details;
}

function describeCause(error) {
  const stack = (clean(error.stack) ?? '').split('\n').slice(1).map(describeFrame);
  return {
    working_directory: process.cwd(),
    exceptions: [{ type: clean(error.name), message: clean(error.message), stack }],
    paths: [...new Set(stack.map((frame) => frame.path))],
  };
}

/** `    at name (file:line:column)` or `    at file:line:column`. */
function describeFrame(text) {
  const words = text.trim().replace(/[()]/g, '').split(' ').slice(1);
  const [path, line] = (words.pop() ?? '').split(':');
  return { path, line: Number.parseInt(line, 10), label: words.join(' ') || 'anonymous' };
}

function escapeUnit(unit) {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
