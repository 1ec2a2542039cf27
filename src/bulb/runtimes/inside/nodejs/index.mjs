// What a Node.js environment runs, from a blank process to the function's loop.
//
// The first thing on descriptor 3 is the start message: a 32-bit big-endian length, then JSON
// {"environment": {name: value}, "handler": "index.handler", "log_fd": 4 | null}. Until it comes the process belongs
// to no function, so everything that can be loaded before is loaded before.
import { installConsole, logError } from './console.mjs';
import { UnhandledPromiseRejection } from './errors.mjs';
import { loadHandler } from './handler.mjs';
import { Loop } from './loop.mjs';
import { rehearse } from './rehearse.mjs';
import { RuntimeApi } from './runtime_api.mjs';
import { adoptLog, settle } from './start.mjs';

// Started by a wrapper (AWS_LAMBDA_EXEC_WRAPPER) it has the function's whole environment from the beginning.
const place = process.env.AWS_LAMBDA_RUNTIME_API;
const api = new RuntimeApi(place ?? 3);
let start;
if (place === undefined) {
  await rehearse();
  start = await api.start();
  settle(start.environment);
} else start = { handler: process.env._HANDLER, log_fd: adoptLog() };
installConsole(start.log_fd);

const loop = new Loop(api);
process.on('uncaughtException', (error) => {
  logError('Uncaught Exception', error);
  loop.abort(error, 129);
});
process.on('unhandledRejection', (reason, promise) => {
  const error = new UnhandledPromiseRejection(reason, promise);
  logError('Unhandled Promise Rejection', error);
  loop.abort(error, 128);
});
process.on('beforeExit', () => loop.drained());

loop.run(await loadHandler(process.env.LAMBDA_TASK_ROOT ?? process.cwd(), start.handler));
