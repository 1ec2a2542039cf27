// What is done for the first time is slow: functions are compiled, pages of memory are touched. A blank process has
// time for that, so it loads and calls a handler of no consequence before it is anybody's.
import path from 'node:path';
import { setInvocation } from './console.mjs';
import { loadHandler } from './handler.mjs';
import { Loop } from './loop.mjs';
import { setEnvironment } from './start.mjs';

const EVENT = {
  headers: {
    'lambda-runtime-aws-request-id': '',
    'lambda-runtime-deadline-ms': '0',
    'lambda-runtime-invoked-function-arn': '',
    'lambda-runtime-trace-id': '',
  },
  body: '{}',
};

/** Go through the motions once, for a CommonJS and an ES module. Nothing of it is seen by the function. */
export async function rehearse() {
  const environment = { ...process.env };
  for (const name of ['rehearsal.handler', 'rehearsal_module.handler']) {
    const handler = await loadHandler(path.dirname(new URL(import.meta.url).pathname), name);
    let events = 1;
    const stage = {
      next: () => (events-- > 0 ? Promise.resolve(EVENT) : Promise.reject(stage)),
      report: () => Promise.resolve(),
    };
    await new Loop(stage).run(handler).catch((end) => {
      if (end !== stage) throw end;
    });
  }
  setInvocation(undefined, undefined);
  setEnvironment(environment);
}
