// From `dir/module.export.name` to the handler function.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  CallbackHandlerDeprecated,
  HandlerNotFound,
  ImportModuleError,
  MalformedHandlerName,
  MalformedStreamingHandler,
  UserCodeSyntaxError,
} from './errors.mjs';

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const RESPONSE = 'response';
const HTTP_RESPONSE = 'application/vnd.awslambda.http-integration-response';
const PRELUDE_END = new Uint8Array(8);
const CALLBACK_ARGUMENTS = 3;
const require = createRequire(import.meta.url);

/** The handler, called as (event, context, callback). Throws the runtime's errors by name. */
export async function loadHandler(root, name) {
  if (name.includes('..')) {
    throw new MalformedHandlerName(
      `'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`,
    );
  }
  const base = path.basename(name);
  const folder = name.slice(0, name.indexOf(base));
  const parts = /^([^.]*)\.(.*)$/.exec(base);
  if (parts === null) throw new MalformedHandlerName('Bad handler');
  installStreamingGlobal();
  const found = resolve(await loadModule(root, folder, parts[1]), parts[2]);
  if (!found) throw new HandlerNotFound(`${name} is undefined or not exported`);
  if (typeof found !== 'function') throw new HandlerNotFound(`${name} is not a function`);
  refuseUnsupported(found);
  return found;
}

/** Whether the handler is called with a stream to write its response to. */
export function isStreaming(handler) {
  return handler[STREAMING] === RESPONSE;
}

/** How much a streaming handler may write before it should wait; undefined for Node.js' own choice. */
export function highWaterMark(handler) {
  const given = Number.parseInt(handler[HIGH_WATER_MARK], 10);
  return Number.isNaN(given) ? undefined : given;
}

/** Whether this is a runtime without callback-style handlers (nodejs24.x and later). */
export function withoutCallbacks() {
  return Number(/nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV ?? '')?.[1] ?? 0) >= 24;
}

function resolve(module, names) {
  const walk = (start) => names.split('.').reduce((value, key) => value && value[key], start);
  return walk(module) ?? (withoutCallbacks() ? walk(module?.default) : undefined);
}

async function loadModule(root, folder, name) {
  try {
    const file = path.resolve(root, folder, name);
    if (existsSync(file)) return require(file);
    if (existsSync(`${file}.js`)) return await (isModulePackage(path.dirname(file)) ? importFile : require)(`${file}.js`);
    if (existsSync(`${file}.mjs`)) return await importFile(`${file}.mjs`);
    if (existsSync(`${file}.cjs`)) return require(`${file}.cjs`);
    return require(require.resolve(name, { paths: [root, path.join(root, folder)] }));
  } catch (error) {
    if (error instanceof SyntaxError) throw named(UserCodeSyntaxError, error);
    if (error?.code === 'MODULE_NOT_FOUND') throw named(ImportModuleError, error);
    throw error;
  }
}

function importFile(file) {
  return import(pathToFileURL(file).href);
}

/** Whether the package.json that governs `folder` says `"type": "module"`. */
function isModulePackage(folder) {
  if (path.basename(folder) === 'node_modules') return false;
  const file = path.join(folder, 'package.json');
  if (existsSync(file)) {
    try {
      return JSON.parse(readFileSync(file, 'utf8'))?.type === 'module';
    } catch (error) {
      console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
      return false;
    }
  }
  const parent = path.dirname(folder);
  return parent !== folder && isModulePackage(parent);
}

function named(Kind, cause) {
  const error = new Kind(cause);
  if (Kind === UserCodeSyntaxError) error.stack = cause.stack; // says which line
  return error;
}

function refuseUnsupported(handler) {
  if (handler[STREAMING] !== undefined) {
    if (!isStreaming(handler)) throw new MalformedStreamingHandler('Only response streaming is supported.');
    return;
  }
  if (withoutCallbacks() && handler.length >= CALLBACK_ARGUMENTS) {
    throw new CallbackHandlerDeprecated(
      'ERROR: AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to ' +
        'modify this function to use a supported handler signature to use Node.js 24 or later. For more information see ' +
        'https://docs.aws.amazon.com/lambda/latest/dg/nodejs-handler.html.',
    );
  }
}

/** `awslambda.streamifyResponse` only marks a handler. */
function installStreamingGlobal() {
  globalThis.awslambda = {
    streamifyResponse(handler, options) {
      handler[STREAMING] = RESPONSE;
      if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
      return handler;
    },
    HttpResponseStream,
  };
}

/** `awslambda.HttpResponseStream`: a stream that begins with the status, headers and cookies of an HTTP response. */
class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType(HTTP_RESPONSE);
    const text = JSON.stringify(prelude); // escapes NUL, so the eight of them end it
    stream._onBeforeFirstWrite = (write) => {
      write(text);
      write(PRELUDE_END);
    };
    return stream;
  }
}
