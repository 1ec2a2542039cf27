// Makes a blank process look as if it had been started for this function.
import { fstatSync } from 'node:fs';
import { createRequire } from 'node:module';
import v8 from 'node:v8';

const require = createRequire(import.meta.url);

/** Replace the environment, and redo what Node.js derived from the old one when it started. */
export function settle(environment) {
  setEnvironment(environment);
  // Code that was mounted over this directory is only seen by who enters it anew.
  if (environment.LAMBDA_TASK_ROOT) process.chdir(environment.LAMBDA_TASK_ROOT);
  require('node:module')._initPaths(); // NODE_PATH is read only once
  applyOptions((environment.NODE_OPTIONS ?? '').split(/\s+/).filter(Boolean));
}

/** The log's descriptor, if a wrapper left it open: still the pipe we were told of. */
export function adoptLog() {
  const descriptor = Number(process.env._LAMBDA_TELEMETRY_LOG_FD);
  delete process.env._LAMBDA_TELEMETRY_LOG_FD;
  try {
    return fstatSync(descriptor).isFIFO() ? descriptor : null;
  } catch {
    return null;
  }
}

/** Make `process.env` exactly this. What is right already stays untouched: setting TZ alone costs some milliseconds. */
export function setEnvironment(environment) {
  for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
  for (const [name, value] of Object.entries(environment)) {
    if (process.env[name] !== value) process.env[name] = value;
  }
}

/** NODE_OPTIONS came too late for the command line; those that can be set in a running process are. */
function applyOptions(options) {
  const ignored = [];
  for (let i = 0; i < options.length; i += 1) {
    const [name, value] = options[i].split(/=(.*)/s);
    if (name === '--enable-source-maps') process.setSourceMapsEnabled(true);
    else if (name === '--require' || name === '-r') requireFirst(value ?? options[(i += 1)]);
    else if (name === '--no-deprecation') process.noDeprecation = true;
    else if (name === '--no-warnings') process.removeAllListeners('warning');
    else if (name === '--stack-trace-limit') Error.stackTraceLimit = Number(value);
    else if (/^--(harmony|expose-gc|stack-size)/.test(name)) v8.setFlagsFromString(options[i]);
    else ignored.push(options[i]);
  }
  if (ignored.length > 0) process.stderr.write(`NODE_OPTIONS not applied by Bulb: ${ignored.join(' ')}\n`);
}

function requireFirst(name) {
  createRequire(`${process.cwd()}/`)(name);
}
