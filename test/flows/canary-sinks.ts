// Where a secret could leak to besides log, database and answers: metrics, traces, Redis, and what `ps` shows.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll } from 'vitest';

export interface Receiver {
  readonly endpoint: string;
  /** Everything that came, headers and bodies. */
  text(): string;
}

/** A little receiver of OTLP over HTTP. Call it at the top of a file: settings need its address. */
export async function receiveTraces(): Promise<Receiver> {
  const parts: string[] = [];
  const server = createServer((req, res) => {
    parts.push(JSON.stringify(req.headers));
    req.on('data', (chunk: Buffer) => parts.push(chunk.toString('latin1')));
    req.on('end', () => res.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterAll(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, text: () => parts.join('\n') };
}

export interface RedisTap {
  /** Every command that was sent, with what lived too short to be found afterwards. */
  commands(): string;
  /** Every key with its value. */
  dump(): Promise<string>;
  end(): void;
}

export async function tapRedis(url: string): Promise<RedisTap> {
  const client = new Redis(url);
  const { hostname, port } = new URL(url);
  // By hand: a client library reads the first command of somebody else as the answer to its own.
  const monitor = connect(Number(port), hostname);
  const seen: string[] = [];
  monitor.setEncoding('latin1').on('data', (text: string) => seen.push(text));
  monitor.write('MONITOR\r\n');
  await once(monitor, 'data');
  return {
    commands: () => seen.join(''),
    async dump() {
      const entries: string[] = [];
      for await (const keys of client.scanStream({ count: 500 })) {
        for (const key of keys as string[]) entries.push(`\n${key}: ${await valueOfKey(client, key)}`);
      }
      return entries.join('');
    },
    end() {
      monitor.destroy();
      client.disconnect();
    },
  };
}

/** Read by its type: DUMP may compress what it holds. */
async function valueOfKey(client: Redis, key: string): Promise<string> {
  switch (await client.type(key)) {
    case 'string':
      return (await client.getBuffer(key))?.toString('latin1') ?? '';
    case 'hash':
      return JSON.stringify(await client.hgetall(key));
    case 'set':
      return (await client.smembers(key)).join(' ');
    case 'zset':
      return (await client.zrange(key, '0', '-1', 'WITHSCORES')).join(' ');
    case 'list':
      return (await client.lrange(key, 0, -1)).join(' ');
    default:
      throw new Error(`${key} is of a type that this dump does not read`);
  }
}

/** What every user of the machine sees of a process. */
export function shownByPs(processId: number | undefined): string {
  const read = (file: string) => readFileSync(`/proc/${processId}/${file}`, 'utf8').replaceAll('\0', ' ');
  return `${read('cmdline')}\n${read('comm')}`;
}
