// Where the browser comes back to a program in a terminal: a port of this machine, open for one answer (RFC 8252 §7.3).
import { serve } from './serve.ts';

export interface Loopback {
  readonly origin: string;
  /** Shows the address, waits until the browser has been there and come back, and answers with what it brought. */
  visit(address: URL): Promise<URL>;
  close(): Promise<void>;
}

export async function openLoopback(): Promise<Loopback> {
  const { promise, resolve } = Promise.withResolvers<URL>();
  const server = await serve(
    async (request, response) => {
      const url = new URL(request.url ?? '/', origin());
      const isAnswer = url.pathname === '/callback' || url.pathname === '/signed-out';
      response.writeHead(isAnswer ? 200 : 404, { 'content-type': 'text/plain', connection: 'close' });
      response.end(isAnswer ? 'Done. Go back to the terminal.\n' : 'There is no such page.\n');
      if (isAnswer) resolve(url);
    },
    { port: 0, setting: 'none' },
  );
  const origin = () => `http://127.0.0.1:${server.port}`;
  return {
    origin: origin(),
    visit(address) {
      console.log(`Open this address in a browser:\n\n  ${address.href}\n`);
      return promise;
    },
    close: server.stop,
  };
}
