// console.* as Lambda writes it: one record a call, with time, request id and level, in text or JSON.
//
// With a log descriptor each record is a frame (4-byte type, 4-byte length, 8-byte microseconds, message; big-endian),
// which keeps its lines together; without one, line breaks inside a record travel as carriage returns.
import { writeSync } from 'node:fs';
import { format } from 'node:util';
import { asError, errorText } from './errors.mjs';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
const TEXT_FRAME = 0xa55a0003;
const JSON_FRAME = 0xa55a0002;
// Other code finds the running invocation by these, as it does on Lambda.
const REQUEST_ID = Symbol.for('aws.lambda.runtime.requestId');
const TENANT_ID = Symbol.for('aws.lambda.runtime.tenantId');

let writesJson = false;

/** Which invocation the records that follow belong to. */
export function setInvocation(requestId, tenantId) {
  globalThis[REQUEST_ID] = requestId;
  globalThis[TENANT_ID] = tenantId;
}

/** Replace the console's methods; reads AWS_LAMBDA_LOG_FORMAT and AWS_LAMBDA_LOG_LEVEL. */
export function installConsole(descriptor) {
  writesJson = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  const least = Math.max(0, LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL?.toLowerCase()));
  const write = typeof descriptor === 'number' ? frameWriter(descriptor) : writeLine;
  LEVELS.forEach((name, rank) => {
    const level = name.toUpperCase();
    const log = (message, ...rest) => {
      const now = new Date();
      write(rank, now, writesJson ? jsonRecord(now, level, [message, ...rest]) : textRecord(now, level, message, rest));
    };
    console[name] = rank >= least || name === 'fatal' ? log : () => {};
  });
  console.log = console.info;
}

/** An error the runtime reports, in the form of the log's format. */
export function logError(title, error) {
  if (writesJson) console.error(asError(error));
  else console.error(title, errorText(asError(error)));
}

function textRecord(now, level, message, rest) {
  return `${now.toISOString()}\t${globalThis[REQUEST_ID]}\t${level}\t${format(message, ...rest)}\n`;
}

function jsonRecord(now, level, values) {
  const record = { timestamp: now.toISOString(), level, requestId: globalThis[REQUEST_ID] };
  const tenant = globalThis[TENANT_ID];
  if (tenant !== undefined && tenant !== null) record.tenantId = tenant;
  if (values.length === 1) {
    try {
      return JSON.stringify({ ...record, message: values[0] }, errorFields);
    } catch {
      return JSON.stringify({ ...record, message: format(values[0]) });
    }
  }
  record.message = format(...values);
  const error = values.find((value) => value instanceof Error);
  return JSON.stringify(error ? { ...record, ...describe(error, []) } : record);
}

function errorFields(_key, value) {
  return value instanceof Error ? { ...describe(value, value.stack), ...value } : value;
}

function describe(error, otherwise) {
  return {
    errorType: error.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : otherwise,
  };
}

function writeLine(_rank, _now, record) {
  process.stdout.write(`${record.replace(/\n$/, '').replaceAll('\n', '\r')}\n`);
}

function frameWriter(descriptor) {
  const base = writesJson ? JSON_FRAME : TEXT_FRAME;
  return (rank, now, record) => {
    const size = Buffer.byteLength(record);
    const frame = Buffer.allocUnsafe(16 + size);
    frame.writeUInt32BE((base | ((rank + 1) << 2)) >>> 0, 0);
    frame.writeUInt32BE(size, 4);
    frame.writeBigUInt64BE(BigInt(now.getTime()) * 1000n, 8);
    frame.write(record, 16);
    writeFully(descriptor, frame);
  };
}

/** The pipe may be non-blocking (it is stdout's too); a full one is waited for, so that no record is lost or torn. */
function writeFully(descriptor, frame) {
  for (let done = 0; done < frame.length; ) {
    try {
      done += writeSync(descriptor, frame, done);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
