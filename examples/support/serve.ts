// Listening and stopping for the small servers of the examples.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Running {
  readonly port: number;
  stop(): Promise<void>;
}

/** `setting` is the environment variable that names another port, for the message when this one is taken. */
export async function serve(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  options: { port: number; setting: string },
): Promise<Running> {
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      console.error(error);
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
      response.end('Something went wrong; the terminal says what.\n');
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new PortTaken(options.port, options.setting) : error);
    });
    // Loopback only: these programs are for looking at, not for others to reach.
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The body as text, or undefined when it is longer than anybody has a reason to send. */
export async function readText(request: IncomingMessage, maximumBytes = 4096): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= maximumBytes) chunks.push(chunk);
  }
  return size <= maximumBytes ? Buffer.concat(chunks).toString('utf8') : undefined;
}

export class PortTaken extends Error {
  constructor(port: number, setting: string) {
    super(`Port ${port} is taken by another program. Choose another one: ${setting}=${port + 100}`);
    this.name = 'PortTaken';
  }
}

/** Runs until Ctrl-C or SIGTERM; a second one ends the program at once. */
export async function untilStopped(stop: () => Promise<void>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let stopping = false;
    const end = () => {
      if (stopping) process.exit(130);
      stopping = true;
      stop().then(resolve, reject);
    };
    process.on('SIGINT', end);
    process.on('SIGTERM', end);
  });
}
