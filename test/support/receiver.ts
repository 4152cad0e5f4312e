// An app's back-channel logout endpoint for tests: notes what it is told, and answers well, badly or never.
import { createServer, type ServerResponse } from 'node:http';
import { afterAll, beforeAll } from 'vitest';

export interface Receiver {
  /** To register: `${origin}/anything`; paths that begin with /broken or /hang answer so. */
  readonly origin: string;
  readonly received: readonly { path: string; token: string; at: number }[];
  /** Paths that answer badly from now on. */
  readonly broken: Set<string>;
}

/** Call it at the top of a file or `describe`. */
export function useReceiver(): Receiver {
  const received: { path: string; token: string; at: number }[] = [];
  const broken = new Set<string>();
  const hanging: ServerResponse[] = [];
  const running = { origin: '' };
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    let text = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      received.push({ path, token: new URLSearchParams(text).get('logout_token') ?? '', at: Date.now() });
      if (path.startsWith('/hang')) hanging.push(response);
      else response.writeHead(broken.has(path) || path.startsWith('/broken') ? 500 : 200).end();
    });
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the receiver has no port');
    running.origin = `http://127.0.0.1:${address.port}`;
  });
  afterAll(() => {
    for (const response of hanging) response.end();
    server.closeAllConnections();
    server.close();
  });
  return {
    received,
    broken,
    get origin() {
      return running.origin;
    },
  };
}
