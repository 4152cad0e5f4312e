// The HTTP server: listens with sane limits, answers broken requests, and stops without cutting anybody off.
import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net';
import { failure } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';

export interface Listener {
  readonly port: number;
  readonly address: string;
  /**
   * Takes no new connections, lets running requests finish, then cuts what is left after `graceSeconds`. `unhurried` keeps
   * idle connections for all of that time: each ends with its next answer, so that no request meets a closed connection.
   */
  stop(graceSeconds: number, how?: { unhurried?: boolean }): Promise<void>;
}

export interface ListenSettings {
  host: string;
  port: number;
  log: Log;
  requestTimeoutSeconds?: number;
  /** How long idle connections may still be answered during a stop, so that no request is lost on its way. */
  lingerMilliseconds?: number;
}

type Callback = (req: IncomingMessage, res: ServerResponse) => unknown;

const MAX_HEADER_BYTES = 16 * 1024;
const LINGER_MILLISECONDS = 250;
// Longer than the idle time of common load balancers (60 s), so that it is they who close first.
const KEEP_ALIVE_MILLISECONDS = 65_000;

export async function listen(callback: Callback, settings: ListenSettings): Promise<Listener> {
  const running = new Set<ServerResponse>();
  let stopping = false;
  const requestTimeout = (settings.requestTimeoutSeconds ?? 30) * 1000;
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout,
      headersTimeout: Math.min(15_000, requestTimeout),
      keepAliveTimeout: KEEP_ALIVE_MILLISECONDS,
    },
    (req, res) => {
      running.add(res);
      res.once('close', () => running.delete(res));
      if (stopping) res.setHeader('Connection', 'close');
      callback(req, res);
    },
  );
  // Of nothing at all on a connection with a request: whoever does not take their answers must not make us keep them.
  server.timeout = 2 * requestTimeout;
  server.on('clientError', refuseBroken);
  await opened(server, settings);
  const { port, address } = server.address() as AddressInfo;
  const stop: Listener['stop'] = async (graceSeconds, { unhurried = false } = {}) => {
    if (stopping) return;
    stopping = true;
    for (const res of running) if (!res.headersSent) res.setHeader('Connection', 'close');
    const grace = graceSeconds * 1000;
    const linger = unhurried ? 0.8 * grace : (settings.lingerMilliseconds ?? LINGER_MILLISECONDS);
    const cut = await closed(server, grace, Math.min(linger, grace));
    if (cut)
      settings.log.warn('Cut what was still running when the grace period ended', { requests: running.size });
  };
  return { port, address, stop };
}

function opened(server: Server, { host, port }: ListenSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? failure('port_in_use', { host, port }, error) : error),
    );
    server.listen(port, host, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

/** True when something had to be cut off. */
function closed(server: Server, graceMilliseconds: number, lingerMilliseconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    let cut = false;
    // After the sockets were read: a request that had arrived while this process was busy makes its connection no idle one.
    const idle = setInterval(() => setImmediate(() => server.closeIdleConnections()), lingerMilliseconds);
    const end = setTimeout(() => {
      cut = true;
      server.closeAllConnections();
    }, graceMilliseconds);
    // http.Server.close would drop idle connections at once, and with them requests that are already on the wire.
    NetServer.prototype.close.call(server, () => {
      clearInterval(idle);
      clearTimeout(end);
      server.close();
      resolve(cut);
    });
  });
}

const BROKEN: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** What Node's parser refuses never becomes a request; it still gets a proper answer. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = BROKEN[error.code ?? ''] ?? 400;
  const requestId = randomUUID();
  const body = JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    code: 'request_invalid',
    requestId,
  });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json\r\n` +
      `X-Request-ID: ${requestId}\r\nX-Content-Type-Options: nosniff\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n${body}`,
  );
}
