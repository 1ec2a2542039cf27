// The runtime of the tests for images that execute: answers a line of source with a line of JSON.
import net from "node:net";
import readline from "node:readline";

const api = new net.Socket({ fd: 3 });
api.write("!");
for await (const line of readline.createInterface({ input: api })) {
  try {
    const answer = await (0, eval)(`(async () => (${line}))()`);
    api.write(JSON.stringify({ answer }) + "\n");
  } catch (error) {
    api.write(JSON.stringify({ error: String(error) }) + "\n");
  }
}
